"""Lesson 3: a convolution, not a correlation."""

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake


def convolve(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """The convolution of the picture x (H, W) with the kernel k (A, B), without padding: (H - A + 1, W - B + 1).

    z[i, j] = sum over a and b of k[a, b] · x[i + A - 1 - a, j + B - 1 - b]. For example
    convolve([[1, 2, 3]], [[1, 0]]) is [[2, 3]].
    """
    return _correlate(x, k[::-1, ::-1])


def _correlate(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    height, width = x.shape[0] - k.shape[0] + 1, x.shape[1] - k.shape[1] + 1
    y = np.zeros((height, width))
    for (a, b), value in np.ndenumerate(k):
        y += value * x[a : a + height, b : b + width]
    return y


def _rows(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return _correlate(x, k[::-1])


def _columns(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return _correlate(x, k[:, ::-1])


def _transposed(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return _correlate(x, k.T)


def _full(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return convolve(np.pad(x, [(size - 1, size - 1) for size in k.shape]), k)


_X = np.array([[1.0, 2.0, 0.0, -1.0], [0.0, 3.0, 1.0, 5.0], [4.0, -2.0, 2.0, 1.0], [1.0, 1.0, 0.0, 7.0]])
EXERCISE = Exercise(
    convolve,
    [
        (_X, np.array([[1.0, 2.0], [3.0, 4.0]])),
        (_X, np.array([[1.0, 0.0, -2.0], [0.5, 1.0, 3.0], [0.0, -1.0, 2.0]])),
    ],
    [
        Mistake(_correlate, "This is the correlation: the kernel is not flipped. Turn it: k[::-1, ::-1]."),
        Mistake(_rows, "Your kernel is flipped from top to bottom only. Flip its columns as well: k[::-1, ::-1]."),
        Mistake(_columns, "Your kernel is flipped from left to right only. Flip its rows as well: k[::-1, ::-1]."),
        Mistake(_transposed, "Your kernel is transposed (rows became columns), not flipped: take k[::-1, ::-1]."),
        Mistake(_full, "Your picture was padded: only places where the whole kernel lies on the picture count."),
    ],
    "flip the kernel along both axes, and then do what lesson 1 does.",
    "The gradient of lesson 5 is one of these.",
)
