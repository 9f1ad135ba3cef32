"""Pooling over windows of (C, spatial..., N): maximum and average."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np

from gpucnn.arena import empty
from gpucnn.backend import Array, module_of
from gpucnn.geometry import Sides, Sizes, Slices, Window, unpadded_places
from gpucnn.kernels.window import padded, tap_views


def max_forward(x: Array, window: Window, out: Array) -> None:
    """out (C, outputs..., N) = the largest value under the window; padding is -inf."""
    first, *others = tap_views(padded(x, window, -math.inf), window, out.shape[1:-1])
    module_of(x).copyto(out, first)
    for view in others:
        module_of(x).maximum(view, out, out=out)


def max_forward_winners(x: Array, window: Window, out: Array) -> list[Array]:
    """As max_forward; returns, for every tap but the first, where it beats all taps before it.

    So ties go to the first tap, as in PyTorch. The arrays are boolean, of out's shape.
    """
    xp = module_of(x)
    first, *others = tap_views(padded(x, window, -math.inf), window, out.shape[1:-1])
    xp.copyto(out, first)
    beaten = []
    for view in others:
        beaten.append(xp.greater(view, out, out=empty(out.shape, x, dtype=bool)))
        xp.maximum(view, out, out=out)
    return beaten


def max_backward(grad: Array, beaten: list[Array], window: Window, out: Array) -> None:
    """out (C, spatial..., N) = grad handed to the tap that won each window.

    From the last tap to the first: a tap that beat all before it takes the gradient that no later tap has taken.
    """
    xp = module_of(grad)
    rest = empty(grad.shape, grad)
    xp.copyto(rest, grad)
    spread = _spread(window, out, grad)
    for tap in range(len(beaten), 0, -1):
        with spread(tap) as share:
            xp.multiply(rest, beaten[tap - 1], out=share)
            xp.subtract(rest, share, out=rest)
    with spread(0) as share:
        share[...] = rest


def tap_counts(window: Window, counted: Sides, sizes: Sizes, outputs: Sizes, like: Array) -> Array:
    """How many taps of each window count: those over the input and its `counted` padding. (outputs..., 1)"""
    counts = np.ones((1,) * (len(sizes) + 1))
    for axis, (size, count, (before, after)) in enumerate(zip(sizes, outputs, counted, strict=True)):
        first = np.arange(count) * window.stride[axis] - window.padding[axis][0]
        taps_along = first[:, None] + np.arange(
            window.kernel[axis]
        )  # (outputs, kernel); pooling by average has no gaps
        within = ((taps_along >= -before) & (taps_along < size + after)).sum(axis=1)
        counts = counts * within.reshape([-1 if i == axis else 1 for i in range(counts.ndim)])
    return module_of(like).asarray(counts, dtype=like.dtype)


def average_forward(x: Array, window: Window, counts: Array, out: Array) -> None:
    """out (C, outputs..., N) = the sum under the window over counts (outputs..., 1)."""
    xp = module_of(x)
    source = padded(x, window, 0)
    first, *others = tap_views(source, window, out.shape[1:-1])
    xp.copyto(out, first)
    for view in others:
        xp.add(out, view, out=out)
    xp.divide(out, counts, out=out)


def average_backward(grad: Array, window: Window, counts: Array, out: Array) -> None:
    """out (C, spatial..., N) = for each pixel the sum of grad / counts over the windows it lies in."""
    xp = module_of(grad)
    each = xp.divide(grad, counts, out=empty(grad.shape, grad))
    spread = _spread(window, out, grad)
    for tap in range(math.prod(window.kernel)):
        with spread(tap) as share:
            share[...] = each


Spread = Callable[[int], AbstractContextManager[Array]]


def _spread(window: Window, out: Array, grad: Array) -> Spread:
    """`with spread(tap) as share`: what is written to share, of grad's shape, goes to the pixels under that tap.

    Where windows cover every pixel exactly once, share is a view of out; else out starts at zero and shares are added.
    """
    outputs = grad.shape[1:-1]
    tiling = window.kernel == window.stride and not window.padded and set(window.dilation) == {1}
    if tiling and out.shape[1:-1] == tuple(k * o for k, o in zip(window.kernel, outputs, strict=True)):
        return functools.partial(_written, tap_views(out, window, outputs))
    out.fill(0)
    return functools.partial(_added, unpadded_places(window, out.shape[1:-1], outputs), out, empty(grad.shape, grad))


@contextlib.contextmanager
def _written(views: list[Array], tap: int) -> Iterator[Array]:
    yield views[tap]


@contextlib.contextmanager
def _added(places: Sequence[tuple[Slices, Slices]], out: Array, share: Array, tap: int) -> Iterator[Array]:
    yield share
    inside, outputs = places[tap]
    target = out[(slice(None), *inside)]
    target += share[(slice(None), *outputs)]
