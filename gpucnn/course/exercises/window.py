"""Lesson 1: a window over a row of numbers."""

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake


def slide(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """The outputs of the kernel k over the row x: y[i] = sum over a of k[a] · x[i + a].

    x has W numbers, k has K of them; there are W - K + 1 outputs. For example
    slide([1, 2, 3, 4, 5], [-1, 0, 1]) is [2, 2, 2].
    """
    return np.array([k @ x[i : i + len(k)] for i in range(len(x) - len(k) + 1)])


def _short(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return slide(x, k)[:-1]


def _padded(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return slide(np.pad(x, ((len(k) - 1) // 2, len(k) // 2)), k)


def _flipped(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return slide(x, k[::-1])


def _mean(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return slide(x, k) / len(k)


EXERCISE = Exercise(
    slide,
    [
        (np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([-1.0, 0.0, 1.0])),
        (np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0]), np.array([2.0, 7.0])),
        (np.array([2.0, 7.0, 1.0, 8.0]), np.array([1.0, -2.0, 0.5])),
    ],
    [
        Mistake(_short, "Your result lacks the last place: W - K + 1 windows fit, the one that ends at the end too."),
        Mistake(
            _padded, "Your row was padded: the task is without zeros at the ends, so the result is shorter than x."
        ),
        Mistake(_flipped, "Your kernel is flipped: k[0] belongs to the leftmost number of the window (lesson 3)."),
        Mistake(_mean, "Your result is divided by the kernel's length: add the products, do not take their mean."),
    ],
    "make an array of len(x) - len(k) + 1 zeros, and fill its place i from x[i : i + len(k)].",
    "Every convolution of this course is this function, with more axes.",
)
