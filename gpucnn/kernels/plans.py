"""Parts of the plans of compiled kernels: a window along three axes, and results that are cached by shape."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

from gpucnn.geometry import Sizes, Window

AXES = 3  # one and two spatial axes are three, the first of size 1

P = ParamSpec("P")
T = TypeVar("T")


def cached_by_shape(function: Callable[P, T]) -> Callable[P, T]:
    """A function of shapes, which keeps its last 1024 results: every step of a training asks for the same few."""
    cached: Any = functools.lru_cache(maxsize=1024)(function)
    return cached


class Axis(NamedTuple):
    """A window along one axis."""

    size: int
    outputs: int
    kernel: int
    stride: int
    before: int
    dilation: int


POINT = Axis(1, 1, 1, 1, 0, 1)


def axes_of(window: Window, sizes: Sizes) -> list[Axis]:
    """The window along each of three axes over an input of `sizes`."""
    outputs = window.output_sizes(sizes)
    befores = [before for before, _ in window.padding]
    given = zip(sizes, outputs, window.kernel, window.stride, befores, window.dilation, strict=True)
    return [POINT] * (AXES - len(sizes)) + [Axis(*axis) for axis in given]
