"""Sums along rows."""

from gpucnn.backend import Array, module_of


def row_sums(rows: Array, out: Array) -> None:
    """out (C,) = the sum of each row of (C, L)."""
    module_of(rows).sum(rows, axis=1, out=out)
