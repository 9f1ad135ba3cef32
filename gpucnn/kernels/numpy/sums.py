"""Sums along rows in NumPy and CuPy."""

from gpucnn.backend import Array, module_of
from gpucnn.kernels import interface


class Sums(interface.Sums):
    def row_sums(self, rows: Array, out: Array) -> None:
        module_of(rows).sum(rows, axis=1, out=out)
