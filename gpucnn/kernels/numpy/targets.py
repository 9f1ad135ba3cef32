"""Cross-entropy with targets of the logits' shape, and such targets of class numbers, in NumPy and CuPy."""

import numpy as np

from gpucnn.backend import Array, module_of
from gpucnn.kernels.interface import Weighing
from gpucnn.kernels.numpy.softmax import Softmax


class Targets:
    """Cross-entropy with targets; a set gives the softmax of its own."""

    def __init__(self, softmax: Softmax) -> None:
        self.softmax = softmax

    def class_targets(self, labels: Array, weight: Array, ignored: int, smoothing: float, mean: bool) -> Array:
        """Targets (C, ..., N) of class numbers (..., N): weight · ((1 - smoothing) · one-hot + smoothing / C).

        weight (C,) is a number for each class. Where the label is `ignored` all are 0. With `mean` the targets are
        divided by the sum of weight[label] over the others. Other labels outside 0..C-1 are treated as in
        `cross_entropy`.
        """
        xp, classes = module_of(labels), len(weight)
        counted = labels != ignored
        numbers = xp.where(counted, labels, 0)
        self.softmax.check_labels(numbers, classes)
        one_hot = (xp.arange(classes).reshape(-1, *(1,) * labels.ndim) == numbers) * counted
        weights = weight.reshape(-1, *(1,) * labels.ndim)  # (C,) -> (C, 1, ..., 1)
        keep, share, no_number = (weight.dtype.type(n) for n in (1 - smoothing, smoothing / classes, np.nan))
        targets = (one_hot * keep + counted * share) * weights
        targets = xp.where((numbers < 0) | (numbers >= classes), no_number, targets)
        return targets / (one_hot * weights).sum() if mean else targets

    def cross_entropy(
        self, logits: Array, target: Array, options: Weighing, gradient: Array | None, losses: Array
    ) -> Array:
        """As cross_entropy, with options (weight, smoothing, scale), against t: losses -sum(t · log_softmax).

        t is weight · ((1 - smoothing) · target + smoothing / C), the target of the logits' shape, weight (C,) or None
        for 1. A masked class, whose logit is -inf, adds no loss where t is 0.
        """
        xp, (weight, smoothing, scale) = module_of(logits), options
        target = target * (1 - smoothing) + smoothing / len(logits)
        if weight is not None:
            target *= weight.reshape(-1, *(1,) * (logits.ndim - 1))  # (C,) -> (C, 1, ..., 1)
        logarithms = self.softmax.log_softmax(logits, 0)
        xp.negative((target * xp.where(target == 0, 0, logarithms)).sum(axis=0), out=losses)
        if gradient is not None:
            xp.exp(logarithms, out=gradient)
            gradient *= target.sum(axis=0)  # 1 where the rows are probabilities
            gradient -= target
            gradient *= scale
        return losses.sum() * logits.dtype.type(scale)
