"""Convolution in CUDA: the taps are read where they lie, without a column matrix.

Where products are to be rounded for tensor cores and are large enough to gain by it, and where a window has more taps
than the kernels stage, columns.py serves: what taps read as a matrix, and a product by cuBLAS.
"""

import math

from gpucnn.backend import Array, empty
from gpucnn.geometry import Window
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import columns, plans, precision, program
from gpucnn.kernels.cuda.sums import column_sums, row_sums

# The numbers of outs and columns of a group from which rounded products are faster. A number of the matrix is written
# and read once, 8 bytes, and saves the direct kernels 2 operations for each out: an H200 computes some 60 in that time.
# With fewer columns than 64 the tiles that tensor cores work on are mostly empty. Estimated, not measured.
PAYING_OUTS, PAYING_COLUMNS = 32, 64


class Conv(numpy.Conv):
    def forward(
        self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array
    ) -> None:
        if _by_columns(weight, groups):
            columns.forward(x, weight, bias, window, groups, relu, out)
            return
        launch = plans.forward(window, groups, x.shape, weight.shape, program.quads(x, out))
        _contract(launch, x, weight, bias, relu, out)

    def backward_weight(
        self, x: Array, grad: Array, window: Window, groups: int, grad_weight: Array, grad_bias: Array | None = None
    ) -> None:
        """The bias is one more column: as if ones stood beside what the taps read."""
        if _by_columns(grad_weight, groups):
            columns.backward_weight(x, grad, window, groups, grad_weight)
            if grad_bias is not None:
                self.backward_bias(grad, grad_bias)
            return
        launch, parts = plans.weight(
            window, groups, x.shape, grad_weight.shape, grad_bias is not None, program.quads(x, grad)
        )
        results = (grad_weight, grad_bias)
        if parts > 1:
            sums = empty((parts, grad_weight.size + (0 if grad_bias is None else grad_bias.size)), grad_weight)
            results = (sums, None if grad_bias is None else sums.reshape(-1)[grad_weight.size :])
        threads, arguments = (launch.threads,), (launch.plan, x, grad, *results)
        program.launch("gemm", launch.kernel, grad_weight.dtype, (launch.blocks,), threads, *arguments)
        if parts > 1:
            column_sums(sums, grad_weight, grad_bias)

    def backward_input(self, weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
        if _by_columns(weight, groups):
            columns.backward_input(weight, grad, window, groups, out)
            return
        launch = plans.backward(window, groups, out.shape, weight.shape, program.quads(grad, out))
        _contract(launch, grad, weight, None, False, out)

    def backward_bias(self, grad: Array, out: Array) -> None:
        row_sums(grad.reshape(len(grad), -1), out)  # (O, L)


def _by_columns(weight: Array, groups: int) -> bool:
    """Whether a convolution by `weight` (O, I / groups, kernel...), or a gradient of it, is a product by cuBLAS."""
    outs, ins, *kernel = weight.shape
    taps, rounded = math.prod(kernel), weight.dtype.itemsize == 4 and precision.get() != "float32"
    return taps > plans.STAGED or (rounded and outs // groups >= PAYING_OUTS and ins * taps >= PAYING_COLUMNS)


def _contract(launch: plans.Launch, source: Array, weight: Array, bias: Array | None, relu: bool, out: Array) -> None:
    blocks, threads = (launch.blocks,), (launch.threads,)
    arguments = (launch.plan, source, weight, bias, int(relu), out)
    program.launch("conv", launch.kernel, out.dtype, blocks, threads, *arguments)
