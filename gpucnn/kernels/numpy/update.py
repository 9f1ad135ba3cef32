"""Optimizer steps in NumPy and CuPy, in a few passes over the flat arrays."""

from collections.abc import Sequence

import numpy as np

from gpucnn.backend import Array, empty, module_of
from gpucnn.kernels.interface import AdamOptions, RMSpropOptions, Scales


class Update:
    """One optimizer step over flat arrays (length,), in place. The formulas are those of PyTorch.

    In the CUDA set `scales` may also be an array (4,) float64 on the device: size, root, shrink, and a halt, which when
    it is not 0 leaves everything as it is.
    """

    def sgd(self, parameters: Array, gradient: Array, scales: Scales, weight_decay: float) -> None:
        """p -= size · d, with d = g + weight_decay · p."""
        step = _decayed(parameters, gradient, weight_decay)[0]
        step *= scales.size
        parameters -= step

    def momentum(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        """v = momentum · v + d, p -= size · v, with d = g + weight_decay · p."""
        step = _accelerated(parameters, gradient, velocity, momentum, weight_decay)[0]
        module_of(step).multiply(velocity, scales.size, out=step)
        parameters -= step

    def nesterov(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        """v = momentum · v + d, p -= size · (d + momentum · v), with d = g + weight_decay · p."""
        step, ahead = _accelerated(parameters, gradient, velocity, momentum, weight_decay)
        module_of(step).multiply(velocity, momentum, out=ahead)
        step += ahead
        step *= scales.size
        parameters -= step

    def adam(
        self, parameters: Array, gradient: Array, mean: Array, square: Array, scales: Scales, options: AdamOptions
    ) -> None:
        """p = shrink · p - size · mean / (root · sqrt(square) + eps), with d = g + weight_decay · p.

        The running moments, updated here, are mean = β1 · mean + (1 - β1) · d and square = β2 · square + (1 - β2) · d².
        """
        xp, (betas, eps, weight_decay) = module_of(parameters), options
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

    def rmsprop(
        self, parameters: Array, gradient: Array, kept: Sequence[Array], scales: Scales, options: RMSpropOptions
    ) -> None:
        """v = momentum · v + d / (sqrt(variance) + eps), p -= size · v, with d = g + weight_decay · p.

        Kept are v and the running moments square = alpha · square + (1 - alpha) · d² and mean, of d, likewise. The
        variance is square, or if `centered` square - mean², at least 0.
        """
        xp, (velocity, square, mean) = module_of(parameters), kept
        alpha, eps, momentum, weight_decay, centered = options
        step, part = _decayed(parameters, gradient, weight_decay)
        xp.multiply(step, 1 - alpha, out=part)
        mean *= alpha
        mean += part
        part *= step
        square *= alpha
        square += part
        xp.multiply(mean, mean * -float(centered), out=part)
        part += square
        xp.sqrt(xp.maximum(part, 0, out=part), out=part)
        part += eps
        step /= part
        velocity *= momentum
        velocity += step
        xp.multiply(velocity, scales.size, out=step)
        parameters -= step

    def muon_direction(
        self, gradient: Array, average: Array, scales: Scales, momentum: float, nesterov: bool, out: Array
    ) -> None:
        """average += (1 - momentum) · (g - average); out is that, or with `nesterov` g + momentum · (average - g)."""
        xp = module_of(gradient)
        xp.subtract(gradient, average, out=out)
        out *= 1 - momentum
        average += out
        out[...] = average
        if nesterov:
            out -= gradient
            out *= momentum
            out += gradient

    def to_unit_norm(self, x: Array, eps: float) -> None:
        """x /= its norm, the root of the sum of squares, or eps where that is larger."""
        xp = module_of(x)
        x /= xp.maximum(xp.sqrt(xp.vdot(x, x)), eps).astype(x.dtype)

    def clip_by_norm(self, gradients: Sequence[Array], max_norm: float) -> Array:
        """Scale arrays of any shapes together so that their joint norm is at most `max_norm`; the norm before, ()."""
        xp = module_of(gradients[0])
        norm = xp.sqrt(sum(xp.vdot(gradient, gradient) for gradient in gradients))
        scale = max_norm / (norm.astype(np.float64) + 1e-6)  # as in PyTorch
        if xp is not np or scale < 1:  # on a GPU, reading the norm would make the host wait
            for gradient in gradients:
                gradient *= xp.minimum(scale, 1).astype(gradient.dtype)
        return norm

    def clip_by_value(self, gradients: Sequence[Array], most: float) -> None:
        """Limit every element of arrays of any shapes to ±most."""
        for gradient in gradients:
            module_of(gradient).clip(gradient, -most, most, out=gradient)

    def scale(self, gradients: Sequence[Array], factor: float) -> None:
        """Multiply every element of arrays of any shapes by a factor."""
        for gradient in gradients:
            gradient *= factor


def _accelerated(parameters: Array, gradient: Array, velocity: Array, momentum: float, weight_decay: float) -> Array:
    """The scratch rows of `_decayed`, after velocity = momentum · velocity + g + weight_decay · p."""
    rows = _decayed(parameters, gradient, weight_decay)
    velocity *= momentum
    velocity += rows[0]
    return rows


def _decayed(parameters: Array, gradient: Array, weight_decay: float) -> Array:
    """Two scratch rows (2, length), the first filled with g + weight_decay · p."""
    rows = empty((2, *parameters.shape), parameters)
    if weight_decay:
        module_of(rows).multiply(parameters, weight_decay, out=rows[0])
        rows[0] += gradient
    else:
        rows[0] = gradient
    return rows
