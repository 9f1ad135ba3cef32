"""Lesson 2: the number of outputs of a window."""

from gpucnn.course.exercise import Exercise, Mistake


def output_size(W: int, K: int, S: int, P: int, D: int) -> int:
    """The number of outputs of a window over W numbers.

    K: how many numbers the window has, D places apart (D = 1: neighbours). S: the stride.
    P: zeros at each end. For example output_size(28, 5, 1, 2, 1) is 28.
    """
    return (W + 2 * P - D * (K - 1) - 1) // S + 1


def _unpadded(W: int, K: int, S: int, P: int, D: int) -> int:
    return output_size(W, K, S, 0, D)


def _one_side(W: int, K: int, S: int, P: int, D: int) -> int:
    return (W + P - D * (K - 1) - 1) // S + 1


def _without_one(W: int, K: int, S: int, P: int, D: int) -> int:
    return output_size(W, K, S, P, D) - 1


def _rounded_up(W: int, K: int, S: int, P: int, D: int) -> int:
    return -((D * (K - 1) + 1 - W - 2 * P) // S) + 1


def _fraction(W: int, K: int, S: int, P: int, D: int) -> float:
    return (W + 2 * P - D * (K - 1) - 1) / S + 1


def _undilated(W: int, K: int, S: int, P: int, D: int) -> int:
    return output_size(W, K, S, P, 1)


def _too_long(W: int, K: int, S: int, P: int, D: int) -> int:
    return (W + 2 * P - D * K) // S + 1


EXERCISE = Exercise(
    output_size,
    [(28, 5, 1, 2, 1), (28, 5, 2, 2, 1), (9, 3, 1, 0, 2), (27, 3, 2, 0, 1), (11, 2, 3, 1, 2), (40, 4, 3, 3, 3)],
    [
        Mistake(_unpadded, "Your formula forgets the padding: P zeros at each end make the row longer by 2 · P."),
        Mistake(_one_side, "Your formula adds P once: there are P zeros at each end, 2 · P in all."),
        Mistake(_without_one, "Your size is one too small: there is one window more than there are steps."),
        Mistake(_rounded_up, "Your formula rounds up: a last window that fits in part does not count. Use //."),
        Mistake(_fraction, "Your formula does not round: a part of a step gives no window. Use // in place of /."),
        Mistake(_undilated, "Your formula forgets the dilation: the window reaches over D · (K - 1) + 1 places."),
        Mistake(_too_long, "Your window is too long: K numbers have K - 1 gaps, so it reaches over D · (K - 1) + 1."),
    ],
    "how many places does the window reach over, and how many steps of S are left after that?",
    "This is the formula by which gpucnn finds every shape of a network before it runs.",
)
