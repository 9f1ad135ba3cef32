"""Random convolutions and poolings, each made from its index alone: a failure names what reproduces it."""

import functools
from dataclasses import dataclass

import numpy as np

from tests.references import extent, output_size, sides

COUNT = 240
AXES_OF = (1, 2, 2, 2, 2, 3)  # most are two-dimensional
LARGEST = {1: 12, 2: 8, 3: 5}  # sizes are kept small, so that loops in Python judge all of them in seconds
KERNELS = {1: 5, 2: 4, 3: 3}
# groups, input channels and outputs of each; where a group has one input channel it is depthwise
CHANNELS = [(1, 1, 4), (1, 3, 2), (1, 5, 1), (2, 2, 1), (3, 1, 2), (4, 1, 1)]


@dataclass(frozen=True)
class Configuration:
    """`arrays` are the operation's inputs, `options` its keywords."""

    index: int
    arrays: tuple[np.ndarray, ...]
    options: dict

    @property
    def axes(self) -> int:
        return self.arrays[0].ndim - 2

    def __str__(self) -> str:
        return f"configuration {self.index}: {[a.shape for a in self.arrays]}, {self.options}"


def _choose(rng: np.random.Generator, options):
    return options[rng.integers(len(options))]


def _per_axis(rng, axes: int, low: int, high: int):
    """An integer for all axes, or one for each."""
    if rng.random() < 0.5:
        return int(rng.integers(low, high + 1))
    return tuple(int(n) for n in rng.integers(low, high + 1, axes))


def _spread(value, axes: int) -> tuple:
    return (value,) * axes if isinstance(value, int) else value


def _fits(size: int, kernel: int, both: tuple[int, int], dilation: int) -> bool:
    return size + sum(both) >= extent(kernel, dilation)


@functools.cache
def convolution(index: int) -> Configuration:
    """Any stride, padding, dilation, groups up to depthwise; sizes odd and not square, batches from one."""
    rng = np.random.default_rng([1, index])
    axes = _choose(rng, AXES_OF)
    while True:
        sizes = rng.integers(1, LARGEST[axes] + 1, axes)
        kernel = rng.integers(1, KERNELS[axes] + 1, axes)
        options = {
            "stride": _per_axis(rng, axes, 1, 3),
            "padding": _choose(rng, [_per_axis(rng, axes, 0, 2), _pairs(rng, [3] * axes), "same", "valid"]),
            "dilation": _choose(rng, [1, _per_axis(rng, axes, 1, 3)]),
        }
        stride, dilation = (_spread(options[name], axes) for name in ("stride", "dilation"))
        around = sides(options["padding"], sizes, kernel, stride, dilation)
        if all(map(_fits, sizes, kernel, around, dilation)):
            break
    groups, per_group, outputs = _choose(rng, CHANNELS)
    x = rng.standard_normal((_choose(rng, [1, 2, 3, 5]), groups * per_group, *sizes))
    w = rng.standard_normal((groups * outputs, per_group, *kernel))
    arrays = (x, w) if rng.random() < 0.3 else (x, w, rng.standard_normal(len(w)))
    return Configuration(index, arrays, {**options, "groups": groups})


def _pairs(rng, bounds) -> tuple[tuple[int, int], ...]:
    """(before, after) of every axis, each below the axis's bound."""
    return tuple((int(rng.integers(bound)), int(rng.integers(bound))) for bound in bounds)


@functools.cache
def pooling(index: int, kind: str) -> Configuration:
    """Any window, stride, padding below the window, ceil mode; and dilation or count_include_pad."""
    rng = np.random.default_rng([2, index])
    axes = _choose(rng, AXES_OF)
    while True:
        sizes = rng.integers(1, LARGEST[axes] + 1, axes)
        kernel = _per_axis(rng, axes, 1, KERNELS[axes])
        kernels = _spread(kernel, axes)
        padding = _choose(rng, [0, _per_axis(rng, axes, 0, max(kernels) // 2), _pairs(rng, kernels)])
        options = {
            "kernel_size": kernel,
            "stride": _choose(rng, [None, _per_axis(rng, axes, 1, 3)]),
            "padding": padding,
            "ceil_mode": bool(rng.random() < 0.5),
        }
        if kind == "max":
            options["dilation"] = _choose(rng, [1, _per_axis(rng, axes, 1, 2)])
        else:
            options["count_include_pad"] = bool(rng.random() < 0.5)
        if _pools(sizes, axes, **options):
            break
    # A permutation of distinct steps: no two elements are so near that a finite difference swaps the greatest
    shape = (_choose(rng, [1, 2, 3, 5]), _choose(rng, [1, 2, 3]), *sizes)
    x = rng.permutation(np.linspace(-2.0, 1.0, np.prod(shape))).reshape(shape)
    return Configuration(index, (x,), options)


def _pools(sizes, axes, kernel_size, stride, padding, ceil_mode, dilation=1, count_include_pad=True) -> bool:
    """Every window holds at least one pixel of the image, and padding is smaller than the window."""
    kernel, dilation = _spread(kernel_size, axes), _spread(dilation, axes)
    stride = kernel if stride is None else _spread(stride, axes)
    around = sides(padding, sizes, kernel, stride, dilation)
    return all(map(_axis_pools, sizes, kernel, stride, around, dilation, [ceil_mode] * axes))


def _axis_pools(size, kernel, stride, both, dilation, ceil_mode) -> bool:
    if not _fits(size, kernel, both, dilation) or max(both) >= extent(kernel, dilation):
        return False
    places = range(output_size(size, kernel, stride, both, dilation, ceil_mode))
    taps = [[p * stride - both[0] + k * dilation for k in range(kernel)] for p in places]
    return all(any(0 <= tap < size for tap in window) for window in taps)
