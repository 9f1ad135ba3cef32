"""Lesson 11: the parameters of a convolution that does not see all maps."""

from collections.abc import Sequence

from gpucnn.course.exercise import Exercise, Mistake

Table = Sequence[Sequence[int]]


def c3_parameters(table: Table, K: int) -> int:
    """The number of trained parameters of a convolution of K by K whose map o sees the input maps table[o].

    Every output map has one bias. For example c3_parameters([[0, 1], [2]], 5) is 77.
    """
    return sum(K * K * len(maps) + 1 for maps in table)


def _bias_a_connection(table: Table, K: int) -> int:
    return sum((K * K + 1) * len(maps) for maps in table)


def _unbiased(table: Table, K: int) -> int:
    return c3_parameters(table, K) - len(table)


def _all(table: Table, K: int) -> int:
    inputs = len({number for maps in table for number in maps})
    return len(table) * (K * K * inputs + 1)


def _one_kernel(table: Table, K: int) -> int:
    return len(table) * (K * K + 1)


def _one_bias(table: Table, K: int) -> int:
    return _unbiased(table, K) + 1


def _row(table: Table, K: int) -> int:
    return sum(K * len(maps) + 1 for maps in table)


EXERCISE = Exercise(
    c3_parameters,
    [([[0, 1], [2]], 5), ([[0, 1, 2], [1, 2, 3], [0, 1, 2, 3]], 3)],
    [
        Mistake(_bias_a_connection, "You count a bias for every connection: an output map has one, whatever it sees."),
        Mistake(_unbiased, "The biases are forgotten: one for every output map."),
        Mistake(_all, "You count all connections: map o sees only the maps in table[o]."),
        Mistake(_one_kernel, "You count one kernel for each output map: it has one for every map that it sees."),
        Mistake(_one_bias, "You count one bias for the whole layer: every output map has its own."),
        Mistake(_row, "A window of K by K has K · K weights, not K."),
    ],
    "how many weights has a map that sees three others? And what else has it?",
    "For the paper's table and K = 5 it gives 1,516.",
)
