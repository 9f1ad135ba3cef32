"""One optimizer step over flat arrays (length,), in place and in a few passes. The formulas are PyTorch's."""

from gpucnn.arena import scratch
from gpucnn.backend import Array, module_of


def sgd(parameters: Array, gradient: Array, lr: float, weight_decay: float) -> None:
    """p -= lr · d, with d = g + weight_decay · p."""
    step = _decayed(parameters, gradient, weight_decay)[0]
    step *= lr
    parameters -= step


def momentum(
    parameters: Array, gradient: Array, velocity: Array, lr: float, momentum: float, weight_decay: float
) -> None:
    """v = momentum · v + d, p -= lr · v, with d = g + weight_decay · p."""
    step, _ = _decayed(parameters, gradient, weight_decay)
    velocity *= momentum
    velocity += step
    module_of(step).multiply(velocity, lr, out=step)
    parameters -= step


def nesterov(
    parameters: Array, gradient: Array, velocity: Array, lr: float, momentum: float, weight_decay: float
) -> None:
    """v = momentum · v + d, p -= lr · (d + momentum · v), with d = g + weight_decay · p."""
    step, ahead = _decayed(parameters, gradient, weight_decay)
    velocity *= momentum
    velocity += step
    module_of(step).multiply(velocity, momentum, out=ahead)
    step += ahead
    step *= lr
    parameters -= step


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
    """Adam (D. Kingma, J. Ba, 2014, arXiv:1412.6980) with the decay added to the gradient.

    `mean` and `square` are the running moments, updated here; `count` is this step's number, from 1 on.
    """
    xp = module_of(parameters)
    step, part = _decayed(parameters, gradient, weight_decay)
    xp.multiply(step, 1 - betas[0], out=part)
    mean *= betas[0]
    mean += part
    xp.multiply(step, step, out=step)
    step *= 1 - betas[1]
    square *= betas[1]
    square += step
    xp.sqrt(square, out=step)
    step *= 1 / (1 - betas[1] ** count) ** 0.5
    step += eps
    xp.divide(mean, step, out=step)
    step *= lr / (1 - betas[0] ** count)
    parameters -= step


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
    """Adam whose decay shrinks the parameters themselves (I. Loshchilov, F. Hutter, 2017, arXiv:1711.05101)."""
    parameters *= 1 - lr * weight_decay
    adam(parameters, gradient, mean, square, lr, betas, eps, 0.0, count)


def _decayed(parameters: Array, gradient: Array, weight_decay: float) -> Array:
    """Two scratch rows (2, length), the first filled with g + weight_decay · p."""
    rows = scratch((2, *parameters.shape), parameters)
    if weight_decay:
        module_of(rows).multiply(parameters, weight_decay, out=rows[0])
        rows[0] += gradient
    else:
        rows[0] = gradient
    return rows
