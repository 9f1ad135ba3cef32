"""Activations of later networks: GELU, SiLU, ELU, hard swish, softplus, and PReLU, whose slope is trained.

Each is a few passes of the array module's, on every set of kernels.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.polynomial import chebyshev

from gpucnn.backend import Array, module_of, written_by
from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.activation import activation
from gpucnn.functional.checks import check_floating
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.arithmetic import unbroadcast
from gpucnn.tensor.interluded import interluded
from gpucnn.tensor.view import in_place

__all__ = ["elu", "gelu", "hardswish", "prelu", "silu", "softplus"]

FAR = 6.0  # beyond it erfc is below 1e-16
ROOT = math.sqrt(2 / math.pi)


@interluded
class Curve(Function):
    """A function of each number, `value`, whose derivative is `slope`: both of an array and the options."""

    layout = "elementwise"

    def forward(
        self, x: Array, value: Callable[..., Array], slope: Callable[..., Array], options: tuple[float, ...] = ()
    ) -> Array:
        self.x, self.slope, self.options = x, slope, options
        return value(x, *options)

    def backward(self, grad: Array) -> Array:
        return grad * self.slope(self.x, *self.options)


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
    if approximate == "tanh":
        return Curve.apply(x, value=_gelu_tanh, slope=_gelu_tanh_slope)
    return Curve.apply(x, value=_gelu, slope=_gelu_slope)


@activation
def silu(x: Tensor, inplace: bool = False) -> Tensor:
    """x / (1 + exp(-x)), also called swish. Any shape. With `inplace` x becomes the result."""
    check_floating("silu", x)
    return in_place(silu)(x) if inplace else Curve.apply(x, value=_silu, slope=_silu_slope)


@activation
def elu(x: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (exp(x) - 1). Any shape. With `inplace` x becomes the result."""
    check_floating("elu", x)
    return in_place(elu)(x, alpha) if inplace else Curve.apply(x, value=_elu, slope=_elu_slope, options=(alpha,))


@activation
def hardswish(x: Tensor, inplace: bool = False) -> Tensor:
    """x · min(max(x + 3, 0), 6) / 6. Any shape. With `inplace` x becomes the result."""
    check_floating("hardswish", x)
    return in_place(hardswish)(x) if inplace else Curve.apply(x, value=_hardswish, slope=_hardswish_slope)


@activation
def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta · x)) / beta; x itself where beta · x is above the threshold. Any shape."""
    check_floating("softplus", x)
    return Curve.apply(x, value=_softplus, slope=_softplus_slope, options=(beta, threshold))


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


# --- values and derivatives -------------------------------------------------------------------------------------------


def _gelu(x: Array) -> Array:
    return x * normal_distribution(x)


def _gelu_slope(x: Array) -> Array:
    density = module_of(x).exp(x * x * -0.5) * (ROOT / 2)
    return normal_distribution(x) + x * density


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + module_of(x).tanh(ROOT * (x + 0.044715 * x * x * x)))


def _gelu_tanh_slope(x: Array) -> Array:
    tanh = module_of(x).tanh(ROOT * (x + 0.044715 * x * x * x))
    return 0.5 * (1 + tanh) + 0.5 * ROOT * x * (1 - tanh * tanh) * (1 + 3 * 0.044715 * x * x)


def _sigmoid(x: Array) -> Array:
    x = module_of(x).asarray(x)  # of an array without axes NumPy makes numbers
    return written_by(kernels_of(type(x)).activation.sigmoid, x.shape, x)


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def _silu_slope(x: Array) -> Array:
    share = _sigmoid(x)
    return share * (1 + x * (1 - share))


def _elu(x: Array, alpha: float) -> Array:
    xp = module_of(x)
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


def _elu_slope(x: Array, alpha: float) -> Array:
    xp = module_of(x)
    return xp.where(x > 0, 1, alpha * xp.exp(xp.minimum(x, 0)))


def _hardswish(x: Array) -> Array:
    return x * module_of(x).clip(x + 3, 0, 6) / 6


def _hardswish_slope(x: Array) -> Array:
    xp = module_of(x)
    return xp.where(abs(x) < 3, x / 3 + 0.5, x > 0).astype(x.dtype)


def _softplus(x: Array, beta: float, threshold: float) -> Array:
    xp, scaled = module_of(x), beta * x
    return xp.where(scaled > threshold, x, xp.log1p(xp.exp(xp.minimum(scaled, threshold))) / beta)


def _softplus_slope(x: Array, beta: float, threshold: float) -> Array:
    scaled = beta * x
    return module_of(x).where(scaled > threshold, 1, _sigmoid(scaled))


def normal_distribution(x: Array) -> Array:
    """Φ(x), the probability of a standard normal number below x: of absolute error 1e-13 in float64.

    Φ(-|x|) = erfc(|x| / √2) / 2, and erfc(z) = t · exp(-z² + P(t)) with t = 2 / (2 + z), where P is smooth: a
    polynomial (W. Press et al., Numerical Recipes, section 6.2, for the form).
    """
    xp, coefficients = module_of(x), _exponent()
    z = xp.minimum(abs(x) * math.sqrt(0.5), FAR)
    t = 2 / (2 + z)
    centred = (8 * t - 5) / 3
    exponent = centred * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        exponent += coefficient
        exponent *= centred
    exponent += coefficients[0]
    below = 0.5 * t * xp.exp(exponent - z * z)
    return xp.where(x > 0, 1 - below, below)


@functools.cache
def _exponent() -> list[float]:
    """The coefficients of P by u from -1 to 1, where t = (5 + 3 u) / 8, from 1/4 (z = FAR) to 1 (z = 0)."""

    def exponent(u: Any) -> Any:
        pairs = [(t, 2 / t - 2) for t in (5 + 3 * u) / 8]
        return np.array([math.log(math.erfc(z) / t) + z * z for t, z in pairs])

    return [float(value) for value in chebyshev.cheb2poly(chebyshev.chebinterpolate(exponent, 16))]
