"""Lesson 10: the receptive field."""

from gpucnn.course.exercise import Exercise, Mistake

Layers = list[tuple[int, int]]


def receptive_field(layers: Layers) -> tuple[int, int]:
    """The size of the receptive field and the jump, as two results, after windows (K, S), the first one first.

    K: the window's length. S: its stride. For example receptive_field([(5, 1), (2, 2)]) is (6, 2).
    """
    size, jump = 1, 1
    for K, S in layers:
        size += (K - 1) * jump
        jump *= S
    return size, jump


def _without_jump(layers: Layers) -> tuple[int, int]:
    return 1 + sum(K - 1 for K, _ in layers), receptive_field(layers)[1]


def _new_jump(layers: Layers) -> tuple[int, int]:
    size, jump = 1, 1
    for K, S in layers:
        jump *= S
        size += (K - 1) * jump
    return size, jump


def _whole_window(layers: Layers) -> tuple[int, int]:
    size, jump = 1, 1
    for K, S in layers:
        size += K * jump
        jump *= S
    return size, jump


def _from_zero(layers: Layers) -> tuple[int, int]:
    size, jump = receptive_field(layers)
    return size - 1, jump


def _added_jump(layers: Layers) -> tuple[int, int]:
    size, jump = 1, 1
    for K, S in layers:
        size += (K - 1) * jump
        jump += S - 1
    return size, jump


def _backwards(layers: Layers) -> tuple[int, int]:
    return receptive_field(layers[::-1])


EXERCISE = Exercise(
    receptive_field,
    [
        ([(5, 1), (2, 2)],),
        ([(3, 2), (3, 2), (3, 1)],),
        ([(5, 1), (2, 2), (5, 1), (2, 2)],),
        ([(7, 3), (2, 2), (4, 2)],),
    ],
    [
        Mistake(_without_jump, "The jump is forgotten: behind a stride each step of a window is `jump` pixels wide."),
        Mistake(_new_jump, "You change the jump too early: the size grows by the jump before this window's stride."),
        Mistake(_whole_window, "K units have K - 1 steps between them: the size grows by (K - 1) · jump."),
        Mistake(_from_zero, "Begin with size 1: a pixel sees itself."),
        Mistake(_added_jump, "Jumps multiply: two strides of 2 make a jump of 4."),
        Mistake(_backwards, "You walk from the last layer to the first: with these two rules begin at the pixels."),
    ],
    "begin with size = 1 and jump = 1, and update both for each (K, S); the size first.",
    "`gpucnn summary` prints it for every layer of your networks.",
)
