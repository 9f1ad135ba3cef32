"""What changes from one step of a training to the next, read on the device: a captured step takes no numbers."""

from gpucnn.backend import Array


def begin(integers: Array, numbers: Array, now: Array, rates: Array) -> None:
    """Take the next rows of the tables: now becomes (start, seed, step, step + 1), rates[:, :3] the step's numbers.

    integers: (S, 2) int64, a start and a seed for each of S steps; numbers: (S, groups, 3) float64; now: (4,) int64,
    whose last entry is the row to take; rates: (groups, 4) float64.
    """
    rates[:, :3] = numbers.take(now[3], axis=0)
    now[:2] = integers.take(now[3], axis=0)
    now[2] = now[3]
    now[3] += 1
