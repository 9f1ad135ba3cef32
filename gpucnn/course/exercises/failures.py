"""Lesson 12: dead units."""

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake


def dead_units(sums: np.ndarray) -> np.ndarray:
    """Which units of a layer are dead: an array of True and False, one for each unit.

    sums (N, units) are the units' sums for N pictures, before ReLU. A unit is dead if ReLU gives 0 for every
    picture: no sum is above 0.
    """
    return sums.max(axis=0) <= 0


def _any(sums: np.ndarray) -> np.ndarray:
    return sums.min(axis=0) <= 0


def _pictures(sums: np.ndarray) -> np.ndarray:
    return sums.max(axis=1) <= 0


def _alive(sums: np.ndarray) -> np.ndarray:
    return sums.max(axis=0) > 0


def _exactly_zero(sums: np.ndarray) -> np.ndarray:
    return abs(sums).max(axis=0) == 0


def _negative(sums: np.ndarray) -> np.ndarray:
    return sums.max(axis=0) < 0


def _mean(sums: np.ndarray) -> np.ndarray:
    return sums.mean(axis=0) <= 0


def _count(sums: np.ndarray) -> int:
    return int(dead_units(sums).sum())


EXERCISE = Exercise(
    dead_units,
    [
        (np.array([[1.0, -2.0, 0.0, -1.0, 0.0], [2.0, -1.0, 0.0, 0.5, -3.0], [0.1, -5.0, 0.0, -9.0, -1.0]]),),
        (np.array([[-1.0, 3.0, 5.0], [-2.0, -4.0, -1.0], [-1.0, -5.0, -1.0]]),),
    ],
    [
        Mistake(_any, "A unit is dead only if all pictures give 0; yours is called dead as soon as one does."),
        Mistake(_pictures, "You look along the wrong axis: one answer for each unit, over the pictures (axis=0)."),
        Mistake(_alive, "Your answer is True for the units that are alive."),
        Mistake(_exactly_zero, "These are sums before ReLU: a negative sum gives 0, too. Compare with <= 0."),
        Mistake(_negative, "A sum of exactly 0 gives 0, too: compare with <= 0."),
        Mistake(_mean, "A unit with a negative mean may be alive: one picture above 0 is enough."),
        Mistake(_count, "Your answer is how many units are dead; asked is which: an array, one entry for each unit."),
    ],
    "compare all sums with 0, and ask along the axis of the pictures: (...).all(axis=0).",
    "Count them before a long training, not after it.",
)
