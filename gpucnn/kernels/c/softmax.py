"""Softmax and cross-entropy with class numbers in C, each in one pass; the rest is inherited."""

import math

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library


class Softmax(numpy.Softmax):
    def softmax(self, x: Array, axis: int) -> Array:
        out = empty(x.shape, x)
        library.c.softmax(x, x.shape[axis], math.prod(x.shape[axis:][1:]), out)
        return out

    def cross_entropy(
        self, logits: Array, labels: Array, smoothing: float, scale: float, gradient: Array | None, losses: Array
    ) -> Array:
        total = empty((), logits)
        numbers = np.ascontiguousarray(labels, np.int64)
        library.c.cross_entropy(logits, numbers, len(logits), smoothing, scale, gradient, losses, total)
        if math.isnan(total):  # a label that names no class makes it so
            self.check_labels(labels, len(logits))
        return total

    def tally(
        self, scores: Array, labels: Array, loss: Array, step: Array, losses: Array, corrects: Array, scales: Array
    ) -> None:
        library.c.tally(labels, loss, step, losses, corrects, scales, scales.size // 4, len(scores), scores)
