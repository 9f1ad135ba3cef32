"""Methods that lay elements out otherwise."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucnn.errors import ShapeError
from gpucnn.tensor.axes import Axes, axes_of, axis_of
from gpucnn.tensor.methods.register import method
from gpucnn.tensor.tensor import Tensor, concatenate


@method
def view(x: Tensor, *shape: Any) -> Tensor:
    """`reshape`; with a dtype, an error."""
    return x.reshape(*shape)


@method
def view_as(x: Tensor, other: Tensor) -> Tensor:
    """The shape of `other`."""
    return x.reshape(other.shape)


@method
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes `start_dim` to `end_dim` as one."""
    if not x.ndim:
        return x.reshape(1)
    first, last = axis_of("flatten", start_dim, x.shape), axis_of("flatten", end_dim, x.shape)
    return x.reshape(*x.shape[:first], -1, *x.shape[last + 1 :])


@method
def squeeze(x: Tensor, dim: Axes = None) -> Tensor:
    """Without the axes of length 1, or without those of `dim` that have it."""
    given = range(x.ndim) if dim is None else axes_of("squeeze", dim, x.shape)
    return x.reshape(tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in given))


@method
def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With a new axis of length 1."""
    shape = list(x.shape)
    shape.insert(axis_of("unsqueeze", dim, (1, *x.shape)), 1)
    return x.reshape(shape)


@method
def t(x: Tensor) -> Tensor:
    """A matrix with its axes exchanged."""
    if x.ndim > 2:
        raise ShapeError(f"t() is for matrices; {x.shape} has {x.ndim} axes. Use transpose(first, second)")
    return x.T


@method
def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """Repeated to the shape of `other`."""
    return x.expand(other.shape)


@method
def repeat(x: Tensor, *times: Any) -> Tensor:
    """Copies side by side: as many along each axis as `times` says; new axes come first."""
    counts = tuple(times[0]) if len(times) == 1 and not hasattr(times[0], "__index__") else times
    y = x.reshape((1,) * (len(counts) - x.ndim) + x.shape)
    for axis, count in enumerate(counts):
        y = concatenate([y] * count, axis) if count != 1 else y
    return y if y is not x else x.clone()


@method
def split(x: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of `split_size` along `dim` (the last may be smaller), or of the sizes given."""
    axis = axis_of("split", dim, x.shape)
    length = x.shape[axis]
    if isinstance(split_size, int):
        sizes = [min(split_size, length - start) for start in range(0, length, split_size)]
    else:
        sizes = list(split_size)
    if sum(sizes) != length:
        raise ShapeError(f"split: the sizes {sizes} do not add up to axis {dim} of {x.shape}")
    ends = np.cumsum(sizes).tolist()
    return tuple(x[(slice(None),) * axis + (slice(end - n, end),)] for n, end in zip(sizes, ends, strict=True))


@method
def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of one size along `dim`; the last may be smaller."""
    return split(x, max(1, -(-x.shape[axis_of("chunk", dim, x.shape)] // chunks)), dim)


@method
def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The parts along `dim`, without that axis."""
    axis = axis_of("unbind", dim, x.shape)
    return tuple(x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis]))


@method
def flip(x: Tensor, *dims: Any) -> Tensor:
    """The elements in the opposite order along `dims`; a copy."""
    axes = axes_of("flip", dims[0] if len(dims) == 1 else dims, x.shape)
    return x[tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))].clone()


@method
def contiguous(x: Tensor) -> Tensor:
    """The Tensor itself; of a transposed or expanded one, a copy."""
    return x.clone() if x._rearranged else x
