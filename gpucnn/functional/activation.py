"""Activations, element by element or along one axis, and dropout.

A new activation is written here: a Function, and a function marked with `activation`. `gpucnn.functional` and
`gpucnn.nn` then have it, and a configuration knows it by the function's name.
"""

import inspect
from collections.abc import Callable

from gpucnn.backend import Array, empty, written_by
from gpucnn.errors import ShapeError
from gpucnn.functional.checks import check_dropout, check_floating
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.quiet import quietly
from gpucnn.tensor.view import in_place

__all__ = ["dropout", "leaky_relu", "log_softmax", "relu", "scaled_tanh", "sigmoid", "softmax", "tanh"]

# By name; each takes a Tensor, and options that have defaults. Filled by `activation` when a file is imported.
ACTIVATIONS: dict[str, Callable[..., Tensor]] = {}


def activation(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Register a function of a Tensor and options with `gpucnn.functional`, `gpucnn.nn` and configurations.

    Raises TypeError where an option has no default.
    """
    options = list(inspect.signature(function).parameters.values())[1:]
    if any(option.default is option.empty for option in options):
        raise TypeError(
            f"activation {function.__name__}: every option needs a default, as in {function.__name__}(x, a=1)"
        )
    ACTIVATIONS[function.__name__] = function
    return function


class Activation(Function):
    """An activation whose gradient is computed from its result; `kernel` names it, `kernel`_backward the gradient."""

    layout = "elementwise"

    def forward(self, x: Array, kernel: str) -> Array:
        self.kernel, self.y = kernel, empty(x.shape, x)
        getattr(kernels_of(type(x)).activation, kernel)(x, self.y)
        return self.y

    def backward(self, grad: Array) -> Array:
        kernel = getattr(kernels_of(type(grad)).activation, f"{self.kernel}_backward")
        return written_by(kernel, grad.shape, grad, self.y)


class LeakyReLU(Function):
    layout = "elementwise"

    def forward(self, x: Array, negative_slope: float) -> Array:
        self.x, self.slope = x, negative_slope
        return written_by(kernels_of(type(x)).activation.leaky_relu, x.shape, x, negative_slope)

    def backward(self, grad: Array) -> Array:
        kernel = kernels_of(type(grad)).activation.leaky_relu_backward
        return written_by(kernel, grad.shape, grad, self.x, self.slope)


class ScaledTanh(Function):
    """amplitude · tanh(slope · x)."""

    layout = "elementwise"

    def forward(self, x: Array, amplitude: float, slope: float) -> Array:
        self.tanh, self.factor = empty(x.shape, x), amplitude * slope
        return written_by(kernels_of(type(x)).activation.scaled_tanh, x.shape, x, amplitude, slope, self.tanh)

    def backward(self, grad: Array) -> Array:
        kernel = kernels_of(type(grad)).activation.scaled_tanh_backward
        return written_by(kernel, grad.shape, grad, self.tanh, self.factor)


class Softmax(Function):
    """Softmax or its logarithm, as `kernel` names it."""

    layout = "elementwise"

    def forward(self, x: Array, axis: int, kernel: str) -> Array:
        self.axis, self.kernel = axis, kernel
        self.y = quietly(getattr(kernels_of(type(x)).softmax, kernel), x, axis)
        return self.y

    def backward(self, grad: Array) -> Array:
        return getattr(kernels_of(type(grad)).softmax, f"{self.kernel}_backward")(grad, self.y, self.axis)


class Dropout(Function):
    layout = "elementwise"

    def forward(self, x: Array, p: float) -> Array:
        self.scales = empty(x.shape, x)
        return written_by(kernels_of(type(x)).activation.dropout, x.shape, x, self.scales, p)

    def backward(self, grad: Array) -> Array:
        return written_by(kernels_of(type(grad)).activation.dropout_backward, grad.shape, grad, self.scales)


@activation
def relu(x: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); its slope at 0 is 0. Any shape. With `inplace` x becomes the result."""
    check_floating("relu", x)
    return in_place(relu)(x) if inplace else Activation.apply(x, kernel="relu")


@activation
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)). Any shape."""
    check_floating("sigmoid", x)
    return Activation.apply(x, kernel="sigmoid")


@activation
def leaky_relu(x: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x. Any shape. With `inplace` x becomes the result."""
    check_floating("leaky_relu", x)
    if inplace:
        return in_place(leaky_relu)(x, negative_slope)
    return LeakyReLU.apply(x, negative_slope=negative_slope)


@activation
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent. Any shape."""
    check_floating("tanh", x)
    return ScaledTanh.apply(x, amplitude=1.0, slope=1.0)


@activation
def scaled_tanh(x: Tensor) -> Tensor:
    """1.7159 · tanh(2x / 3), which maps ±1 to ±1. Any shape.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition, 1998.
    """
    check_floating("scaled_tanh", x)
    return ScaledTanh.apply(x, amplitude=1.7159, slope=2 / 3)


@activation
def softmax(x: Tensor, dim: int = 1) -> Tensor:
    """exp(x) / sum(exp(x)) along axis `dim`. Any shape. Raises ShapeError if there is no such axis."""
    return Softmax.apply(x, axis=memory_axis("softmax", x, dim), kernel="softmax")


@activation
def log_softmax(x: Tensor, dim: int = 1) -> Tensor:
    """The logarithm of softmax along axis `dim`, without overflow. Raises ShapeError if there is no such axis."""
    return Softmax.apply(x, axis=memory_axis("log_softmax", x, dim), kernel="log_softmax")


def memory_axis(name: str, x: Tensor, dim: int) -> int:
    """The axis of x's memory that holds the logical axis `dim`. Raises ShapeError, InputError."""
    check_floating(name, x)
    if not -x.ndim <= dim < x.ndim:
        raise ShapeError(f"{name}: dim is {dim}, but the input has {x.ndim} axes: x {x.shape}")
    return (dim - x.batch_last) % x.ndim


def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element set to 0 with probability p, the others divided by 1 - p; x itself when not training. Any shape.

    With `inplace` x becomes the result. Draws from the process's generator (`gpucnn.manual_seed`). Raises InputError
    for p outside [0, 1).
    """
    check_dropout(p)
    check_floating("dropout", x)
    if not training or not p:
        return x
    return in_place(dropout)(x, p) if inplace else Dropout.apply(x, p=p)
