"""Sums along rows in C."""

from gpucnn.backend import Array
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library


class Sums(numpy.Sums):
    def row_sums(self, rows: Array, out: Array) -> None:
        library.c.row_sums(rows, *rows.shape, out)
