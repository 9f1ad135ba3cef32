"""Padding in NumPy and CuPy: copies for a border of one value, else each axis indexed by what its places repeat."""

import functools

import numpy as np

from gpucnn.backend import Array, empty, module_of, zeros
from gpucnn.geometry import Sides
from gpucnn.kernels.numpy.conv import bordered


class Padding:
    """Padding along any axes: a border of one value, of the nearest pixel, or of the mirrored image."""

    def pad(self, x: Array, sides: Sides, mode: str, value: float) -> Array:
        """x with (before, after) more elements along each of its axes.

        `mode` is "constant" (`value`), "replicate" (the nearest pixel) or "reflect" (mirrored, without the border
        pixel).
        """
        return bordered(x, sides, value) if mode == "constant" else gather(x, _sources(sides, mode, x.shape))

    def pad_backward(self, grad: Array, sides: Sides, mode: str, shape: tuple[int, ...]) -> Array:
        """The gradient by x, of `shape`: for each of its elements the sum over the places that repeat it."""
        if mode == "constant":
            out, inside = empty(shape, grad), zip(shape, sides, strict=True)
            out[...] = grad[tuple(slice(before, before + size) for size, (before, _) in inside)]
            return out
        return gather_backward(grad, _sources(sides, mode, shape), shape)


def _sources(sides: Sides, mode: str, shape: tuple[int, ...]) -> dict[int, np.ndarray]:
    """For each axis that is padded, the pixel that every place has its value from."""
    sources = {}
    for axis, (size, (before, after)) in enumerate(zip(shape, sides, strict=True)):
        place = np.arange(-before, size + after)
        if mode == "reflect":  # the pixel at the border is not repeated
            place = np.abs(place)
            place = np.where(place < size, place, 2 * (size - 1) - place)
        if before or after:
            sources[axis] = np.clip(place, 0, size - 1)
    return sources


def gather(x: Array, sources: dict[int, np.ndarray]) -> Array:
    """x with each axis of `sources` replaced by the pixels named there."""
    xp = module_of(x)
    return functools.reduce(lambda array, axis: xp.take(array, xp.asarray(sources[axis]), axis=axis), sources, x)


def gather_backward(grad: Array, sources: dict[int, np.ndarray], shape: tuple[int, ...]) -> Array:
    """The gradient by x, of `shape`: for each pixel the sum over the places that repeat it, in their order."""
    for axis in reversed(sources):
        total = zeros((*grad.shape[:axis], shape[axis], *grad.shape[axis + 1 :]), grad)
        by_pixel, by_place = (module_of(grad).moveaxis(array, axis, 0) for array in (total, grad))
        for place, pixel in enumerate(sources[axis].tolist()):
            by_pixel[pixel] += by_place[place]
        grad = total
    return grad
