"""Pooling over windows of (C, spatial..., N): maximum and average."""

import functools
import math

import numpy as np

from gpucnn.arena import empty
from gpucnn.backend import Array, module_of
from gpucnn.geometry import Sides, Sizes, Window, tap_slices
from gpucnn.kernels.window import padded, tap_view, taps


def max_forward(x: Array, window: Window, out: Array) -> list[Array]:
    """out (C, outputs..., N) = the largest value under the window; padding is -inf.

    Returns, for every tap but the first, where it beats all taps before it (so ties go to the first, as in PyTorch).
    """
    xp = module_of(x)
    source = padded(x, window, -math.inf)
    outputs = out.shape[1:-1]
    first, *others = taps(window)
    xp.copyto(out, tap_view(source, window, first, outputs))
    beaten = []
    for tap in others:
        view = tap_view(source, window, tap, outputs)
        wins = empty(out.shape, x, dtype=bool)
        xp.greater(view, out, out=wins)
        xp.maximum(view, out, out=out)
        beaten.append(wins)
    return beaten


def max_backward(grad: Array, beaten: list[Array], window: Window, out: Array) -> None:
    """out (C, spatial..., N) = grad handed to the tap that won each window.

    From the last tap to the first: a tap that beat all before it takes the gradient that no later tap has taken.
    """
    xp = module_of(grad)
    first, *others = taps(window)
    rest = empty(grad.shape, grad)
    xp.copyto(rest, grad)
    share = empty(grad.shape, grad)
    give = _spread(window, out, grad.shape[1:-1])
    for tap, wins in zip(reversed(others), reversed(beaten), strict=True):
        xp.multiply(rest, wins, out=share)
        xp.subtract(rest, share, out=rest)
        give(tap, share)
    give(first, rest)


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
    first, *others = taps(window)
    xp.copyto(out, tap_view(source, window, first, out.shape[1:-1]))
    for tap in others:
        xp.add(out, tap_view(source, window, tap, out.shape[1:-1]), out=out)
    xp.divide(out, counts, out=out)


def average_backward(grad: Array, window: Window, counts: Array, out: Array) -> None:
    """out (C, spatial..., N) = for each pixel the sum of grad / counts over the windows it lies in."""
    share = empty(grad.shape, grad)
    module_of(grad).divide(grad, counts, out=share)
    give = _spread(window, out, grad.shape[1:-1])
    for tap in taps(window):
        give(tap, share)


def _spread(window: Window, out: Array, outputs: Sizes) -> functools.partial[None]:
    """The function give(tap, share) that hands each window's share to the pixel under its tap.

    Where windows cover every pixel exactly once it writes; else out starts at zero and it adds.
    """
    sizes = out.shape[1:-1]
    tiling = window.kernel == window.stride and not window.padded and set(window.dilation) == {1}
    if tiling and sizes == tuple(k * o for k, o in zip(window.kernel, outputs, strict=True)):
        return functools.partial(_write, window, out)
    out.fill(0)
    return functools.partial(_add, window, out)


def _write(window: Window, out: Array, tap: Sizes, share: Array) -> None:
    tap_view(out, window, tap, share.shape[1:-1])[...] = share


def _add(window: Window, out: Array, tap: Sizes, share: Array) -> None:
    inside, places = tap_slices(window, tap, out.shape[1:-1], share.shape[1:-1])
    target = out[(slice(None), *inside)]
    target += share[(slice(None), *places)]
