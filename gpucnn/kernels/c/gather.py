"""A minibatch out of a set of images in C, in one pass where a pixel is a byte."""

import math

import numpy as np

from gpucnn.kernels import numpy
from gpucnn.kernels.c import library


class Gather(numpy.Gather):
    def normalised(self, images: np.ndarray, indices: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
        if images.dtype != np.uint8 or not images.flags.c_contiguous:
            return super().normalised(images, indices, shift, scale)
        out = np.empty((*images.shape[1:], len(indices)), shift.dtype)
        if out.size:
            numbers = np.ascontiguousarray(indices, np.int64)
            library.c.gather(images, numbers, shift, scale, math.prod(images.shape[1:]), out)
            if math.isnan(out.item(0)):  # shift and scale are finite: a number of no image makes it so
                raise IndexError(
                    f"images are numbered 0 to {len(images) - 1}; given {numbers.min()} to {numbers.max()}"
                )
        return out
