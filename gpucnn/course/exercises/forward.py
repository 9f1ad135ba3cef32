"""Lesson 4: the columns of a picture."""

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake


def im2col(x: np.ndarray, K: int, S: int) -> np.ndarray:
    """The columns of x (C, H, W) for a window of K by K that moves by S: (C·K·K, h·w).

    h = (H - K) // S + 1, and w likewise. Row (c, a, b), b fastest, holds x[c, S·i + a, S·j + b] for
    all places (i, j), j fastest.
    """
    return _windows(x, K, S).reshape(len(x) * K * K, -1)


def _windows(x: np.ndarray, K: int, S: int) -> np.ndarray:
    """(C, K, K, h, w)."""
    h, w = ((size - K) // S + 1 for size in x.shape[1:])
    taps = [[x[:, a : a + S * h : S, b : b + S * w : S][:, :h, :w] for b in range(K)] for a in range(K)]
    return np.array(taps).transpose(2, 0, 1, 3, 4)


def _transposed(x: np.ndarray, K: int, S: int) -> np.ndarray:
    return im2col(x, K, S).T


def _channels_fastest(x: np.ndarray, K: int, S: int) -> np.ndarray:
    return _windows(x, K, S).transpose(1, 2, 0, 3, 4).reshape(len(x) * K * K, -1)


def _columns_first(x: np.ndarray, K: int, S: int) -> np.ndarray:
    return _windows(x, K, S).transpose(0, 2, 1, 3, 4).reshape(len(x) * K * K, -1)


def _places_turned(x: np.ndarray, K: int, S: int) -> np.ndarray:
    return _windows(x, K, S).transpose(0, 1, 2, 4, 3).reshape(len(x) * K * K, -1)


def _stride_one(x: np.ndarray, K: int, S: int) -> np.ndarray:
    return im2col(x, K, 1)


EXERCISE = Exercise(
    im2col,
    [(np.arange(24.0).reshape(2, 3, 4), 2, 1), (np.arange(50.0).reshape(2, 5, 5), 3, 2)],
    [
        Mistake(_transposed, "Rows and columns are exchanged: each window is a column, not a row."),
        Mistake(_channels_fastest, "The rows are in the order (a, b, c); expected (c, a, b): channels outermost."),
        Mistake(_columns_first, "The rows are in the order (c, b, a); expected (c, a, b): the window's rows before b."),
        Mistake(_places_turned, "The places run down the picture; expected along its rows: j fastest."),
        Mistake(_stride_one, "The stride is forgotten: places are S apart, and there are (H - K) // S + 1 of them."),
    ],
    "for each (c, a, b) take x[c, a : a + S·h : S, b : b + S·w : S] and make it one row with reshape(-1).",
    "With it a convolution is one product of matrices, w.reshape(O, -1) @ im2col(x, K, S).",
)
