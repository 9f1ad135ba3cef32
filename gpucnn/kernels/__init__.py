"""Kernels: arrays in, arrays out, no tape. Images are (C, spatial..., N): batch-last, C-contiguous.

`reference` is NumPy and CuPy alike, and always works; `cpu` is the same functions in C. `choice` says which compute.
"""
