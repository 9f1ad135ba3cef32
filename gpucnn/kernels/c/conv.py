"""Convolution without a column matrix: the taps are read where they lie. Shapes as in numpy/conv.py."""

import math

from gpucnn.backend import Array, empty
from gpucnn.geometry import Window
from gpucnn.kernels.c import library, plans, winograd
from gpucnn.kernels.c.sums import row_sums


def forward(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, least: float, out: Array) -> None:
    """out[o] = max(sum over i and taps of weight[o, i, tap] · x[i at tap] + bias[o], least)."""
    if winograd.pays(window, groups, out.shape, weight.shape[1]):
        winograd.forward(x, weight, bias, window, groups, least, out)
    else:
        library.c.contract(plans.forward(window, groups, x.shape, weight.shape), x, weight, bias, least, out)


def backward_weight(
    x: Array, grad: Array, window: Window, groups: int, out: Array, by_bias: Array | None = None
) -> None:
    """out[o, i, tap] = sum over places of grad[o] · x[i at tap], in parts that are summed in their order.

    by_bias, where it is asked for, as backward_bias.
    """
    plan, parts = plans.weight(window, groups, x.shape, out.shape, out.itemsize)
    sums = empty((parts, *out.shape), out) if parts > 1 else None
    library.c.weight_gradient(plan, x, grad, sums, out)
    if by_bias is not None:
        backward_bias(grad, by_bias)


def backward_input(weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
    """out = the gradient by the input: for each pixel the sum over the taps that read it."""
    if winograd.pays(window, groups, out.shape, len(weight) // groups):
        winograd.backward_input(weight, grad, window, groups, out)
    else:
        library.c.contract(plans.backward(window, groups, out.shape, weight.shape), grad, weight, None, -math.inf, out)


def backward_bias(grad: Array, out: Array) -> None:
    """out[o] = the sum of grad over places and images."""
    row_sums(grad.reshape(len(grad), -1), out)  # (O, L)
