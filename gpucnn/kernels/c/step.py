"""What changes from one training step to the next, in C."""

from gpucnn.backend import Array
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library


class Step(numpy.Step):
    def begin(self, integers: Array, numbers: Array, now: Array, scales: Array) -> None:
        library.c.begin_step(integers, numbers, now, scales)

    def count(self, counter: Array, more: int = 1) -> None:
        library.c.count(more, counter)
