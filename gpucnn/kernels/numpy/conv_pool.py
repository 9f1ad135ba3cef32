"""Convolution and then max-pooling, by the kernels of both."""

from typing import Any

from gpucnn.backend import Array, empty, written_by
from gpucnn.kernels.interface import Windows
from gpucnn.kernels.numpy.conv import Conv
from gpucnn.kernels.numpy.pool import Pool


class ConvPool:
    """Convolution, max-pooling of its results, and ReLU where asked for; a set gives the kernels of its own."""

    def __init__(self, conv: Conv, pool: Pool) -> None:
        self.conv, self.pool = conv, pool

    def forward(
        self, x: Array, weight: Array, bias: Array | None, windows: Windows, relu: bool, winning: bool, out: Array
    ) -> Any:
        """out (O, outputs..., N) of the pooling; returns the winners, which `backward` takes, where `winning`."""
        sizes = windows.convolution.output_sizes(x.shape[1:-1])
        whole = empty((len(weight), *sizes, x.shape[-1]), x)
        self.conv.forward(x, weight, bias, windows.convolution, windows.groups, False, whole)
        if winning:
            return self.pool.max_forward_winners(whole, windows.pooling, relu, out)
        return self.pool.max_forward(whole, windows.pooling, relu, out)

    def backward(
        self,
        x: Array,
        weight: Array,
        grad: Array,
        winners: Any,
        windows: Windows,
        by_x: Array | None,
        by_weight: Array | None,
        by_bias: Array | None,
    ) -> None:
        """The gradients by x, weight and bias, each where it is not None, from `grad` by the result."""
        window, groups, pooling = windows
        shape = (len(weight), *window.output_sizes(x.shape[1:-1]), x.shape[-1])
        whole = written_by(self.pool.max_backward, shape, grad, winners, pooling)
        if by_x is not None:
            self.conv.backward_input(weight, whole, window, groups, by_x)
        if by_weight is not None:
            self.conv.backward_weight(x, whole, window, groups, by_weight, by_bias)
        elif by_bias is not None:
            self.conv.backward_bias(whole, by_bias)
