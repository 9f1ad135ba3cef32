"""Methods of what a Tensor is: its size, its dtype and its device."""

from typing import Any

import numpy as np

from gpucnn.backend import module_of, set_device
from gpucnn.errors import InputError
from gpucnn.tensor import arithmetic
from gpucnn.tensor.function import Variable
from gpucnn.tensor.methods.register import method
from gpucnn.tensor.tensor import Tensor


@method
def numel(x: Tensor) -> int:
    """The number of elements."""
    return int(x.memory.size)


@method
def dim(x: Tensor) -> int:
    """The number of axes."""
    return x.ndim


@method
def tolist(x: Tensor) -> Any:
    """Nested lists of Python numbers."""
    return x.numpy().tolist()


@method
def to(x: Tensor, target: Any) -> Tensor:
    """As a dtype ("float64", np.float64), or on a device ("cpu", "cuda:0"), which becomes the current one."""
    if isinstance(target, Variable):
        target = target.dtype
    if (
        isinstance(target, str)
        and target.partition(":")[0] in ("cpu", "cuda")
        or hasattr(target, "kind")
        and hasattr(target, "index")
    ):
        set_device(str(target))
        moved = Tensor(x.numpy())
        return moved.requires_grad_(x.requires_grad) if x.requires_grad else moved
    dtype = np.dtype(target)
    if dtype.kind not in "fiub" or dtype == np.float16:
        raise InputError(f"a Tensor is float32, float64, whole or boolean; given {dtype}")
    return x if x.dtype == dtype else arithmetic.Cast.apply(x, dtype=dtype)


for _name, _dtype in {"float": "float32", "double": "float64", "long": "int64", "int": "int32", "bool": "bool"}.items():

    def _cast(x: Tensor, dtype: str = _dtype) -> Tensor:
        return to(x, dtype)

    _cast.__name__, _cast.__doc__ = _name, f"As {_dtype}."
    setattr(Tensor, _name, _cast)  # no functions of gpucnn: their names are Python's


def _device(x: Tensor) -> str:
    return "cpu" if module_of(x.memory) is np else f"cuda:{x.memory.device.id}"


Tensor.device = property(_device, doc="Where the values are: cpu, or cuda:N.")  # type: ignore[attr-defined]
Tensor.is_leaf = property(lambda x: x._creator is None, doc="Whether no operation computed it.")  # type: ignore[attr-defined]
