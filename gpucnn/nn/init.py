"""Initial weights: He's, Xavier's and PyTorch's, normal and uniform, and dirac.

fan_in = inputs each output sums over, fan_out = outputs each input reaches (in / out channels per group × kernel taps).
He: K. He et al., Delving Deep into Rectifiers, 2015. Xavier: X. Glorot, Y. Bengio, Understanding the difficulty of
training deep feedforward neural networks, 2010. dirac, as in PyTorch: a convolution
initially returns its input. Numbers are drawn on the host, so that a seed gives the same weights on every device.
"""

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from gpucnn.errors import InputError
from gpucnn.generators import generator

Init = Literal["he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "default", "dirac"]
NAMES: tuple[str, ...] = get_args(Init)

# The standard deviation of the weights, from fan_in and fan_out, by the first word of a rule.
_SPREADS: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "xavier": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "default": lambda fan_in, fan_out: math.sqrt(1 / (3 * fan_in)),  # PyTorch's: uniform in ±1 / sqrt(fan_in)
}


def checked(name: Init, shape: tuple[int, ...]) -> Init:
    """`name`, a rule for weights of `shape`. Raises InputError for an unknown name, and for dirac without a kernel."""
    if name not in NAMES:
        raise InputError(f"init is {name!r}; expected one of {', '.join(NAMES)}")
    if name == "dirac" and len(shape) < 3:
        raise InputError("init dirac is for convolutions: there is no kernel here. Give this layer another init")
    return name


def weights(name: Init, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
    """float64 weights of `shape` by the named rule. Raises InputError as `checked` does."""
    if checked(name, shape) == "dirac":
        return _dirac(shape, fan_out)
    spread = _SPREADS[name.partition("_")[0]](fan_in, fan_out)
    if name.endswith("normal"):
        return generator().normal(0.0, spread, shape)
    limit = math.sqrt(3) * spread  # a uniform distribution on ±limit has this deviation
    return generator().uniform(-limit, limit, shape)


def biases(name: Init, length: int, fan_in: int) -> np.ndarray:
    """float64 biases (length,): uniform in ±1 / sqrt(fan_in) by PyTorch's default, zero by the others."""
    if name != "default":
        return np.zeros(length)
    limit = 1 / math.sqrt(fan_in)
    return generator().uniform(-limit, limit, length)


def _dirac(shape: tuple[int, ...], fan_out: int) -> np.ndarray:
    """Kernels (O, I / groups, taps...) that are 1 in the middle of map k for output k of each group, else 0."""
    outputs = fan_out // math.prod(shape[2:])  # of a group
    middle = tuple(size // 2 for size in shape[2:])
    kernels = np.zeros(shape)
    for first in range(0, shape[0], outputs):
        for k in range(min(outputs, shape[1])):
            kernels[(first + k, k, *middle)] = 1
    return kernels
