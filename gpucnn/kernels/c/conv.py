"""Convolution without a column matrix: the taps are read where they lie."""

from gpucnn.backend import Array, empty
from gpucnn.geometry import Sides, Window
from gpucnn.kernels import numpy
from gpucnn.kernels.c import gemm, library, plans, winograd

FEW_IMAGES = 16  # fewer do not fill a vector: neighbouring places do, where all taps of a row meet the input


class Conv(numpy.Conv):
    def forward(
        self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array
    ) -> None:
        if winograd.pays(window, groups, out.shape, weight.shape[1]):
            winograd.forward(x, weight, bias, window, groups, relu, out)
        else:
            x, window = bordered(x, window)
            library.c.contract(plans.forward(window, groups, x.shape, weight.shape), x, weight, bias, relu, None, out)

    def backward_weight(
        self, x: Array, grad: Array, window: Window, groups: int, grad_weight: Array, grad_bias: Array | None = None
    ) -> None:
        if winograd.pays(window, groups, grad.shape, grad_weight.shape[1]):
            winograd.backward_weight(x, grad, window, groups, grad_weight)
        elif groups == 1 and _pointwise(window) and grad.size:
            outs, ins = grad_weight.shape[:2]
            gemm.rows_product(grad.reshape(outs, -1), x.reshape(ins, -1), grad_weight.reshape(outs, ins))
        else:
            x, window = bordered(x, window)
            plan, parts = plans.weight(window, groups, x.shape, grad_weight.shape, grad_weight.itemsize)
            library.c.weight_gradient(plan, x, grad, gemm.memory_of(parts, grad_weight), grad_weight)
        if grad_bias is not None:
            self.backward_bias(grad, grad_bias)

    def backward_input(self, weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
        if winograd.pays(window, groups, out.shape, len(weight) // groups):
            winograd.backward_input(weight, grad, window, groups, out)
        else:
            grad, sides = _bordered_gradient(grad, window)
            plan = plans.backward(window, groups, out.shape, weight.shape, sides)
            library.c.contract(plan, grad, weight, None, False, None, out)

    def backward_bias(self, grad: Array, out: Array) -> None:
        library.c.row_sums(grad, len(grad), grad.size // len(grad), out)  # grad as (O, L)


def bordered(x: Array, window: Window) -> tuple[Array, Window]:
    """x (C, spatial..., N) and the window; of few images, x with zeros for padding, and the window without any."""
    if x.shape[-1] >= FEW_IMAGES or not _flat(x) or not window.padded:
        return x, window
    return _with_zeros(x, window.padding), window._replace(padding=((0, 0),) * len(window.padding))


def _bordered_gradient(grad: Array, window: Window) -> tuple[Array, Sides]:
    """The gradient by the outputs, and how many zeros stand around it; of few images as many as all taps of x meet."""
    none = ((0, 0),) * len(window.kernel)
    if grad.shape[-1] >= FEW_IMAGES or not _flat(grad) or set(window.stride) != {1}:
        return grad, none
    sides = plans.gradient_sides(window)
    return _with_zeros(grad, sides), sides


def _pointwise(window: Window) -> bool:
    """Whether each output reads the pixel at its own place alone."""
    return {*window.kernel, *window.stride} == {1} and not window.padded


def _flat(maps: Array) -> bool:
    """Whether maps (C, spatial..., N) have one spatial axis or two."""
    return maps.ndim <= 4


def _with_zeros(x: Array, sides: Sides) -> Array:
    """x (C, H, W, N) or (C, L, N) with (before, after) zeros along its spatial axes."""
    border, shape = plans.border(x.shape, sides)
    out = empty(shape, x)
    library.c.pad(border, x, out)
    return out
