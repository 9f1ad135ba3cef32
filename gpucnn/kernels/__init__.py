"""Kernels: arrays in, arrays out, no tape. Images are (C, spatial..., N): batch-last, C-contiguous."""
