"""Methods along axes: statistics, sums and sorting."""

import math
from typing import Any

from gpucnn.backend import module_of
from gpucnn.tensor import reductions
from gpucnn.tensor.axes import Axes, axes_of, axis_of, reduced_count
from gpucnn.tensor.function import wrap
from gpucnn.tensor.methods.register import method
from gpucnn.tensor.methods.selection import gather
from gpucnn.tensor.tensor import Extreme, Tensor


@method
def var(x: Tensor, dim: Any = None, correction: Any = 1, keepdim: bool = False, unbiased: bool = True) -> Tensor:
    """The variance over `dim`: the squares' sum divided by the count - correction (unbiased=False: by the count)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if isinstance(correction, bool):
        correction = int(correction)
    correction = correction if unbiased else 0
    difference = x - x.mean(dim, True)
    count = reduced_count(x.shape, dim) - correction
    return (difference * difference).sum(dim, keepdim) / (float(count) if count > 0 else 0.0)


@method
def std(x: Tensor, dim: Any = None, correction: Any = 1, keepdim: bool = False, unbiased: bool = True) -> Tensor:
    """The square root of `var`."""
    return var(x, dim, correction, keepdim, unbiased).sqrt()


@method
def norm(x: Tensor, p: float = 2, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """The p-norm over `dim`: p a positive number, or infinite."""
    if p in (2, "fro"):
        return (x * x).sum(dim, keepdim).sqrt()
    if p == math.inf:
        return x.abs().amax(dim, keepdim)
    return x.abs().sum(dim, keepdim) if p == 1 else (x.abs() ** p).sum(dim, keepdim) ** (1 / p)


def _whether(name: str) -> None:
    def function(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
        array = x.to_logical().memory
        axes = axes_of(name, dim, x.shape)
        return wrap(module_of(array).asarray(getattr(array != 0, name)(axis=axes, keepdims=keepdim)), False)

    function.__name__, function.__doc__ = name, f"Whether {name} of the elements over `dim` are not 0."
    method(function)


_whether("all")
_whether("any")


@method
def cumsum(x: Tensor, dim: int) -> Tensor:
    """Sums of all elements up to each along `dim`."""
    return reductions.CumulativeSum.apply(x, axis=dim)


@method
def argsort(x: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """The places of the elements in order; equal ones keep theirs."""
    array = x.to_logical().memory
    return wrap(module_of(array).argsort(-array if descending else array, axis=dim, kind="stable"), batch_last=False)


@method
def sort(x: Tensor, dim: int = -1, descending: bool = False) -> Extreme:
    """(values, indices) in order along `dim`."""
    indices = argsort(x, dim, descending)
    return Extreme(gather(x, dim, indices), indices)


@method
def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True) -> Extreme:
    """(values, indices) of the k largest along `dim`, the largest first."""
    axis = axis_of("topk", dim, x.shape)
    indices = argsort(x, axis, largest)[(slice(None),) * axis + (slice(k),)].clone()
    return Extreme(gather(x, axis, indices), indices)
