"""Convolution in CUDA: the taps are read where they lie, without a column matrix.

Where products are to be rounded for tensor cores and are large enough to gain by it, tensor.py serves. Where arrays do
not fit its kernels, and where a window has more taps than the kernels here stage, columns.py does: what taps read as a
matrix, and a product by cuBLAS.
"""

import math

from gpucnn.backend import Array, empty
from gpucnn.geometry import Window
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import columns, plans, program, tensor
from gpucnn.kernels.cuda.sums import row_sums


class Conv(numpy.Conv):
    def forward(
        self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array
    ) -> None:
        if tensor.computes(weight, groups, x, out):
            tensor.forward(x, weight, bias, window, groups, relu, out)
        elif _by_columns(weight, groups):
            columns.forward(x, weight, bias, window, groups, relu, out)
        else:
            launch = plans.forward(window, groups, x.shape, weight.shape, program.quads(x, out))
            _contract(launch, x, weight, bias, relu, out)

    def backward_weight(
        self, x: Array, grad: Array, window: Window, groups: int, grad_weight: Array, grad_bias: Array | None = None
    ) -> None:
        """The bias is one more column: as if ones stood beside what the taps read."""
        if tensor.computes(grad_weight, groups, x, grad) or not _by_columns(grad_weight, groups):
            gradient_by_weight(x, grad, None, window, groups, grad_weight, grad_bias)
            return
        columns.backward_weight(x, grad, window, groups, grad_weight)
        if grad_bias is not None:
            self.backward_bias(grad, grad_bias)

    def backward_input(self, weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
        if tensor.computes(weight, groups, grad, out):
            tensor.backward_input(weight, grad, None, window, groups, out)
        elif _by_columns(weight, groups):
            columns.backward_input(weight, grad, window, groups, out)
        else:
            launch = plans.backward(window, groups, out.shape, weight.shape, program.quads(grad, out))
            _contract(launch, grad, weight, None, False, out)

    def backward_bias(self, grad: Array, out: Array) -> None:
        row_sums(grad.reshape(len(grad), -1), out)  # (O, L)


def _by_columns(weight: Array, groups: int) -> bool:
    """Whether a convolution by `weight` (O, I / groups, kernel...), or a gradient of it, is a product by cuBLAS."""
    return math.prod(weight.shape[2:]) > plans.STAGED or tensor.rounded(weight, groups)


def gradient_by_weight(
    x: Array,
    grad: Array,
    winners: Array | None,
    window: Window,
    groups: int,
    grad_weight: Array,
    grad_bias: Array | None,
) -> None:
    """As Conv.backward_weight; with `winners`, of the gradient that max-pooling by 2 x 2 makes of `grad`."""
    given = (window, groups, x.shape, grad_weight.shape, grad_bias is not None, program.quads(x, grad))
    rounded = tensor.computes(grad_weight, groups, x, grad)
    launch, numbers = plans.weight(*given, winners is not None, rounded)
    shared = empty((numbers,), grad_weight) if numbers else None
    arguments = (launch.plan, x, grad, winners, grad_weight, grad_bias, shared)
    source = "gradient_tensor" if rounded else "gradient"
    program.launch(source, launch.kernel, grad_weight.dtype, (launch.blocks,), (launch.threads,), *arguments)


def _contract(launch: plans.Launch, source: Array, weight: Array, bias: Array | None, relu: bool, out: Array) -> None:
    blocks, threads = (launch.blocks,), (launch.threads,)
    arguments = (launch.plan, source, weight, bias, int(relu), out)
    program.launch("conv", launch.kernel, out.dtype, blocks, threads, *arguments)
