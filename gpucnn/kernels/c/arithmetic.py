"""Arithmetic of the tape in C, for arrays in C order of one floating type."""

import numpy as np

from gpucnn.backend import Array
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library

FLOATING = (np.dtype(np.float32), np.dtype(np.float64))


class Arithmetic(numpy.Arithmetic):
    def add(self, x: Array, y: Array, out: Array) -> None:
        if _alike(x, y, out):
            library.c.add(x, y, out)
        else:
            super().add(x, y, out)

    def scale(self, x: Array, factor: Array, out: Array) -> None:
        if factor.ndim == 0 and _alike(x, factor, out):
            library.c.scale_by(x, factor, out)
        else:
            super().scale(x, factor, out)

    def add_to_rows(self, values: Array, out: Array) -> None:
        library.c.add_to_rows(values, out)

    def copy(self, x: Array, out: Array) -> None:
        if _alike(x, out):
            library.c.copy(x, out)
        else:
            super().copy(x, out)

    def fill(self, value: float, out: Array) -> None:
        library.c.fill(value, out)


def _alike(*arrays: Array) -> bool:
    """Whether the kernels read these arrays: a user's backward may return any."""
    dtype = arrays[-1].dtype
    return dtype in FLOATING and all(array.dtype == dtype and array.flags.c_contiguous for array in arrays)
