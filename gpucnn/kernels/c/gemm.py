"""Matrix products in the batch-last layout: a contraction of one tap."""

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library, plans

COMPILED = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


class Gemm(numpy.Gemm):
    def matmul(self, a: Array, b: Array, out: Array, bias: Array | None = None, relu: bool = False) -> None:
        if out.ndim > 2:
            super().matmul(a, b, out, bias, relu)
            return
        rows, summed = a.shape
        if out.shape[1] == 1 and a.flags.c_contiguous:
            library.c.matrix_vector(a, rows, summed, b, bias, relu, out)
            return
        if out.shape[1] == 1 and bias is None and not relu:  # as a row: out^T (1, rows) = b^T a^T
            _contract(plans.product(1, summed, rows, summed, 1), a.T, _turned(b), None, False, out)
            return
        if a.flags.c_contiguous and not b.flags.c_contiguous and bias is None and not relu:
            rows_product(a, b.T, out)
            return
        steps = (summed, 1) if a.flags.c_contiguous else (1, rows)
        plan = plans.product(rows, summed, out.shape[1], *steps)
        _contract(plan, _turned(b), a if a.flags.c_contiguous else a.T, bias, relu, out)

    def matmul_and_row_sums(self, a: Array, b: Array, out: Array, sums: Array) -> None:
        self.matmul(a, b, out)
        self.row_sums(a, sums)

    def row_sums(self, rows: Array, out: Array) -> None:
        library.c.row_sums(rows, *rows.shape, out)

    def total(self, x: Array) -> Array:
        if x.dtype not in COMPILED:
            return super().total(x)
        out = empty((), x)
        library.c.row_sums(x, 1, x.size, out)
        return out


def rows_product(a: Array, b: Array, out: Array) -> None:
    """out (R, C) = a (R, S) · b (C, S)ᵀ, all in C order."""
    plan, parts = plans.rows_product(len(a), len(b), a.shape[1])
    library.c.rows_product(plan, a, b, memory_of(parts, out), out)


def memory_of(parts: int, out: Array) -> Array | None:
    """Memory (parts, *out.shape) for sums that are added up to `out`; None where there is one part."""
    return empty((parts, *out.shape), out) if parts > 1 else None


def _contract(plan: tuple[Array, int], x: Array, w: Array, bias: Array | None, relu: bool, out: Array) -> None:
    numbers, parts = plan
    library.c.contract(numbers, x, w, bias, relu, memory_of(parts, out), out)


def _turned(b: Array) -> Array:
    """`b` (K, N) in C order; a transposed view is copied."""
    if b.flags.c_contiguous:
        return b
    turned = empty(b.shape, b)
    library.c.transpose(b.T, b.shape[1], b.shape[0], turned)
    return turned
