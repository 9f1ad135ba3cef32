"""Processes that train one network together: what they send each other, and how they are started."""

from gpucnn.parallel.communicator import ALONE, Communicator, Pending, current, sharing
from gpucnn.parallel.interlude import computed, interlude, interludes_to
from gpucnn.parallel.start import describe_mpi, describe_nccl, start

__all__ = [
    "ALONE",
    "Communicator",
    "Pending",
    "computed",
    "current",
    "describe_mpi",
    "describe_nccl",
    "interlude",
    "interludes_to",
    "sharing",
    "start",
]
