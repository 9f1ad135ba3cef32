"""Kernels: arrays in, arrays out, no tape. Images are (C, spatial..., N): batch-last, C-contiguous.

`numpy` is NumPy and CuPy alike, and always works; `c` is the same functions in C. `dispatch` says which compute.
"""
