"""Optimizer steps in NumPy and CuPy, in a few passes over the flat arrays."""

from collections.abc import Sequence

import numpy as np

from gpucnn.backend import Array, empty, module_of
from gpucnn.kernels import interface
from gpucnn.kernels.interface import Scales


class Update(interface.Update):
    def sgd(self, parameters: Array, gradient: Array, scales: Scales, weight_decay: float) -> None:
        step = _decayed(parameters, gradient, weight_decay)[0]
        step *= scales.size
        parameters -= step

    def momentum(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        step, _ = _decayed(parameters, gradient, weight_decay)
        velocity *= momentum
        velocity += step
        module_of(step).multiply(velocity, scales.size, out=step)
        parameters -= step

    def nesterov(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        step, ahead = _decayed(parameters, gradient, weight_decay)
        velocity *= momentum
        velocity += step
        module_of(step).multiply(velocity, momentum, out=ahead)
        step += ahead
        step *= scales.size
        parameters -= step

    def adam(
        self,
        parameters: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        scales: Scales,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
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
        step *= scales.root
        step += eps
        xp.divide(mean, step, out=step)
        step *= scales.size
        if scales.shrink != 1:
            parameters *= scales.shrink
        parameters -= step

    def clip_by_norm(self, gradients: Sequence[Array], max_norm: float) -> Array:
        xp = module_of(gradients[0])
        norm = xp.sqrt(sum(xp.vdot(gradient, gradient) for gradient in gradients))
        scale = max_norm / (norm.astype(np.float64) + 1e-6)  # as in PyTorch
        if xp is not np or scale < 1:  # on a GPU, reading the norm would make the host wait
            for gradient in gradients:
                gradient *= xp.minimum(scale, 1).astype(gradient.dtype)
        return norm

    def clip_by_value(self, gradients: Sequence[Array], most: float) -> None:
        for gradient in gradients:
            module_of(gradient).clip(gradient, -most, most, out=gradient)


def _decayed(parameters: Array, gradient: Array, weight_decay: float) -> Array:
    """Two scratch rows (2, length), the first filled with g + weight_decay · p."""
    rows = empty((2, *parameters.shape), parameters)
    if weight_decay:
        module_of(rows).multiply(parameters, weight_decay, out=rows[0])
        rows[0] += gradient
    else:
        rows[0] = gradient
    return rows
