"""Pooling in CUDA, in one pass over what it reads and writes.

The winners of max-pooling are numbers of taps, of out's shape: uint8 where a byte holds them all, else int32.
"""

import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.geometry import Sides, Sizes, Window
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import program
from gpucnn.kernels.plans import AXES, axes_of, cached_by_shape

MOST_TAPS = 255  # that a byte can number, with one number left for none

POOLING = np.dtype(
    [("channels", np.int32), ("images", np.int32)]
    + [(name, np.int32, AXES) for name in ("size", "outputs", "kernel", "stride", "before", "dilation")]
    + [(name, np.int32, AXES) for name in ("least", "most")]
)


class Pool(numpy.Pool):
    def max_forward(self, x: Array, window: Window, relu: bool, out: Array) -> None:
        _max_forward(x, window, relu, None, out)

    def max_forward_winners(self, x: Array, window: Window, relu: bool, out: Array) -> Array:
        winners = empty(out.shape, x, np.uint8 if math.prod(window.kernel) <= MOST_TAPS else np.int32)
        _max_forward(x, window, relu, winners, out)
        return winners

    def max_backward(self, grad: Array, winners: Array, window: Window, out: Array) -> None:
        _run("max_backward", window, None, out.shape, grad, out, *_by_type(winners))

    def tap_counts(self, window: Window, counted: Sides, sizes: Sizes, outputs: Sizes, like: Array) -> Sides:
        """The kernels count for themselves which taps lie on the input and its padding."""
        return counted

    def average_forward(self, x: Array, window: Window, counts: Sides, out: Array) -> None:
        _run("average_forward", window, counts, x.shape, x, out)

    def average_backward(self, grad: Array, window: Window, counts: Sides, out: Array) -> None:
        _run("average_backward", window, counts, out.shape, grad, out)

    def global_average_forward(self, x: Array, out: Array) -> None:
        program.run("pool", "global_average_forward", x.dtype, out.size, x.size // out.size, x.shape[-1], x, out)

    def global_average_backward(self, grad: Array, out: Array) -> None:
        pixels = out.size // grad.size
        program.run("pool", "global_average_backward", grad.dtype, out.size, pixels, grad.shape[-1], grad, out)

    def global_max_forward(self, x: Array, out: Array) -> Array:
        return self.max_forward_winners(x, _whole(x.shape[1:-1]), False, out)

    def global_max_backward(self, grad: Array, winners: Array, out: Array) -> None:
        self.max_backward(grad, winners, _whole(out.shape[1:-1]), out)


def _whole(sizes: Sizes) -> Window:
    """The window that covers a map of `sizes`."""
    return Window(sizes, sizes, ((0, 0),) * len(sizes), (1,) * len(sizes))


def _max_forward(x: Array, window: Window, relu: bool, winners: Array | None, out: Array) -> None:
    _run("max_forward", window, None, x.shape, x, out, int(relu), *_by_type(winners))


def _run(name: str, window: Window, counted: Sides | None, sizes: Sizes, x: Array, out: Array, *arguments: Any) -> None:
    """One thread for each number of `out`, or for each four of neighbouring images, over an input of `sizes`."""
    wide = program.wide(x, out)
    images = 4 if not wide and program.quads(x, out) else 1
    pooling = _pooling(window, counted, (*sizes[:-1], sizes[-1] // images))
    program.run("pool", name + (wide or f"_{images}"), x.dtype, out.size // images, pooling, x, *arguments, out)


def _by_type(winners: Array | None) -> tuple[Array | None, Array | None]:
    """The winners as bytes and as numbers, one or both of them None."""
    return (winners, None) if winners is not None and winners.dtype == np.uint8 else (None, winners)


@cached_by_shape
def _pooling(window: Window, counted: Sides | None, x: Sizes) -> np.ndarray:
    """The Pooling of source/pool.cu over x (C, spatial..., N or N / 4), of which `counted` padding counts."""
    axes = axes_of(window, x[1:-1])
    sides = [(0, 0)] * (AXES - len(window.kernel)) + list(counted or window.padding)
    pooling = np.zeros(1, POOLING)
    pooling["channels"], pooling["images"] = x[0], x[-1]
    for name in ("size", "outputs", "kernel", "stride", "before", "dilation"):
        pooling[name] = [getattr(axis, name) for axis in axes]
    pooling["least"] = [-before for before, _ in sides]
    pooling["most"] = [axis.size + after for axis, (_, after) in zip(axes, sides, strict=True)]
    return pooling
