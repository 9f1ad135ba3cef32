"""Images turned, scaled and moved in C, where a pixel is a byte. Shapes as in numpy/warp.py."""

import numpy as np

from gpucnn.kernels.c import library
from gpucnn.kernels.numpy import warp as reference


def warped(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W), each by its map (N, 4)."""
    if images.dtype != np.uint8 or not images.flags.c_contiguous:
        return reference.warped(images, maps)
    out = np.empty_like(images)
    library.c.warp(images, *images.shape, out, np.ascontiguousarray(maps))
    return out
