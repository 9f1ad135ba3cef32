"""Lesson 9: batch normalisation of maps."""

from collections.abc import Callable

import numpy as np

from gpucnn.course.exercise import Answer, Exercise, Mistake

OfBatch = Callable[..., np.ndarray]


def batch_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> np.ndarray:
    """The maps x (N, C, H, W), each channel normalised over the pictures and the places, as in training.

    Then times gamma (C,) plus beta (C,). The variance is the mean of the squared distances from the mean, and
    epsilon is added to it before the root.
    """
    return _with(lambda x, axes: np.sqrt(x.var(axes, keepdims=True) + epsilon), (0, 2, 3))(x, gamma, beta, epsilon)


def _with(divisor: OfBatch, axes: tuple[int, ...], centred: bool = True) -> Answer:
    """The answer with another divisor, or with statistics over other axes."""

    def answer(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> np.ndarray:
        mean = x.mean(axes, keepdims=True) if centred else 0.0
        return gamma[:, None, None] * (x - mean) / divisor(x, axes) + beta[:, None, None]

    return answer


_EPSILON = 0.1  # large in the cases, so that its place shows


def _root(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.sqrt(x.var(axes, keepdims=True) + _EPSILON)


def _root_unbiased(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.sqrt(x.var(axes, keepdims=True, ddof=1) + _EPSILON)


def _deviation(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return x.std(axes, keepdims=True) + _EPSILON


def _variance(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return x.var(axes, keepdims=True) + _EPSILON


def _unscaled(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> np.ndarray:
    return batch_norm(x, np.ones_like(gamma), np.zeros_like(beta), epsilon)


_X = np.random.default_rng(0).standard_normal((2, 3, 2, 2)).round(1) * 3 + 1
_SHARED = _with(_root, (0, 1, 2, 3))
EXERCISE = Exercise(
    batch_norm,
    [(_X, np.array([1.0, 2.0, -1.0]), np.array([0.0, 1.0, 0.5]), _EPSILON)],
    [
        Mistake(_with(_root, (0,)), "The mean runs over the pictures only: each channel has one, axis=(0, 2, 3)."),
        Mistake(_with(_root, (1, 2, 3)), "Each picture is normalised by itself (layer norm): take axis=(0, 2, 3)."),
        Mistake(_with(_root, (2, 3)), "Each map is normalised by itself (instance norm): take axis=(0, 2, 3)."),
        Mistake(_SHARED, "All channels share one mean and variance: each has its own, axis=(0, 2, 3)."),
        Mistake(
            _with(_root_unbiased, (0, 2, 3)), "The variance is divided by m - 1: in training it is the mean, over m."
        ),
        Mistake(_with(_deviation, (0, 2, 3)), "epsilon is added to the root: add it to the variance, before the root."),
        Mistake(_with(_variance, (0, 2, 3)), "You divide by the variance: divide by its root."),
        Mistake(_with(_root, (0, 2, 3), centred=False), "The mean is not taken away: x - mean is what is divided."),
        Mistake(_unscaled, "gamma and beta are forgotten: times gamma[:, None, None], plus beta[:, None, None]."),
    ],
    "mean = x.mean(axis=(0, 2, 3), keepdims=True), the variance likewise; then the formula.",
    "With it networks train at rates that would break them without.",
)
