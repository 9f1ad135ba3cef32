"""Lesson 14: a place in memory."""

from collections.abc import Callable

from gpucnn.course.exercise import Exercise, Mistake


def place(n: int, c: int, i: int, j: int, N: int, C: int, H: int, W: int) -> int:
    """Where the number of picture n, channel c, row i, column j lies in memory, in the order (C, H, W, N).

    The first number of the array is at place 0. N, C, H and W are the lengths of the axes. For example
    place(1, 0, 0, 0, 64, 3, 28, 28) is 1.
    """
    return ((c * H + i) * W + j) * N + n


def _nchw(n: int, c: int, i: int, j: int, N: int, C: int, H: int, W: int) -> int:
    return ((n * C + c) * H + i) * W + j


def _nhwc(n: int, c: int, i: int, j: int, N: int, C: int, H: int, W: int) -> int:
    return ((n * H + i) * W + j) * C + c


def _rows_fastest(n: int, c: int, i: int, j: int, N: int, C: int, H: int, W: int) -> int:
    return ((c * W + j) * H + i) * N + n


def _own_lengths(n: int, c: int, i: int, j: int, N: int, C: int, H: int, W: int) -> int:
    return ((c * C + i) * H + j) * W + n


def _from_one(n: int, c: int, i: int, j: int, N: int, C: int, H: int, W: int) -> int:
    return place(n, c, i, j, N, C, H, W) + 1


MESSAGES: list[tuple[Callable[..., int], str]] = [
    (_nchw, "This is the order (N, C, H, W): in (C, H, W, N) the pictures are neighbours, n counts single places."),
    (_nhwc, "This is the order (N, H, W, C), of pictures in files; asked is (C, H, W, N)."),
    (_rows_fastest, "Rows and columns are exchanged: j is the axis next to n, so it is multiplied by N alone."),
    (_own_lengths, "Multiply by the length of the axis that follows: c by H, then i by W, then j by N."),
    (_from_one, "You count from 1: the first number lies at place 0."),
]
EXERCISE = Exercise(
    place,
    [(1, 0, 0, 0, 64, 3, 28, 28), (3, 2, 1, 5, 64, 6, 14, 12), (0, 1, 4, 2, 7, 3, 5, 9)],
    [Mistake(function, message) for function, message in MESSAGES],
    "how many numbers lie between (n, c, i, j) and (n, c, i, j + 1)? Between rows? Between channels?",
    "Where loops run over neighbours, memory and vectors work for you.",
)
