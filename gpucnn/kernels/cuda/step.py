"""What changes from one step of a training to the next, read on the device, in one launch."""

from gpucnn.backend import Array
from gpucnn.kernels.cuda import program


def begin(integers: Array, numbers: Array, now: Array, rates: Array) -> None:
    """As numpy/step.py."""
    dtype = program.WITHOUT_REAL["step"]
    program.launch("step", "begin", dtype, (1,), (1,), len(rates), integers, numbers, now, rates)
