"""Optimizer steps in C: each array is read and written once."""

from gpucnn.backend import Array
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library
from gpucnn.kernels.interface import AdamOptions, Scales


class Update(numpy.Update):
    def sgd(self, parameters: Array, gradient: Array, scales: Scales, weight_decay: float) -> None:
        library.c.sgd(gradient, scales.size, weight_decay, parameters)

    def momentum(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        library.c.momentum(gradient, velocity, scales.size, momentum, weight_decay, parameters)

    def nesterov(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        library.c.nesterov(gradient, velocity, scales.size, momentum, weight_decay, parameters)

    def adam(
        self, parameters: Array, gradient: Array, mean: Array, square: Array, scales: Scales, options: AdamOptions
    ) -> None:
        (size, root, shrink), (betas, eps, weight_decay) = scales, options
        library.c.adam(gradient, mean, square, size, *betas, root, eps, weight_decay, shrink, parameters)
