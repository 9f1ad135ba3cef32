"""Optimizer steps in C: each array is read and written once."""

from collections.abc import Sequence

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library
from gpucnn.kernels.interface import AdamOptions, RMSpropOptions, Scales, StepScales


class Update(numpy.Update):
    def sgd(self, parameters: Array, gradient: Array, scales: Scales, weight_decay: float) -> None:
        array, given = _scales(scales)
        library.c.sgd(gradient, array, given.size, weight_decay, parameters)

    def momentum(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        array, given = _scales(scales)
        library.c.momentum(gradient, velocity, array, given.size, momentum, weight_decay, parameters)

    def nesterov(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        array, given = _scales(scales)
        library.c.nesterov(gradient, velocity, array, given.size, momentum, weight_decay, parameters)

    def adam(
        self, parameters: Array, gradient: Array, mean: Array, square: Array, scales: Scales, options: AdamOptions
    ) -> None:
        array, (size, root, shrink) = _scales(scales)
        betas, eps, weight_decay = options
        library.c.adam(gradient, mean, square, array, size, *betas, root, eps, weight_decay, shrink, parameters)

    def rmsprop(
        self, parameters: Array, gradient: Array, kept: Sequence[Array], scales: Scales, options: RMSpropOptions
    ) -> None:
        array, given = _scales(scales)
        library.c.rmsprop(gradient, *kept, array, given.size, *options, parameters)

    def muon_direction(
        self, gradient: Array, average: Array, scales: Scales, momentum: float, nesterov: bool, out: Array
    ) -> None:
        library.c.muon_direction(gradient, average, _scales(scales)[0], momentum, nesterov, out)

    def to_unit_norm(self, x: Array, eps: float) -> None:
        sums, norm = empty((1,), x, np.float64), empty((), x)
        library.c.square_sum(sums, 0, x)
        library.c.norm_of(sums, norm)
        library.c.unit_norm(norm, eps, x)

    def clip_by_norm(self, gradients: Sequence[Array], max_norm: float) -> Array:
        if len({gradient.dtype for gradient in gradients}) > 1:
            return super().clip_by_norm(gradients, max_norm)
        sums, norm = empty((len(gradients),), gradients[0], np.float64), empty((), gradients[0])
        for number, gradient in enumerate(gradients):
            library.c.square_sum(sums, number, gradient)
        library.c.norm_of(sums, norm)
        for gradient in gradients:
            library.c.clip_norm(norm, max_norm, gradient)
        return norm

    def clip_by_value(self, gradients: Sequence[Array], most: float) -> None:
        for gradient in gradients:
            library.c.clip_value(most, gradient)

    def scale(self, gradients: Sequence[Array], factor: float) -> None:
        for gradient in gradients:
            library.c.scale(factor, gradient)


def _scales(scales: Scales) -> tuple[Array | None, StepScales]:
    """The step scales as an array, or None; and those by value, which count where there is no array."""
    return (None, scales) if isinstance(scales, StepScales) else (scales, StepScales(0.0))
