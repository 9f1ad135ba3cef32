"""Sums along rows in C: in an order that depends on the shape alone."""

from gpucnn.backend import Array
from gpucnn.kernels.c import library


def row_sums(rows: Array, out: Array) -> None:
    """out (C,) = the sum of each row of (C, L)."""
    library.c.row_sums(rows, *rows.shape, out)
