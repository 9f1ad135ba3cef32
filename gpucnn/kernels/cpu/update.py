"""One optimizer step in C: each array is read and written once. Arguments as in reference/update.py."""

from gpucnn.backend import Array
from gpucnn.kernels.cpu import library


def sgd(parameters: Array, gradient: Array, lr: float, weight_decay: float) -> None:
    """p -= lr · d, with d = g + weight_decay · p."""
    library.c.sgd(gradient, lr, weight_decay, parameters)


def momentum(
    parameters: Array, gradient: Array, velocity: Array, lr: float, momentum: float, weight_decay: float
) -> None:
    """v = momentum · v + d, p -= lr · v, with d = g + weight_decay · p."""
    library.c.momentum(gradient, velocity, lr, momentum, weight_decay, parameters)


def nesterov(
    parameters: Array, gradient: Array, velocity: Array, lr: float, momentum: float, weight_decay: float
) -> None:
    """v = momentum · v + d, p -= lr · (d + momentum · v), with d = g + weight_decay · p."""
    library.c.nesterov(gradient, velocity, lr, momentum, weight_decay, parameters)


def adam(
    parameters: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    count: int,
) -> None:
    """Adam with the decay added to the gradient; `count` is this step's number, from 1 on."""
    _adam(parameters, gradient, mean, square, lr, betas, eps, weight_decay, 1.0, count)


def adamw(
    parameters: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    count: int,
) -> None:
    """Adam whose decay shrinks the parameters themselves."""
    _adam(parameters, gradient, mean, square, lr, betas, eps, 0.0, 1 - lr * weight_decay, count)


def _adam(
    parameters: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    decay: float,
    shrink: float,
    count: int,
) -> None:
    rate, root = lr / (1 - betas[0] ** count), 1 / (1 - betas[1] ** count) ** 0.5
    library.c.adam(gradient, mean, square, rate, *betas, root, eps, decay, shrink, parameters)
