"""Lesson 5: both gradients of a window over a row."""

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake

Gradients = tuple[np.ndarray, np.ndarray]


def gradients(x: np.ndarray, k: np.ndarray, g: np.ndarray, S: int, P: int) -> Gradients:
    """The gradients by x (W,) and by k (K,), as two arrays, from the gradient g by the outputs.

    The outputs are y[i] = sum over a of k[a] · padded[S·i + a], where padded is x with P zeros at each end.
    """
    by_padded, by_k = _padded_gradients(x, k, g, S, P)
    return by_padded[P : P + len(x)], by_k


def _padded_gradients(x: np.ndarray, k: np.ndarray, g: np.ndarray, S: int, P: int) -> Gradients:
    padded = np.pad(x, P)
    by_padded, by_k = np.zeros_like(padded), np.zeros_like(k)
    for i, slope in enumerate(g):
        window = slice(S * i, S * i + len(k))
        by_k += slope * padded[window]
        by_padded[window] += slope * k
    return by_padded, by_k


def _first_places(x: np.ndarray, k: np.ndarray, g: np.ndarray, S: int, P: int) -> Gradients:
    by_padded, by_k = _padded_gradients(x, k, g, S, P)
    return by_padded[: len(x)], by_k


def _flipped(x: np.ndarray, k: np.ndarray, g: np.ndarray, S: int, P: int) -> Gradients:
    return gradients(x, k[::-1], g, S, P)[0], gradients(x, k, g, S, P)[1]


def _mean(x: np.ndarray, k: np.ndarray, g: np.ndarray, S: int, P: int) -> Gradients:
    by_x, by_k = gradients(x, k, g, S, P)
    return by_x, by_k / len(g)


def _overwritten(x: np.ndarray, k: np.ndarray, g: np.ndarray, S: int, P: int) -> Gradients:
    by_padded = np.zeros(len(x) + 2 * P)
    for i, slope in enumerate(g):
        by_padded[S * i : S * i + len(k)] = slope * k
    return by_padded[P : P + len(x)], gradients(x, k, g, S, P)[1]


def _stride_one(x: np.ndarray, k: np.ndarray, g: np.ndarray, S: int, P: int) -> Gradients:
    return gradients(x, k, g, 1, P)


def _exchanged(x: np.ndarray, k: np.ndarray, g: np.ndarray, S: int, P: int) -> Gradients:
    return gradients(x, k, g, S, P)[::-1]


_X, _K = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([1.0, -1.0, 2.0])
EXERCISE = Exercise(
    gradients,
    [
        (_X, _K, np.array([1.0, 10.0, 100.0]), 1, 0),
        (_X, _K, np.array([1.0, 10.0, -2.0]), 2, 1),
        (_X, np.array([2.0, 1.0]), np.array([3.0, 1.0, 4.0, 1.0]), 2, 2),
    ],
    [
        Mistake(_padded_gradients, "The gradient by x still holds the padding: cut P places off each end."),
        Mistake(_first_places, "The gradient by x is cut at the wrong place: the padding in front is P long, too."),
        Mistake(_flipped, "The kernel is flipped in the gradient by x: g[i] · k[a] belongs to place S·i + a."),
        Mistake(_mean, "The gradient by k is a mean: add up g[i] · padded[S·i + a] over i; divide by nothing."),
        Mistake(_overwritten, "Windows overlap, and the later one wins in your gradient by x: add with +=, not =."),
        Mistake(_stride_one, "The stride is forgotten: output i meets the places from S·i on, not from i on."),
        Mistake(_exchanged, "The two gradients are exchanged: return the one by x first."),
    ],
    "walk over i and a as the forward pass does, and add to two arrays of zeros, one as long as padded, one as k.",
    "With more indices these are the two gradients of every convolution here.",
)
