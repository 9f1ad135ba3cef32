"""Kernels: arrays in, arrays out, no tape. Images are (C, spatial..., N): batch-last, C-contiguous.

`numpy`, `c` and `cuda` are the sets; `numpy` documents every kernel, the others inherit from it. `interface` holds the
values that kernels take, and `dispatch` chooses a set for an array.
"""
