"""Images turned, scaled and moved in C, where a pixel is a byte."""

import numpy as np

from gpucnn.kernels import numpy
from gpucnn.kernels.c import library


class Warp(numpy.Warp):
    def warped(self, images: np.ndarray, maps: np.ndarray, displacements: np.ndarray | None = None) -> np.ndarray:
        if images.dtype != np.uint8 or not images.flags.c_contiguous:
            return super().warped(images, maps, displacements)
        out = np.empty_like(images)
        further = None if displacements is None else np.ascontiguousarray(displacements)
        library.c.warp(images, *images.shape, out, further, np.ascontiguousarray(maps))
        return out
