"""Activations of later networks: GELU, SiLU, ELU, hard swish, softplus, and PReLU, whose slope is trained."""

from typing import Literal

from gpucnn.backend import Array, module_of
from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.activation import activation
from gpucnn.functional.checks import check_floating
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.arithmetic import unbroadcast
from gpucnn.tensor.interluded import interluded
from gpucnn.tensor.view import in_place

__all__ = ["elu", "gelu", "hardswish", "prelu", "silu", "softplus"]


class Curve(Function):
    """A function of each number with options, which `kernel` names."""

    layout = "elementwise"

    def forward(self, x: Array, kernel: str, options: tuple[float, ...] = ()) -> Array:
        self.x, self.kernel, self.options = x, kernel, options
        return kernels_of(type(x)).curves.forward(kernel, x, options)

    def backward(self, grad: Array) -> Array:
        return kernels_of(type(grad)).curves.backward(self.kernel, grad, self.x, self.options)


@interluded
class PReLU(Function):
    """x where x > 0, else weight · x; weight broadcasts to x."""

    layout = "elementwise"

    def forward(self, x: Array, weight: Array) -> Array:
        self.x, self.weight = x, weight
        return module_of(x).where(x > 0, x, weight * x)

    def backward(self, grad: Array) -> tuple[Array, Array]:
        xp = module_of(grad)
        by_weight = unbroadcast(grad * xp.minimum(self.x, 0), self.weight.shape)
        return xp.where(self.x > 0, grad, self.weight * grad), by_weight


@activation
def gelu(x: Tensor, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """x · Φ(x), with Φ the distribution function of the standard normal distribution. Any shape.

    With "tanh", Φ(x) is (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2. D. Hendrycks, K. Gimpel, Gaussian Error Linear
    Units, 2016, arXiv:1606.08415. Raises InputError for another word.
    """
    check_floating("gelu", x)
    if approximate not in ("none", "tanh"):
        raise InputError(f"gelu: approximate is {approximate!r}; expected none or tanh")
    return Curve.apply(x, kernel="gelu_tanh" if approximate == "tanh" else "gelu")


@activation
def silu(x: Tensor, inplace: bool = False) -> Tensor:
    """x / (1 + exp(-x)), also called swish. Any shape. With `inplace` x becomes the result."""
    check_floating("silu", x)
    return in_place(silu)(x) if inplace else Curve.apply(x, kernel="silu")


@activation
def elu(x: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (exp(x) - 1). Any shape. With `inplace` x becomes the result."""
    check_floating("elu", x)
    return in_place(elu)(x, alpha) if inplace else Curve.apply(x, kernel="elu", options=(alpha,))


@activation
def hardswish(x: Tensor, inplace: bool = False) -> Tensor:
    """x · min(max(x + 3, 0), 6) / 6. Any shape. With `inplace` x becomes the result."""
    check_floating("hardswish", x)
    return in_place(hardswish)(x) if inplace else Curve.apply(x, kernel="hardswish")


@activation
def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta · x)) / beta; x itself where beta · x is above the threshold. Any shape."""
    check_floating("softplus", x)
    return Curve.apply(x, kernel="softplus", options=(beta, threshold))


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight · x; weight (1,), or (C,) for x (N, C, ...). Raises ShapeError for other shapes.

    K. He, X. Zhang, S. Ren, J. Sun, Delving Deep into Rectifiers, 2015, arXiv:1502.01852.
    """
    check_floating("prelu", x, weight)
    if weight.ndim > 1 or (weight.size > 1 and (x.ndim < 2 or weight.shape != (x.shape[1],))):
        channels = x.shape[1] if x.ndim > 1 else 1
        raise ShapeError(
            f"prelu: weight has shape {weight.shape}; expected (1,), or one number per channel: x {x.shape}. "
            f"Give num_parameters={channels}"
        )
    return PReLU.apply(x, weight if x.ndim < 2 else weight.reshape(1, -1, *(1,) * (x.ndim - 2)))  # (C,) -> (1, C, 1, 1)
