"""Activations of later networks in NumPy and CuPy, a few passes each."""

import functools
import math
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from gpucnn.backend import Array, module_of, written_by
from gpucnn.kernels.numpy.activation import Activation

FAR = 6.0  # beyond it erfc is below 1e-16
ROOT = math.sqrt(2 / math.pi)


class Curves:
    """Functions of each number x and options, by name: gelu, gelu_tanh, silu, elu, hardswish, softplus.

    A set gives the sigmoid of its own.
    """

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def forward(self, name: str, x: Array, options: tuple[float, ...]) -> Array:
        """The function's values."""
        values: Array = getattr(self, f"_{name}")(x, *options)
        return values

    def backward(self, name: str, grad: Array, x: Array, options: tuple[float, ...]) -> Array:
        """grad times the function's derivative at x."""
        return grad * getattr(self, f"_{name}_slope")(x, *options)

    def _gelu(self, x: Array) -> Array:
        return x * normal_distribution(x)

    def _gelu_slope(self, x: Array) -> Array:
        density = module_of(x).exp(x * x * -0.5) * (ROOT / 2)
        return normal_distribution(x) + x * density

    def _gelu_tanh(self, x: Array) -> Array:
        return 0.5 * x * (1 + module_of(x).tanh(ROOT * (x + 0.044715 * x * x * x)))

    def _gelu_tanh_slope(self, x: Array) -> Array:
        tanh = module_of(x).tanh(ROOT * (x + 0.044715 * x * x * x))
        return 0.5 * (1 + tanh) + 0.5 * ROOT * x * (1 - tanh * tanh) * (1 + 3 * 0.044715 * x * x)

    def _sigmoid(self, x: Array) -> Array:
        x = module_of(x).asarray(x)  # of an array without axes NumPy makes numbers
        return written_by(self.activation.sigmoid, x.shape, x)

    def _silu(self, x: Array) -> Array:
        return x * self._sigmoid(x)

    def _silu_slope(self, x: Array) -> Array:
        share = self._sigmoid(x)
        return share * (1 + x * (1 - share))

    def _elu(self, x: Array, alpha: float) -> Array:
        xp = module_of(x)
        return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))

    def _elu_slope(self, x: Array, alpha: float) -> Array:
        xp = module_of(x)
        return xp.where(x > 0, 1, alpha * xp.exp(xp.minimum(x, 0)))

    def _hardswish(self, x: Array) -> Array:
        return x * module_of(x).clip(x + 3, 0, 6) / 6

    def _hardswish_slope(self, x: Array) -> Array:
        xp = module_of(x)
        return xp.where(abs(x) < 3, x / 3 + 0.5, x > 0).astype(x.dtype)

    def _softplus(self, x: Array, beta: float, threshold: float) -> Array:
        xp, scaled = module_of(x), beta * x
        return xp.where(scaled > threshold, x, xp.log1p(xp.exp(xp.minimum(scaled, threshold))) / beta)

    def _softplus_slope(self, x: Array, beta: float, threshold: float) -> Array:
        scaled = beta * x
        return module_of(x).where(scaled > threshold, 1, self._sigmoid(scaled))


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
