"""What changes from one training step to the next, in NumPy and CuPy."""

from gpucnn.backend import Array


class Step:
    """What changes from one training step to the next, read on the device: a captured step is given no numbers."""

    def begin(self, integers: Array, numbers: Array, now: Array, scales: Array) -> None:
        """Take the next rows of the tables: now becomes (start, seed, step, step + 1), scales[:, :3] the step scales.

        integers: (S, 2) int64, a start and a seed for each of S steps; numbers: (S, groups, 3) float64, `StepScales`;
        now: (4,) int64, whose last entry is the row to take; scales: (groups, 4) float64.
        """
        scales[:, :3] = numbers.take(now[3], axis=0)
        now[:2] = integers.take(now[3], axis=0)
        now[2] = now[3]
        now[3] += 1

    def count(self, counter: Array, more: int = 1) -> None:
        """Add `more` to counter, one int64."""
        counter += more
