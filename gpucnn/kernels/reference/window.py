"""Sliding windows over (C, spatial..., N), written once for one, two and three spatial axes."""

from gpucnn.backend import Array, module_of
from gpucnn.geometry import Sizes, Window, padded_places, unpadded_places
from gpucnn.kernels.reference.padding import constant


def padded(x: Array, window: Window, value: float) -> Array:
    """x with the window's padding; x itself where there is none."""
    return constant(x, ((0, 0), *window.padding, (0, 0)), value) if window.padded else x


def tap_views(x: Array, window: Window, outputs: Sizes) -> list[Array]:
    """For each tap in order, what it reads of the padded x for every output: a view (C, outputs..., N)."""
    return [x[(slice(None), *places)] for places in padded_places(window, outputs)]


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
    by_tap = columns.reshape(out.shape[0], -1, *outputs, out.shape[-1])  # (C, K, outputs..., N)
    out.fill(0)
    for tap, (inside, places) in enumerate(unpadded_places(window, sizes, outputs)):
        target = out[(slice(None), *inside)]
        target += by_tap[(slice(None), tap, *places)]
