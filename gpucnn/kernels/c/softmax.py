"""Cross-entropy against class numbers in C, in one pass; the rest is the reference's."""

import math

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels.c import library
from gpucnn.kernels.numpy.softmax import check_labels, log_softmax, log_softmax_backward, softmax_backward, tally

__all__ = ["check_labels", "cross_entropy", "log_softmax", "log_softmax_backward", "softmax_backward", "tally"]


def cross_entropy(
    logits: Array, labels: Array, smoothing: float, scale: float, gradient: Array | None, losses: Array
) -> Array:
    """losses (..., N) of logits (C, ..., N) against class numbers (..., N); returns scale · their sum, ().

    `gradient` (C, ..., N), where it is wanted, becomes that of scale · losses. Raises InputError for a label outside
    0..C-1.
    """
    total = empty((), logits)
    numbers = np.ascontiguousarray(labels, np.int64)
    library.c.cross_entropy(logits, numbers, len(logits), smoothing, scale, gradient, losses, total)
    if math.isnan(total):  # a label that names no class makes it so
        check_labels(labels, len(logits))
    return total
