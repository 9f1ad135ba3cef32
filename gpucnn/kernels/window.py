"""Sliding windows over (C, spatial..., N), written once for one, two and three spatial axes."""

import itertools
from collections.abc import Iterator

from gpucnn.backend import Array, module_of
from gpucnn.geometry import Sizes, Window, tap_slices
from gpucnn.kernels.padding import constant


def padded(x: Array, window: Window, value: float) -> Array:
    """x with the window's padding; x itself where there is none."""
    return constant(x, ((0, 0), *window.padding, (0, 0)), value) if window.padded else x


def taps(window: Window) -> Iterator[Sizes]:
    """The window's positions, in order: the last axis runs fastest."""
    return itertools.product(*map(range, window.kernel))


def tap_view(x: Array, window: Window, tap: Sizes, outputs: Sizes) -> Array:
    """What one tap reads of the padded x for every output: a view (C, outputs..., N)."""
    places = tuple(
        slice(start := position * dilation, start + (count - 1) * stride + 1, stride)
        for position, dilation, stride, count in zip(tap, window.dilation, window.stride, outputs, strict=True)
    )
    return x[(slice(None), *places)]


def window_view(x: Array, window: Window, outputs: Sizes) -> Array:
    """What every tap reads of the padded x for every output: a view (C, kernel..., outputs..., N), pixels repeated."""
    channels, *steps, images = x.strides
    by_tap = [step * dilation for step, dilation in zip(steps, window.dilation, strict=True)]
    by_output = [step * stride for step, stride in zip(steps, window.stride, strict=True)]
    return module_of(x).lib.stride_tricks.as_strided(
        x,
        (x.shape[0], *window.kernel, *outputs, x.shape[-1]),
        (channels, *by_tap, *by_output, images),
    )


def col2im(columns: Array, window: Window, out: Array) -> None:
    """Add columns (C, kernel..., outputs..., N) up into the pixels they came from: out (C, spatial..., N), unpadded.

    Runs tap by tap, each a gather of whole rows, so the order of the sums is fixed.
    """
    sizes, outputs = out.shape[1:-1], columns.shape[1 + len(window.kernel) : -1]
    out.fill(0)
    for tap in taps(window):
        inside, places = tap_slices(window, tap, sizes, outputs)
        target = out[(slice(None), *inside)]
        target += columns[(slice(None), *tap, *places)]
