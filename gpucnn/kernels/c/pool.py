"""Pooling in C, in one pass over what it reads and writes. Shapes as in numpy/pool.py.

The winners of max-pooling are numbers of taps, uint8 and of out's shape; a window of more taps than a byte can number
is the reference's.
"""

import functools
import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.geometry import Sizes, Window
from gpucnn.kernels.c import library, plans
from gpucnn.kernels.numpy import pool as reference
from gpucnn.kernels.numpy.pool import (
    global_average_backward,
    global_average_forward,
    global_max_backward,
    global_max_forward,
    tap_counts,
)

__all__ = [
    "average_backward",
    "average_forward",
    "global_average_backward",
    "global_average_forward",
    "global_max_backward",
    "global_max_forward",
    "max_backward",
    "max_forward",
    "max_forward_winners",
    "tap_counts",
]

MOST_TAPS = 255  # NO_TAP in source/pool.h


def max_forward(x: Array, window: Window, least: float, out: Array) -> None:
    """out (C, outputs..., N) = the largest value under the window, but no less than `least`: -inf, or 0 for ReLU."""
    library.c.pool_max(_forward(window, x.shape), x, None, int(least == 0), out)


def max_forward_winners(x: Array, window: Window, least: float, out: Array) -> Any:
    """As max_forward; returns what max_backward asks for."""
    if math.prod(window.kernel) > MOST_TAPS:
        return reference.max_forward_winners(x, window, least, out)
    winners = empty(out.shape, x, np.uint8)
    library.c.pool_max(_forward(window, x.shape), x, winners, int(least == 0), out)
    return winners


def max_backward(grad: Array, winners: Any, window: Window, out: Array) -> None:
    """out (C, spatial..., N) = grad handed to the tap that won each window; with ReLU none has won where that is 0."""
    if math.prod(window.kernel) > MOST_TAPS:
        reference.max_backward(grad, winners, window, out)
        return
    library.c.pool_max_backward(_backward(window, out.shape), grad, winners, out)


def average_forward(x: Array, window: Window, counts: Array, out: Array) -> None:
    """out (C, outputs..., N) = the sum under the window over counts (outputs..., 1)."""
    library.c.pool_average(_forward(window, x.shape), x, counts, out)


def average_backward(grad: Array, window: Window, counts: Array, out: Array) -> None:
    """out (C, spatial..., N) = for each pixel the sum of grad / counts over the windows it lies in."""
    library.c.pool_average_backward(_backward(window, out.shape), grad, counts, out)


@functools.lru_cache(maxsize=1024)
def _forward(window: Window, x: Sizes) -> np.ndarray:
    """The PoolPlan from the pixels of x (C, spatial..., N) to the outputs."""
    axes = plans.axes_of(window, x[1:-1])
    meetings = [plans.of_outputs(axis) for axis in axes]
    return _plan(meetings, axes, x, [axis.size for axis in axes])


@functools.lru_cache(maxsize=1024)
def _backward(window: Window, x: Sizes) -> np.ndarray:
    """The PoolPlan from the outputs to the pixels of x."""
    axes = plans.axes_of(window, x[1:-1])
    meetings = [plans.of_pixels(axis) for axis in axes]
    return _plan(meetings, axes, x, [axis.outputs for axis in axes])


def _plan(meetings: list[plans.Meetings], axes: list[plans.Axis], x: Sizes, sources: list[int]) -> np.ndarray:
    """A PoolPlan, as pool.h lays it out. `sources` are the sizes of what is read."""
    kernel = [axis.kernel for axis in axes]
    tables = [meeting.table for meeting in meetings]
    header = [x[0], x[-1], *map(len, tables), *sources]
    header += [math.prod(kernel[i + 1 :]) for i in range(plans.AXES)]
    header += [meeting.tap_step for meeting in meetings] + [meeting.source_step for meeting in meetings]
    return np.ascontiguousarray(np.concatenate([np.array(header), *map(np.ravel, tables)]), np.int64)
