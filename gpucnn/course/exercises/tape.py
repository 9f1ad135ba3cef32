"""Lesson 8: backward through a tape."""

from collections.abc import Iterable

import numpy as np

from gpucnn.course.exercise import Exercise, Mistake

Record = tuple[int, int, float]


def slopes(records: list[Record], count: int) -> np.ndarray:
    """The slopes of the last of `count` variables by each of them, variable 0 first.

    A record (result, source, slope) says: `result` was computed from `source`, which acts on it with that
    slope. Records stand in the order of the computation; a source used twice has two. For example
    y = 3·u and L = y·y at u = 1, numbered u, y, L, has the records [(1, 0, 3.0), (2, 1, 3.0), (2, 1, 3.0)],
    and slopes(records, 3) is [18, 6, 1].
    """
    found = _start(count)
    for result, source, slope in reversed(records):
        found[source] += found[result] * slope
    return found


def _start(count: int) -> np.ndarray:
    found = np.zeros(count)
    found[-1] = 1
    return found


def _overwritten(records: list[Record], count: int) -> np.ndarray:
    found = _start(count)
    for result, source, slope in reversed(records):
        found[source] = found[result] * slope
    return found


def _forward(records: Iterable[Record], count: int) -> np.ndarray:
    found = _start(count)
    for result, source, slope in records:
        found[source] += found[result] * slope
    return found


def _not_chained(records: list[Record], count: int) -> np.ndarray:
    found = _start(count)
    for _, source, slope in reversed(records):
        found[source] += slope
    return found


def _ones(records: list[Record], count: int) -> np.ndarray:
    found = np.ones(count)
    for result, source, slope in reversed(records):
        found[source] += found[result] * slope
    return found


def _zeros(records: list[Record], count: int) -> np.ndarray:
    return np.zeros(count)


EXERCISE = Exercise(
    slopes,
    [
        ([(1, 0, 3.0), (2, 1, 3.0), (2, 1, 3.0)], 3),
        ([(2, 0, 2.0), (2, 1, -1.0), (3, 2, 4.0), (4, 3, 0.5), (4, 0, 7.0)], 5),
    ],
    [
        Mistake(_overwritten, "At a fork the later gradient replaces the earlier one: add with +=, not =."),
        Mistake(_forward, "You walk the records forward: the gradient of a result must be whole first. Reverse them."),
        Mistake(_not_chained, "You add the slopes alone: multiply each by the gradient of its result (chain rule)."),
        Mistake(_ones, "All gradients begin at 1: only that of the last variable by itself does, the others at 0."),
        Mistake(_zeros, "All are zero: the gradient of the last variable by itself is 1. Begin with that."),
    ],
    "make zeros, set the last to 1, and walk the records from the last to the first.",
    "This loop is every framework's backward.",
)
