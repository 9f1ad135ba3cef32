"""Convolution and max-pooling by 2 x 2 in one launch, and their gradients without one in memory between them."""

import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.geometry import Window
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import plans, program, tensor
from gpucnn.kernels.cuda.conv import gradient_by_weight
from gpucnn.kernels.interface import Gradients, Windows

HALVING = Window((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
FULL = 4 * plans.NEAR  # images of a place: threads or columns without one are counted, too
MOST_PRODUCTS = 1 << 28  # of a convolution whose gradients read winners each time: larger ones read the gradient sooner


class ConvPool(numpy.ConvPool):
    """The winners are those of pool.py, as bytes."""

    def forward(
        self, x: Array, weight: Array, bias: Array | None, windows: Windows, relu: bool, winning: bool, out: Array
    ) -> Any:
        window, groups, _ = windows
        on_tensor_cores = tensor.computes(weight, groups, x, out)
        if not _fits(windows, weight, on_tensor_cores, x, out):
            return super().forward(x, weight, bias, windows, relu, winning, out)
        winners = empty(out.shape, x, np.uint8) if winning else None
        if on_tensor_cores:
            tensor.forward_pooled(x, weight, bias, window, groups, relu, winners, out)
            return winners
        launch = plans.forward_pooled(window, groups, x.shape, weight.shape)
        _launch(launch, x, weight, bias, int(relu), winners, out)
        return winners

    def backward(self, x: Array, weight: Array, grad: Array, winners: Any, windows: Windows, into: Gradients) -> None:
        (by_x, by_weight, by_bias), (window, groups, _) = into, windows
        on_tensor_cores = tensor.computes(weight, groups, x, grad)
        products = weight.size * math.prod(window.output_sizes(x.shape[1:-1])) * x.shape[-1]
        small = on_tensor_cores or products <= MOST_PRODUCTS
        if by_weight is None or not small or not _fits(windows, weight, on_tensor_cores, x, grad):
            super().backward(x, weight, grad, winners, windows, into)
            return
        if by_x is not None and on_tensor_cores:
            tensor.backward_input(weight, grad, winners, window, groups, by_x)
        elif by_x is not None:
            launch = plans.backward(window, groups, x.shape, weight.shape, True, True)
            _launch(launch, grad, winners, weight, by_x)
        gradient_by_weight(x, grad, winners, window, groups, by_weight, by_bias)


def _fits(windows: Windows, weight: Array, on_tensor_cores: bool, x: Array, other: Array) -> bool:
    """Whether the kernels here have a version for these windows, x, and the result or the gradient by it."""
    if windows.pooling != HALVING:
        return False
    images = -(-x.shape[-1] // FULL) * FULL
    if math.prod(windows.convolution.output_sizes(x.shape[1:-1])) * images > plans.LARGEST:
        return False
    staged = math.prod(windows.convolution.kernel) * max(plans.POOLED) <= plans.STAGED
    direct = staged and program.quads(x, other) and not tensor.rounded(weight, windows.groups)
    return on_tensor_cores or direct


def _launch(launch: plans.Launch, *arguments: Any) -> None:
    dtype = arguments[0].dtype
    program.launch("conv", launch.kernel, dtype, (launch.blocks,), (launch.threads,), launch.plan, *arguments)
