"""Methods that choose elements."""

from typing import Any

from gpucnn.tensor import arithmetic, indexing
from gpucnn.tensor.axes import axis_of
from gpucnn.tensor.function import Variable
from gpucnn.tensor.methods.register import method
from gpucnn.tensor.tensor import Tensor


@method
def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    """x's elements at `index` along `dim`."""
    return indexing.Gather.apply(x, axis=dim, index=_array(index))


@method
def index_select(x: Tensor, dim: int, index: Any) -> Tensor:
    """x's parts with the numbers `index` along `dim`."""
    return x[(slice(None),) * axis_of("index_select", dim, x.shape) + (_array(index),)]


@method
def masked_fill(x: Tensor, mask: Any, value: float) -> Tensor:
    """x, with `value` where `mask`."""
    return arithmetic.Where.apply(value, x, condition=_array(mask))


def where(condition: Any, x: Any, other: Any) -> Tensor:
    """x where `condition`, else `other`."""
    if not isinstance(x, Tensor) and not isinstance(other, Tensor):
        x = Tensor(x)
    return arithmetic.Where.apply(x, other, condition=_array(condition))


def _array(value: Any) -> Any:
    return (value if isinstance(value, Variable) else Tensor(value)).to_logical().memory
