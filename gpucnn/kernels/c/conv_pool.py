"""Convolution and max-pooling in one pass, with the results between them in the caches."""

import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.geometry import Window
from gpucnn.kernels import numpy
from gpucnn.kernels.c import gemm, library, plans, pool, winograd
from gpucnn.kernels.c.conv import bordered
from gpucnn.kernels.interface import Gradients, Windows

POOLED_BYTES = 1 << 17  # in source/conv_pool.h
MOST_HANDED_IMAGES = 2048  # in source/weight_gradient.h
MOST_OUTS = 2 * plans.BLOCK_ROWS  # of which each block makes the gradients of its own


class ConvPool(numpy.ConvPool):
    """The winners are those of pool.py, as bytes."""

    def forward(
        self, x: Array, weight: Array, bias: Array | None, windows: Windows, relu: bool, winning: bool, out: Array
    ) -> Any:
        window, groups, pooling = windows
        sizes = window.output_sizes(x.shape[1:-1])
        if not _fits(pooling, x) or winograd.pays(window, groups, (len(weight), *sizes, x.shape[-1]), weight.shape[1]):
            return super().forward(x, weight, bias, windows, relu, winning, out)
        winners = empty(out.shape, x, np.uint8) if winning else None
        x, window = bordered(x, window)
        plan, pooled = plans.forward(window, groups, x.shape, weight.shape), (len(weight), *sizes, x.shape[-1])
        library.c.conv_pool(plan, pool.forward_plan(pooling, pooled), x, weight, bias, winners, relu, out)
        return winners

    def backward(self, x: Array, weight: Array, grad: Array, winners: Any, windows: Windows, into: Gradients) -> None:
        (by_x, by_weight, by_bias), (window, groups, pooling) = into, windows
        sizes = window.output_sizes(x.shape[1:-1])
        whole = (len(weight), *sizes, x.shape[-1])
        alone = by_x is None and by_bias is None and by_weight is not None  # else the whole gradient is read again
        few = x.shape[-1] <= MOST_HANDED_IMAGES and len(weight) <= MOST_OUTS
        if not (alone and few and _fits(pooling, x)) or winograd.pays(window, groups, whole, weight.shape[1]):
            super().backward(x, weight, grad, winners, windows, into)
            return
        x, window = bordered(x, window)
        plan, parts = plans.weight(window, groups, x.shape, weight.shape, weight.itemsize)
        sums = gemm.memory_of(parts, weight)
        library.c.weight_gradient_pooled(plan, pool.backward_plan(pooling, whole), x, grad, winners, sums, by_weight)


def _fits(pooling: Window, x: Array) -> bool:
    """Whether windows lie beside each other along one axis or two, and the results of a block under one are few."""
    taps = math.prod(pooling.kernel)
    apart = all(stride >= kernel for stride, kernel in zip(pooling.stride, pooling.kernel, strict=True))
    flat = len(pooling.kernel) <= 2 and set(pooling.dilation) == {1} and taps <= pool.MOST_TAPS
    return apart and flat and plans.BLOCK_ROWS * taps * x.shape[-1] * x.itemsize <= POOLED_BYTES
