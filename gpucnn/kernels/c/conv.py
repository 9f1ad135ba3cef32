"""Convolution without a column matrix: the taps are read where they lie."""

from gpucnn.backend import Array, empty
from gpucnn.geometry import Window
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library, plans, winograd


class Conv(numpy.Conv):
    def forward(
        self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array
    ) -> None:
        if winograd.pays(window, groups, out.shape, weight.shape[1]):
            winograd.forward(x, weight, bias, window, groups, relu, out)
        else:
            library.c.contract(plans.forward(window, groups, x.shape, weight.shape), x, weight, bias, relu, out)

    def backward_weight(
        self, x: Array, grad: Array, window: Window, groups: int, grad_weight: Array, grad_bias: Array | None = None
    ) -> None:
        if winograd.pays(window, groups, grad.shape, grad_weight.shape[1]):
            winograd.backward_weight(x, grad, window, groups, grad_weight)
        else:
            plan, parts = plans.weight(window, groups, x.shape, grad_weight.shape, grad_weight.itemsize)
            sums = empty((parts, *grad_weight.shape), grad_weight) if parts > 1 else None
            library.c.weight_gradient(plan, x, grad, sums, grad_weight)
        if grad_bias is not None:
            self.backward_bias(grad, grad_bias)

    def backward_input(self, weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
        if winograd.pays(window, groups, out.shape, len(weight) // groups):
            winograd.backward_input(weight, grad, window, groups, out)
        else:
            library.c.contract(plans.backward(window, groups, out.shape, weight.shape), grad, weight, None, False, out)

    def backward_bias(self, grad: Array, out: Array) -> None:
        library.c.row_sums(grad, len(grad), grad.size // len(grad), out)  # grad as (O, L)
