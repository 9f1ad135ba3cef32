"""Matrix products in the batch-last layout: a contraction of one tap."""

import math

from gpucnn.backend import Array, empty
from gpucnn.kernels.c import library, plans
from gpucnn.kernels.c.sums import row_sums
from gpucnn.kernels.numpy import gemm as reference

product = reference.product


def matmul(a: Array, b: Array, out: Array, bias: Array | None = None, least: float = -math.inf) -> None:
    """out (..., M, N) = a (M, K) or (..., M, K) @ b (..., K, N), plus bias (M,) along N; at least `least`.

    `a` and `b` are C-contiguous, or the transposes of such.
    """
    if out.ndim > 2:
        reference.matmul(a, b, out, bias, least)
        return
    rows, summed = a.shape
    if out.shape[1] == 1 and a.flags.c_contiguous:
        library.c.matrix_vector(a, rows, summed, b, bias, least, out)
        return
    steps = (summed, 1) if a.flags.c_contiguous else (1, rows)
    plan = plans.product(rows, summed, out.shape[1], *steps)
    library.c.contract(plan, _turned(b), a if a.flags.c_contiguous else a.T, bias, least, out)


def matmul_and_row_sums(a: Array, b: Array, out: Array, sums: Array) -> None:
    """out (M, N) = a (M, K) @ b (K, N), and sums (M,) = the sum of each row of a."""
    matmul(a, b, out)
    row_sums(a, sums)


def _turned(b: Array) -> Array:
    """`b` (K, N) in C order; a transposed view is copied."""
    if b.flags.c_contiguous:
        return b
    turned = empty(b.shape, b)
    library.c.transpose(b.T, b.shape[1], b.shape[0], turned)
    return turned
