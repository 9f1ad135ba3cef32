"""Softmax and cross-entropy in NumPy and CuPy."""

import numpy as np

from gpucnn.backend import Array, empty, module_of
from gpucnn.errors import InputError


class Softmax:
    """Softmax and its logarithm along one axis, and cross-entropy with class numbers."""

    def log_softmax(self, x: Array, axis: int) -> Array:
        """x - log(sum(exp(x))) along `axis`, without overflow for any finite x."""
        xp = module_of(x)
        out = empty(x.shape, x)
        xp.subtract(x, x.max(axis=axis, keepdims=True), out=out)  # no exponential overflows
        out -= xp.log(xp.exp(out).sum(axis=axis, keepdims=True))
        return out

    def softmax(self, x: Array, axis: int) -> Array:
        """exp(log_softmax(x)) along `axis`."""
        out = self.log_softmax(x, axis)
        return module_of(x).exp(out, out=out)

    def log_softmax_backward(self, grad: Array, log_probabilities: Array, axis: int) -> Array:
        """The gradient by x of log_softmax: grad - softmax · sum(grad)."""
        xp = module_of(grad)
        out = xp.exp(log_probabilities, out=empty(grad.shape, grad))
        out *= grad.sum(axis=axis, keepdims=True)
        return xp.subtract(grad, out, out=out)

    def softmax_backward(self, grad: Array, probabilities: Array, axis: int) -> Array:
        """The gradient by x of softmax: softmax · (grad - sum(grad · softmax))."""
        xp = module_of(grad)
        out = xp.multiply(grad, probabilities, out=empty(grad.shape, grad))
        along = out.sum(axis=axis, keepdims=True)
        xp.subtract(grad, along, out=out)
        return xp.multiply(out, probabilities, out=out)

    def cross_entropy(
        self, logits: Array, labels: Array, smoothing: float, scale: float, gradient: Array | None, losses: Array
    ) -> Array:
        """losses (..., N) of logits (C, ..., N) for class numbers (..., N); returns scale · their sum, ().

        The target is 1 - smoothing at the class and smoothing / C everywhere; `gradient` (C, ..., N), where it is not
        None, becomes that of scale · losses. A label outside 0..C-1 is treated as by `check_labels`.
        """
        self.check_labels(labels, len(logits))
        xp = module_of(logits)
        keep, share, at = 1 - smoothing, smoothing / len(logits), labels[None]
        logarithms = self.log_softmax(logits, 0)
        xp.multiply(xp.take_along_axis(logarithms, at, axis=0)[0], -keep, out=losses)
        if share:  # else a masked class, whose logarithm is -inf, costs nothing
            losses -= logarithms.sum(axis=0) * share
        if gradient is not None:
            xp.exp(logarithms, out=gradient)
            gradient -= share
            xp.put_along_axis(gradient, at, xp.take_along_axis(gradient, at, axis=0) - keep, axis=0)
            gradient *= scale
        return losses.sum() * logits.dtype.type(scale)

    def tally(
        self, scores: Array, labels: Array, loss: Array, step: Array, losses: Array, corrects: Array, scales: Array
    ) -> None:
        """Record the loss () of the step with number step[0], and how many images it predicts right.

        losses (S,) float64 gets the loss; corrects (S,) int64 the number of images whose first largest of scores (C, N)
        is at their label (N,), where NaN is the largest. Where the loss is not finite the halt of all step scales
        (groups, 4), the last of each four, becomes 1. The host does not wait for the device.
        """
        xp = module_of(scores)
        losses[step] = loss
        corrects[step] = xp.count_nonzero(scores.argmax(axis=0) == labels)
        scales[:, 3] = xp.where(xp.isfinite(loss), scales[:, 3], 1)

    def check_labels(self, labels: Array, classes: int) -> None:
        """Raises InputError for a label outside 0..classes-1, on the CPU alone.

        On a GPU, reading the labels would make the host wait; there cross_entropy makes the loss of such a label NaN.
        """
        if module_of(labels) is np and labels.size and not 0 <= labels.min() <= labels.max() < classes:
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise InputError(
                f"label {wrong} is out of range; expected 0 to {classes - 1}, as the network has {classes} outputs. "
                f"Renumber the labels, or give the last layer more outputs"
            )
