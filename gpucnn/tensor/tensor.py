"""Tensor: a Variable with operators, reductions, indexing and conversion to NumPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucnn.backend import module_of, to_host
from gpucnn.errors import ShapeError
from gpucnn.tensor import arithmetic
from gpucnn.tensor.arithmetic import Axes, compare, reduced_count
from gpucnn.tensor.function import Variable, wrap


class Tensor(Variable):
    """An array that remembers how it was computed.

    `data` may be an array (NumPy or CuPy), nested lists, a number or a Tensor; it is copied, onto the current device.
    Arrays keep their dtype; Python floats become float32. Raises TypeError for what is not numeric, and for
    `requires_grad` on integers.
    """

    __array_ufunc__ = None  # so that NumPy leaves array * tensor to Tensor.__rmul__

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a Tensor of a single number has no length")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype)

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), precision=4, threshold=20, separator=", ", prefix="Tensor(")
        return f"Tensor({values}{', requires_grad=True' if self.requires_grad else ''})"

    def numpy(self) -> np.ndarray:
        """A copy on the host, in logical order."""
        array = to_host(self.data)
        return np.array(np.moveaxis(array, -1, 0) if self.batch_last else array, order="C")

    def item(self) -> float | int | bool:
        """The only element as a Python number. Raises ShapeError where there is more than one."""
        if self.size != 1:
            raise ShapeError(f"item() of a Tensor of shape {self.shape}; expected one element. Reduce it first")
        return self.data.reshape(()).item()

    def __float__(self) -> float:
        return float(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def detach(self) -> "Tensor":
        """A Tensor of the same memory without a recorded origin: no gradient flows through it."""
        return wrap(self.data, self.batch_last)

    # --- operators and methods ----------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> "Tensor":
        return arithmetic.Add.apply(self, other)

    def __sub__(self, other: Any) -> "Tensor":
        return arithmetic.Subtract.apply(self, other)

    def __mul__(self, other: Any) -> "Tensor":
        return arithmetic.Multiply.apply(self, other)

    def __truediv__(self, other: Any) -> "Tensor":
        return arithmetic.Divide.apply(self, other)

    def __pow__(self, other: Any) -> "Tensor":
        return arithmetic.Power.apply(self, other)

    def __matmul__(self, other: Any) -> "Tensor":
        return arithmetic.MatMul.apply(self, other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> "Tensor":
        return arithmetic.Subtract.apply(other, self)

    def __rtruediv__(self, other: Any) -> "Tensor":
        return arithmetic.Divide.apply(other, self)

    def __rpow__(self, other: Any) -> "Tensor":
        return arithmetic.Power.apply(other, self)

    def __rmatmul__(self, other: Any) -> "Tensor":
        return arithmetic.MatMul.apply(other, self)

    def __neg__(self) -> "Tensor":
        return arithmetic.Negate.apply(self)

    __hash__ = object.__hash__  # a Tensor is itself, whatever it holds

    def __eq__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return compare("equal", self, other)

    def __ne__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return compare("not_equal", self, other)

    def __lt__(self, other: Any) -> "Tensor":
        return compare("less", self, other)

    def __le__(self, other: Any) -> "Tensor":
        return compare("less_equal", self, other)

    def __gt__(self, other: Any) -> "Tensor":
        return compare("greater", self, other)

    def __ge__(self, other: Any) -> "Tensor":
        return compare("greater_equal", self, other)

    def __getitem__(self, index: Any) -> "Tensor":
        parts = index if isinstance(index, tuple) else (index,)
        plain = tuple(_plain_index(part) for part in parts)
        return arithmetic.GetItem.apply(self, index=plain if isinstance(index, tuple) else plain[0])

    def exp(self) -> "Tensor":
        """e to the power of every element."""
        return arithmetic.Exp.apply(self)

    def log(self) -> "Tensor":
        """The natural logarithm of every element."""
        return arithmetic.Log.apply(self)

    def sqrt(self) -> "Tensor":
        """The square root of every element."""
        return arithmetic.Sqrt.apply(self)

    def abs(self) -> "Tensor":
        """The absolute value of every element."""
        return arithmetic.Abs.apply(self)

    def clamp(self, min: float | None = None, max: float | None = None) -> "Tensor":  # noqa: A002 (PyTorch's names)
        """Every element limited to `min` ... `max`; a bound that is None does not limit."""
        return arithmetic.Clamp.apply(self, least=min, most=max)

    def sum(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The sum over `dim`: one axis, several, or all (None). Raises ShapeError for an axis that does not exist."""
        return arithmetic.Sum.apply(self, axis=dim, keepdims=keepdim)

    def mean(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The mean over `dim`: one axis, several, or all (None). Raises ShapeError for an axis that does not exist."""
        return self.sum(dim, keepdim) / float(reduced_count(self.shape, dim))

    def max(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The largest value over `dim`; equal ones share the gradient (PyTorch's amax)."""
        return arithmetic.Max.apply(self, axis=dim, keepdims=keepdim)

    def min(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The smallest value over `dim`; equal ones share the gradient (PyTorch's amin)."""
        return arithmetic.Min.apply(self, axis=dim, keepdims=keepdim)

    def argmax(self, dim: int | None = None) -> "Tensor":
        """The index of the largest value along `dim` (of all elements if None), the first of equal ones; int64."""
        return wrap(module_of(self.data).asarray(self.to_logical().data.argmax(axis=dim)), batch_last=False)

    def reshape(self, *shape: int | Sequence[int]) -> "Tensor":
        """The same elements in another shape; one entry may be -1, computed from the others. Raises ShapeError."""
        return arithmetic.Reshape.apply(self, shape=_flat_tuple(shape))

    def permute(self, *axes: int | Sequence[int]) -> "Tensor":
        """The axes in the given order. Raises ShapeError unless it names each axis once."""
        return arithmetic.Permute.apply(self, axes=_flat_tuple(axes))

    def transpose(self, first: int, second: int) -> "Tensor":
        """Axes `first` and `second` exchanged. Raises ShapeError for an axis that does not exist."""
        axes = list(range(self.ndim))
        first, second = (arithmetic.axis_of("transpose", axis, self.shape) for axis in (first, second))
        axes[first], axes[second] = axes[second], axes[first]
        return self.permute(axes)

    @property
    def T(self) -> "Tensor":  # noqa: N802 (the field's name)
        """The axes in reverse order."""
        return self.permute(tuple(reversed(range(self.ndim))))

    def expand(self, *shape: int | Sequence[int]) -> "Tensor":
        """Repeated along new and unit axes up to `shape`. Raises ShapeError where the shapes do not fit."""
        return arithmetic.BroadcastTo.apply(self, shape=_flat_tuple(shape))


Variable.tensor_class = Tensor  # operations in function.py return this class


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along the existing axis `dim`. Raises ShapeError where shapes do not fit."""
    return arithmetic.Concatenate.apply(*tensors, axis=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis `dim` of the result. Raises ShapeError where shapes differ."""
    if len({tensor.shape for tensor in tensors}) != 1:
        raise ShapeError(f"stack: the shapes {', '.join(str(t.shape) for t in tensors)} differ; expected one shape")
    shape = list(tensors[0].shape)
    shape.insert(arithmetic.axis_of("stack", dim, (1, *shape)), 1)
    return concatenate([tensor.reshape(shape) for tensor in tensors], dim)


def _plain_index(part: Any) -> Any:
    """A part of an index, with arrays copied: backward needs their values at the time of the call."""
    if isinstance(part, Tensor):
        return part.to_logical().data.copy()
    return part.copy() if isinstance(part, np.ndarray | list) else part


def _flat_tuple(numbers: tuple[Any, ...]) -> tuple[int, ...]:
    """Numbers given one by one, or as one sequence."""
    return tuple(numbers[0]) if len(numbers) == 1 and not hasattr(numbers[0], "__index__") else numbers
