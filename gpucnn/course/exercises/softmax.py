"""Lesson 7: cross-entropy and its gradient."""

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake

LossAndGradient = tuple[float, np.ndarray]


def cross_entropy(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    """The loss of scores z (N, C) for the right classes, labels (N,), and its gradient by z, as two results.

    The loss is the mean over the N pictures of -ln(p of the right class), p being the softmax of a row of z.
    Scores may be large: 1000 is one.
    """
    return _from_probabilities(_log_softmax(z), labels, len(z))


def _log_softmax(z: np.ndarray, axis: int = 1) -> np.ndarray:
    shifted = z - z.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _from_probabilities(log_p: np.ndarray, labels: np.ndarray, divisor: int) -> LossAndGradient:
    rows = np.arange(len(labels))
    gradient = np.exp(log_p)
    gradient[rows, labels] -= 1
    return -log_p[rows, labels].sum() / divisor, gradient / divisor


def _sum(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    return _from_probabilities(_log_softmax(z), labels, 1)


def _gradient_of_sum(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    return cross_entropy(z, labels)[0], _sum(z, labels)[1]


def _probabilities(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    return cross_entropy(z, labels)[0], np.exp(_log_softmax(z)) / len(z)


def _sign(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    return -cross_entropy(z, labels)[0], cross_entropy(z, labels)[1]


def _uphill(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    return cross_entropy(z, labels)[0], -cross_entropy(z, labels)[1]


def _overflowing(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    with np.errstate(all="ignore"):
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return _from_probabilities(np.log(p), labels, len(z))


def _down_columns(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    return _from_probabilities(_log_softmax(z, axis=0), labels, len(z))


def _log2(z: np.ndarray, labels: np.ndarray) -> LossAndGradient:
    loss, gradient = cross_entropy(z, labels)
    return loss / float(np.log(2)), gradient


EXERCISE = Exercise(
    cross_entropy,
    [
        (np.array([[2.0, 1.0, 0.0], [0.0, 0.5, -1.0]]), np.array([0, 2])),
        (np.array([[1000.0, 999.0, 998.0]]), np.array([1])),
    ],
    [
        Mistake(_sum, "Loss and gradient are sums over the pictures; asked are means: divide both by N."),
        Mistake(_gradient_of_sum, "The loss is a mean, but the gradient belongs to the sum: divide it by N, too."),
        Mistake(_probabilities, "The gradient is p alone: subtract 1 from p of the right class in each row."),
        Mistake(_sign, "The sign of the loss is wrong: logarithms of probabilities are negative, the loss is not."),
        Mistake(_uphill, "The sign of the gradient is wrong: it is p minus 1 for the right class, not 1 minus p."),
        Mistake(_overflowing, "It fails for large scores: e to the 1000 overflows. Subtract each row's largest first."),
        Mistake(_down_columns, "The softmax runs down the columns (axis=0); each picture is a row: take axis=1."),
        Mistake(_log2, "The logarithm is that to the base 2; asked is the natural one, np.log."),
    ],
    "subtract each row's largest score, take exp, divide by the row's sum; then -log of the right ones.",
    "What the network said minus what it should have said: with that every classifier is trained.",
)
