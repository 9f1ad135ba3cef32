"""Convolution in CUDA: the taps are read where they lie, without a column matrix. Shapes as in numpy/conv.py.

Where products are to be rounded for tensor cores and are large enough to gain by it, and where a window has more taps
than the kernels stage, columns.py serves: what taps read as a matrix, and a product by cuBLAS.
"""

import math

from gpucnn.backend import Array, empty
from gpucnn.geometry import Window
from gpucnn.kernels.cuda import columns, plans, precision, program
from gpucnn.kernels.cuda.sums import column_sums, row_sums

# From how many outs and columns of a group on rounded products pay. A number of the matrix is written and read once, 8
# bytes, and saves the direct kernels 2 operations for each out: an H200 computes some 60 in that time. With fewer
# columns than 64 the tiles that tensor cores work on are mostly empty. Reckoned, not measured.
PAYING_OUTS, PAYING_COLUMNS = 32, 64


def forward(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, least: float, out: Array) -> None:
    """out[o] = max(sum over i and taps of weight[o, i, tap] · x[i at tap] + bias[o], least)."""
    if _by_columns(weight, groups):
        columns.forward(x, weight, bias, window, groups, least, out)
        return
    launch = plans.forward(window, groups, x.shape, weight.shape, program.quads(x, out))
    _contract(launch, x, weight, bias, least, out)


def backward_weight(
    x: Array, grad: Array, window: Window, groups: int, out: Array, by_bias: Array | None = None
) -> None:
    """out[o, i, tap] = sum over places of grad[o] · x[i at tap], in parts that are summed in their order.

    by_bias, where it is asked for, is the sum of grad[o]: as if a column of ones stood beside what the taps read.
    """
    if _by_columns(out, groups):
        columns.backward_weight(x, grad, window, groups, out)
        if by_bias is not None:
            backward_bias(grad, by_bias)
        return
    launch, parts = plans.weight(window, groups, x.shape, out.shape, by_bias is not None, program.quads(x, grad))
    results = (out, by_bias)
    if parts > 1:
        sums = empty((parts, out.size + (0 if by_bias is None else by_bias.size)), out)
        results = (sums, None if by_bias is None else sums.reshape(-1)[out.size :])
    program.launch(
        "gemm", launch.kernel, out.dtype, (launch.blocks,), (launch.threads,), launch.plan, x, grad, *results
    )
    if parts > 1:
        column_sums(sums, out, by_bias)


def backward_input(weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
    """out = the gradient by the input: for each pixel the sum over the taps that read it."""
    if _by_columns(weight, groups):
        columns.backward_input(weight, grad, window, groups, out)
        return
    launch = plans.backward(window, groups, out.shape, weight.shape, program.quads(grad, out))
    _contract(launch, grad, weight, None, -math.inf, out)


def backward_bias(grad: Array, out: Array) -> None:
    """out[o] = the sum of grad over places and images."""
    row_sums(grad.reshape(len(grad), -1), out)  # (O, L)


def _by_columns(weight: Array, groups: int) -> bool:
    """Whether a convolution by `weight` (O, I / groups, kernel...), or a gradient of it, is a product by cuBLAS."""
    outs, ins, *kernel = weight.shape
    taps, rounded = math.prod(kernel), weight.dtype.itemsize == 4 and precision.get() != "float32"
    return taps > plans.STAGED or (rounded and outs // groups >= PAYING_OUTS and ins * taps >= PAYING_COLUMNS)


def _contract(launch: plans.Launch, source: Array, weight: Array, bias: Array | None, least: float, out: Array) -> None:
    blocks, threads = (launch.blocks,), (launch.threads,)
    arguments = (launch.plan, source, weight, bias, float(least), out)
    program.launch("conv", launch.kernel, out.dtype, blocks, threads, *arguments)
