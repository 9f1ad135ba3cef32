"""One optimizer step in C: each array is read and written once. Arguments as in numpy/update.py."""

from gpucnn.backend import Array
from gpucnn.kernels.c import library
from gpucnn.kernels.numpy.update import StepScales, clip_by_norm, clip_by_value

__all__ = ["adam", "clip_by_norm", "clip_by_value", "momentum", "nesterov", "sgd"]


def sgd(parameters: Array, gradient: Array, scales: StepScales, weight_decay: float) -> None:
    """p -= size · d, with d = g + weight_decay · p."""
    library.c.sgd(gradient, scales.size, weight_decay, parameters)


def momentum(
    parameters: Array, gradient: Array, velocity: Array, scales: StepScales, momentum: float, weight_decay: float
) -> None:
    """v = momentum · v + d, p -= size · v, with d = g + weight_decay · p."""
    library.c.momentum(gradient, velocity, scales.size, momentum, weight_decay, parameters)


def nesterov(
    parameters: Array, gradient: Array, velocity: Array, scales: StepScales, momentum: float, weight_decay: float
) -> None:
    """v = momentum · v + d, p -= size · (d + momentum · v), with d = g + weight_decay · p."""
    library.c.nesterov(gradient, velocity, scales.size, momentum, weight_decay, parameters)


def adam(
    parameters: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    scales: StepScales,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """p = shrink · p - size · mean / (root · sqrt(square) + eps), with d = g + weight_decay · p."""
    size, root, shrink = scales
    library.c.adam(gradient, mean, square, size, *betas, root, eps, weight_decay, shrink, parameters)
