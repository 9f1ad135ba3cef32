"""Lesson 6: the gradient of max-pooling, with ties."""

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake


def pool_gradient(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The gradient by x (H, W) of max-pooling with windows of 2 by 2 and stride 2, from g (H/2, W/2).

    Of equal numbers the first wins, along the rows of the window: the top left, then the top right, then
    the bottom left.
    """
    return _given_out(g, np.arange(4) == _windows(x).argmax(axis=2)[:, :, None])


def _windows(x: np.ndarray) -> np.ndarray:
    """(H, W) -> (H/2, W/2, 4)."""
    H, W = x.shape
    return x.reshape(H // 2, 2, W // 2, 2).transpose(0, 2, 1, 3).reshape(H // 2, W // 2, 4)


def _given_out(g: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """g (h, w) times shares (h, w, 4), as a picture."""
    h, w = g.shape
    return (g[:, :, None] * shares).reshape(h, w, 2, 2).transpose(0, 2, 1, 3).reshape(2 * h, 2 * w)


def _winners(x: np.ndarray) -> np.ndarray:
    return _windows(x) == _windows(x).max(axis=2, keepdims=True)


def _all_winners(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return _given_out(g, _winners(x))


def _equal_parts(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return _given_out(g, _winners(x) / _winners(x).sum(axis=2, keepdims=True))


def _last(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return _given_out(g, np.arange(3, -1, -1) == _windows(x)[:, :, ::-1].argmax(axis=2)[:, :, None])


def _down_first(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return pool_gradient(x.T, g.T).T


def _average(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return _given_out(g, np.full((*g.shape, 4), 0.25))


def _times_value(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return pool_gradient(x, g) * x


EXERCISE = Exercise(
    pool_gradient,
    [
        (
            np.array([[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, 0.0], [0.0, 0.0, 1.0, 6.0], [0.0, 0.0, 6.0, 2.0]]),
            np.array([[1.0, 2.0], [3.0, 4.0]]),
        ),
        (np.array([[-3.0, -1.0], [-2.0, -1.0]]), np.array([[-5.0]])),
    ],
    [
        Mistake(_all_winners, "Ties are counted twice: every one of several equal numbers gets the whole g. One may."),
        Mistake(
            _equal_parts, "Equal numbers share g in your answer. That is allowed, but asked is: the first gets all."
        ),
        Mistake(_last, "Of equal numbers the last wins in your answer; asked is the first. (>= in place of >?)"),
        Mistake(_down_first, "Of equal numbers the one further left wins in your answer; asked is: along rows first."),
        Mistake(_average, "This is average pooling: g / 4 to each of the four. The maximum gives all to one."),
        Mistake(_times_value, "You multiply by the winner's value; the slope of a maximum by its winner is 1."),
    ],
    "for each window find its largest number and put g there; zeros elsewhere. np.argmax finds the first.",
    "Counting ties twice is among the most common faults of hand-written networks.",
)
