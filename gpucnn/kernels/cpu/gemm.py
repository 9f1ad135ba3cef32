"""Matrix products in the batch-last layout: a contraction of one tap."""

import numpy as np

from gpucnn.backend import Array
from gpucnn.kernels.cpu import library, plans
from gpucnn.kernels.reference import gemm as reference


def matmul(a: Array, b: Array, out: Array, bias: Array | None = None) -> None:
    """out (..., M, N) = a (M, K) or (..., M, K) @ b (..., K, N), plus bias (M,) along N."""
    if out.ndim > 2:
        reference.matmul(a, b, out, bias)
        return
    rows, summed = a.shape
    if a.flags.c_contiguous:
        steps = summed, 1
    else:
        a, steps = np.ascontiguousarray(a.T), (1, rows)  # as it lies in memory where `a` is a transposed view
    plan = plans.product(rows, summed, out.shape[1], *steps)
    library.c.contract(plan, np.ascontiguousarray(b), a, bias, out)
