"""Axes and shapes: which axes numbers name, and what broadcasting and reductions make of a shape."""

import contextlib
import math
from collections.abc import Iterator

from gpucnn.backend import Array
from gpucnn.errors import ShapeError

Axes = int | tuple[int, ...] | None


def axis_of(name: str, axis: int, shape: tuple[int, ...]) -> int:
    """`axis`, which may count from the end, as a number from 0 on. Raises ShapeError if it does not exist."""
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{name}: there is no axis {axis} in {shape}, which has {len(shape)}")
    return axis % len(shape)


def axes_of(name: str, axis: Axes, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a reduction: one, several, or (None) all. Raises ShapeError for one that does not exist."""
    if not shape and axis in (0, -1):  # PyTorch takes a number for a vector here
        return ()
    given = range(len(shape)) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(axis_of(name, a, shape) for a in given)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` after a reduction over `axes` that keeps them, at size 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def reduced_count(shape: tuple[int, ...], axis: Axes) -> int:
    """How many values are reduced to one by a reduction over `axis`."""
    return math.prod(shape[a] for a in axes_of("mean", axis, shape))


def unbroadcast(grad: Array, shape: tuple[int, ...]) -> Array:
    """grad summed over the axes along which an array of `shape` was broadcast."""
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    stretched = tuple(i + extra for i, n in enumerate(shape) if n == 1 and grad.shape[i + extra] != 1)
    return grad.sum(axis=(*range(extra), *stretched), keepdims=True).reshape(shape)


@contextlib.contextmanager
def naming_shapes(name: str, *shapes: tuple[int, ...]) -> Iterator[None]:
    """Turn the array module's error about shapes into a ShapeError that names the operation and the shapes."""
    try:
        yield
    except ValueError as error:
        raise ShapeError(f"{name}: the shapes {', '.join(map(str, shapes))} do not fit together ({error})") from None
