"""Pooling in C, in one pass over what it reads and writes.

The winners of max-pooling are numbers of taps, uint8 and of out's shape; a window of more taps than a byte can number
is left to NumPy.
"""

import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.geometry import Sizes, Window
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library
from gpucnn.kernels.c.plans import Meetings, of_outputs, of_pixels
from gpucnn.kernels.plans import AXES, Axis, axes_of, cached_by_shape

MOST_TAPS = 255  # NO_TAP in source/pool.h


class Pool(numpy.Pool):
    def max_forward(self, x: Array, window: Window, relu: bool, out: Array) -> None:
        library.c.pool_max(forward_plan(window, x.shape), x, None, relu, out)

    def max_forward_winners(self, x: Array, window: Window, relu: bool, out: Array) -> Any:
        if math.prod(window.kernel) > MOST_TAPS:
            return super().max_forward_winners(x, window, relu, out)
        winners = empty(out.shape, x, np.uint8)
        library.c.pool_max(forward_plan(window, x.shape), x, winners, relu, out)
        return winners

    def max_backward(self, grad: Array, winners: Any, window: Window, out: Array) -> None:
        if math.prod(window.kernel) > MOST_TAPS:
            super().max_backward(grad, winners, window, out)
            return
        library.c.pool_max_backward(backward_plan(window, out.shape), grad, winners, out)

    def average_forward(self, x: Array, window: Window, counts: Array, out: Array) -> None:
        library.c.pool_average(forward_plan(window, x.shape), x, counts, out)

    def average_backward(self, grad: Array, window: Window, counts: Array, out: Array) -> None:
        library.c.pool_average_backward(backward_plan(window, out.shape), grad, counts, out)

    def global_average_forward(self, x: Array, out: Array) -> None:
        library.c.map_means(x, len(x), math.prod(x.shape[1:-1]), x.shape[-1], out)

    def global_average_backward(self, grad: Array, out: Array) -> None:
        library.c.map_shares(grad, len(out), math.prod(out.shape[1:-1]), out.shape[-1], out)


@cached_by_shape
def forward_plan(window: Window, x: Sizes) -> np.ndarray:
    """The PoolPlan from the pixels of x (C, spatial..., N) to the outputs."""
    axes = axes_of(window, x[1:-1])
    meetings = [of_outputs(axis) for axis in axes]
    return _plan(meetings, axes, x, [axis.size for axis in axes])


@cached_by_shape
def backward_plan(window: Window, x: Sizes) -> np.ndarray:
    """The PoolPlan from the outputs to the pixels of x."""
    axes = axes_of(window, x[1:-1])
    meetings = [of_pixels(axis) for axis in axes]
    return _plan(meetings, axes, x, [axis.outputs for axis in axes])


def _plan(meetings: list[Meetings], axes: list[Axis], x: Sizes, sources: list[int]) -> np.ndarray:
    """A PoolPlan, as pool.h lays it out. `sources` are the sizes of what is read."""
    kernel = [axis.kernel for axis in axes]
    tables = [meeting.table for meeting in meetings]
    header = [x[0], x[-1], *map(len, tables), *sources]
    header += [math.prod(kernel[i + 1 :]) for i in range(AXES)]
    header += [meeting.tap_step for meeting in meetings] + [meeting.source_step for meeting in meetings]
    return np.ascontiguousarray(np.concatenate([np.array(header), *map(np.ravel, tables)]), np.int64)
