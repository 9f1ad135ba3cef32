"""Cross-entropy with targets of the logits' shape, and such targets of class numbers, in C, each in one pass."""

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library
from gpucnn.kernels.interface import Weighing


class Targets(numpy.Targets):
    def class_targets(self, labels: Array, weight: Array, ignored: int, smoothing: float, mean: bool) -> Array:
        self.softmax.check_labels(np.where(labels == ignored, 0, labels), len(weight))
        targets = empty((len(weight), *labels.shape), weight)
        library.c.class_targets(np.ascontiguousarray(labels, np.int64), weight, ignored, smoothing, mean, targets)
        return targets

    def cross_entropy(
        self, logits: Array, target: Array, options: Weighing, gradient: Array | None, losses: Array
    ) -> Array:
        total = empty((), logits)
        weight, *numbers = options
        library.c.target_entropy(logits, target, weight, len(logits), *numbers, gradient, losses, total)
        return total
