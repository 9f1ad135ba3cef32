"""Kernels: arrays in, arrays out, no tape. Images are (C, spatial..., N): batch-last, C-contiguous.

`interface` says what a set offers; `numpy`, `c` and `cuda` are the sets, and `dispatch` chooses one for an array.
"""
