"""Lesson 13: a depthwise convolution."""

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake


def depthwise(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The depthwise convolution of x (C, H, W) with d (C, K, K): (C, H - K + 1, W - K + 1).

    Channel c of the result is channel c of x under the window d[c]; channels are not mixed. No padding, stride 1,
    and the windows are not flipped.
    """
    return np.einsum("chwab,cab->chw", _windows(x, d), d)


def _windows(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """(C, h, w, K, K)."""
    return np.lib.stride_tricks.sliding_window_view(x, d.shape[1:], (1, 2))


def _summed(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    return depthwise(x, d).sum(axis=0)


def _first_window(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    return depthwise(x, np.repeat(d[:1], len(d), axis=0))


def _all_channels(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    return np.einsum("ehwab,cab->chw", _windows(x, d), d)


def _flipped(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    return depthwise(x, d[:, ::-1, ::-1])


def _padded(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    before, after = (d.shape[1] - 1) // 2, d.shape[1] // 2
    return depthwise(np.pad(x, ((0, 0), (before, after), (before, after))), d)


_X = np.arange(48.0).reshape(3, 4, 4) % 7
EXERCISE = Exercise(
    depthwise,
    [
        (_X, np.array([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [-1.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]]])),
        (_X[:2], np.arange(18.0).reshape(2, 3, 3) - 5),
    ],
    [
        Mistake(_summed, "The channels are added up: a depthwise convolution keeps them apart, (C, h, w)."),
        Mistake(_first_window, "All channels are seen through d[0]: channel c has its own window, d[c]."),
        Mistake(_all_channels, "Each window sees all channels: window c sees channel c alone."),
        Mistake(_flipped, "Your windows are flipped: this is a correlation, as in lesson 3."),
        Mistake(_padded, "Your picture was padded: without padding the result has H - K + 1 rows."),
    ],
    "do what lesson 1 does for each channel c by itself, with the window d[c].",
    "A pointwise product behind it, p @ z, makes it a separable convolution.",
)
