"""Tensor and the tape: what was computed from what, and the way back.

A Tensor's shape is logical, (N, C, H, W); its array may lie in memory as (C, H, W, N), which `batch_last` says. Only
this file and the Functions that ask for it know of that order. Gradients are first order.
"""

import contextlib
import functools
import itertools
import threading
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from gpucnn.backend import Array, module_of, to_device, to_host
from gpucnn.errors import ShapeError
from gpucnn.tensor import arithmetic
from gpucnn.tensor.arithmetic import Axes, reduced_count
from gpucnn.tensor.backpropagation import backpropagate, contiguous
from gpucnn.tensor.function import Function

_mode = threading.local()
_counter = itertools.count()  # numbers Functions in the order they ran


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread."""
    return getattr(_mode, "recording", True)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside: `with no_grad(): ...`, or as a decorator."""
    outer = is_grad_enabled()
    _mode.recording = False
    try:
        yield
    finally:
        _mode.recording = outer


class Tensor:
    """An array that remembers how it was computed.

    `data` may be an array (NumPy or CuPy), nested lists, a number or a Tensor; it is copied, onto the current device.
    Arrays keep their dtype; Python floats become float32. Raises TypeError for what is not numeric, and for
    `requires_grad` on integers.
    """

    __array_ufunc__ = None  # so that array * tensor is the Tensor's business, not NumPy's

    data: Array
    batch_last: bool
    requires_grad: bool = False
    grad: "Tensor | None" = None
    _creator: Function | None = None
    _version: int = 0  # counts changes in place: an optimizer's steps, weights loaded
    _grad_buffer: Array | None = None  # where the flat bank wants this parameter's gradient

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self._set(_as_array(data), batch_last=False)
        if requires_grad:
            self.requires_grad_()

    def _set(self, array: Array, batch_last: bool) -> None:
        self.data = array
        self.batch_last = batch_last and array.ndim > 1  # with one axis or none both orders are the same

    @classmethod
    def from_batch_last(cls, array: Array) -> "Tensor":
        """The Tensor (N, C, H, W) whose memory is `array` (C, H, W, N); C-contiguous, not copied."""
        return _wrap(array, batch_last=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape, images first."""
        shape = self.data.shape
        return (shape[-1], *shape[:-1]) if self.batch_last else shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self.data.size)

    @property
    def dtype(self) -> np.dtype:
        """Element type, as NumPy names it."""
        return self.data.dtype

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
        """The same values, outside the tape; memory is shared."""
        return _wrap(self.data, self.batch_last)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Ask for gradients by this Tensor (or no longer), and return it. Raises TypeError for integers."""
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(f"a Tensor of dtype {self.dtype} cannot have a gradient; expected float32 or float64")
        self.requires_grad = requires_grad
        return self

    # --- the tape -----------------------------------------------------------------------------------------------------

    def run(self, function: Function, inputs: tuple[Any, ...], options: dict[str, Any]) -> "Tensor":
        """The result of `function` on `inputs`, each in the memory order the function asks for, recorded."""
        tensors = [value if isinstance(value, Tensor) else _as_operand(value, self) for value in inputs]
        batch_last = False
        if function.layout == "logical":
            tensors = [tensor.to_logical() for tensor in tensors]
        elif function.layout == "batch_last":
            images = function.images
            tensors = [
                *[t if t.batch_last else t.to_batch_last() for t in tensors[:images]],
                *[t.to_logical() if t.batch_last else t for t in tensors[images:]],
            ]
            batch_last = True
        else:
            tensors, batch_last = _aligned(tensors)
        return _record(function, tensors, options, batch_last)

    def to_batch_last(self) -> "Tensor":
        """This Tensor, held in memory as (C, H, W, N)."""
        if self.batch_last or self.ndim < 2:
            return self
        return _record(arithmetic.ToBatchLast(), [self], {}, batch_last=True)

    def to_logical(self) -> "Tensor":
        """This Tensor, held in memory as (N, C, H, W)."""
        return _record(arithmetic.ToLogical(), [self], {}, batch_last=False) if self.batch_last else self

    def backward(self, gradient: "Tensor | Array | None" = None) -> None:
        """Add the gradient by every leaf this Tensor was computed from to that leaf's `grad`; the tape is then spent.

        `gradient` is the gradient by this Tensor, of its shape; it may be left out for a single element, where it is 1.
        Raises RuntimeError where nothing was recorded or the tape is spent, ShapeError for a wrong shape.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward() of a Tensor that was not computed from any with requires_grad=True, or inside no_grad()"
            )
        backpropagate(self, self._seed(gradient))

    def _seed(self, gradient: "Tensor | Array | None") -> Array:
        """The gradient that backward starts with, in this Tensor's memory order."""
        if gradient is None:
            if self.size != 1:
                raise ShapeError(
                    f"backward() of a Tensor of shape {self.shape} needs the gradient by it, of the same shape; "
                    f"a loss is a single number: reduce with .sum() or .mean()"
                )
            return one(self.data) if self.ndim == 0 else module_of(self.data).ones_like(self.data)
        given = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
        if given.shape != self.shape:
            raise ShapeError(f"backward() was given a gradient of shape {given.shape}; expected {self.shape}")
        moved = given.to_batch_last() if self.batch_last else given.to_logical()
        return moved.data.astype(self.dtype)

    def _accumulate(self, grad: Array) -> None:
        """Add to `grad`, in memory that is this Tensor's own (never a step's, which the next step takes again)."""
        if self.grad is not None:
            self.grad.data += grad
            return
        buffer = module_of(grad).empty_like(self.data) if self._grad_buffer is None else self._grad_buffer
        if grad is not buffer:  # else the Function wrote it there
            module_of(grad).copyto(buffer, grad)
        self.grad = _wrap(buffer, self.batch_last)

    def _gradient_memory(self) -> Array | None:
        """The flat bank's place for this parameter's gradient, as long as there is none."""
        return self._grad_buffer if self.grad is None and self._creator is None else None

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
        return arithmetic.Equal.apply(self, other)

    def __ne__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return arithmetic.NotEqual.apply(self, other)

    def __lt__(self, other: Any) -> "Tensor":
        return arithmetic.Less.apply(self, other)

    def __le__(self, other: Any) -> "Tensor":
        return arithmetic.LessEqual.apply(self, other)

    def __gt__(self, other: Any) -> "Tensor":
        return arithmetic.Less.apply(other, self)

    def __ge__(self, other: Any) -> "Tensor":
        return arithmetic.LessEqual.apply(other, self)

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
        """Every element, but no less than `min` and no more than `max`."""
        return arithmetic.Clamp.apply(self, least=min, most=max)

    def sum(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The sum over `dim` (one axis, several, or all)."""
        return arithmetic.Sum.apply(self, axis=dim, keepdims=keepdim)

    def mean(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The mean over `dim` (one axis, several, or all)."""
        return self.sum(dim, keepdim) / float(reduced_count(self.shape, dim))

    def max(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The largest value over `dim`; equal ones share the gradient (PyTorch's amax)."""
        return arithmetic.Max.apply(self, axis=dim, keepdims=keepdim)

    def min(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The smallest value over `dim`; equal ones share the gradient (PyTorch's amin)."""
        return arithmetic.Min.apply(self, axis=dim, keepdims=keepdim)

    def argmax(self, dim: int | None = None) -> "Tensor":
        """The place of the largest value along `dim`; the first of equal ones. Integers: no gradient."""
        return _wrap(module_of(self.data).asarray(self.to_logical().data.argmax(axis=dim)), batch_last=False)

    def reshape(self, *shape: int | Sequence[int]) -> "Tensor":
        """The same elements in another shape, one entry of which may be -1."""
        return arithmetic.Reshape.apply(self, shape=_flat_tuple(shape))

    def permute(self, *axes: int | Sequence[int]) -> "Tensor":
        """The axes in the given order."""
        return arithmetic.Permute.apply(self, axes=_flat_tuple(axes))

    def transpose(self, first: int, second: int) -> "Tensor":
        """Two axes exchanged."""
        axes = list(range(self.ndim))
        first, second = (arithmetic.axis_of("transpose", axis, self.shape) for axis in (first, second))
        axes[first], axes[second] = axes[second], axes[first]
        return self.permute(axes)

    @property
    def T(self) -> "Tensor":  # noqa: N802 (the field's name)
        """The axes in reverse order."""
        return self.permute(tuple(reversed(range(self.ndim))))

    def expand(self, *shape: int | Sequence[int]) -> "Tensor":
        """Repeated along new and unit axes up to `shape`."""
        return arithmetic.BroadcastTo.apply(self, shape=_flat_tuple(shape))


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along an existing axis."""
    return arithmetic.Concatenate.apply(*tensors, axis=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis `dim` of the result. Raises ShapeError where shapes differ."""
    if len({tensor.shape for tensor in tensors}) != 1:
        raise ShapeError(f"stack: the shapes {', '.join(str(t.shape) for t in tensors)} differ; expected one shape")
    shape = list(tensors[0].shape)
    shape.insert(arithmetic.axis_of("stack", dim, (1, *shape)), 1)
    return concatenate([tensor.reshape(shape) for tensor in tensors], dim)


def _wrap(array: Array, batch_last: bool) -> Tensor:
    """A Tensor around `array` itself, outside the tape."""
    tensor = Tensor.__new__(Tensor)
    tensor.data, tensor.batch_last = array, batch_last and array.ndim > 1  # as _set; every operation passes here
    return tensor


def one(like: Array) -> Array:
    """The gradient of a loss by itself, (): always the same array, by which a Function may know it."""
    return _one(module_of(like), like.dtype, str(like.device))


@functools.cache
def _one(xp: ModuleType, dtype: np.dtype, device: str) -> Array:
    return xp.ones((), dtype)


def _as_array(data: Any) -> Array:
    """A copy of `data` on the current device."""
    if isinstance(data, Tensor):
        return data.to_logical().data.copy()
    on_gpu = hasattr(data, "__cuda_array_interface__")
    array = to_device(data) if on_gpu else np.asarray(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a Tensor cannot hold {array.dtype}; expected numbers")
    if on_gpu or isinstance(data, np.ndarray | np.generic):
        return to_device(array).copy()
    return to_device(array.astype(np.float32) if array.dtype == np.float64 else array)


def _as_operand(value: Any, other: Tensor) -> Tensor:
    """`value` as a Tensor beside `other`: a Python number takes the other's dtype, or float32 beside integers."""
    if not isinstance(value, int | float):
        return Tensor(value)
    dtype = np.float32 if isinstance(value, float) and other.dtype.kind != "f" else other.dtype
    return _wrap(module_of(other.data).full((), value, dtype), batch_last=False)  # on a GPU: filled, not copied there


def _aligned(tensors: list[Tensor]) -> tuple[list[Tensor], bool]:
    """Tensors in one memory order, so that broadcasting their arrays broadcasts their logical shapes; and which order.

    Batch-last if the one with the most axes is: the others are given unit axes in front up to its number, and moved.
    """
    if not any(tensor.batch_last for tensor in tensors):
        return tensors, False
    axes = max(tensor.ndim for tensor in tensors)
    if not any(tensor.batch_last and tensor.ndim == axes for tensor in tensors):
        return [tensor.to_logical() for tensor in tensors], False
    return [_widened(tensor, axes).to_batch_last() for tensor in tensors], True


def _widened(tensor: Tensor, axes: int) -> Tensor:
    """The tensor with unit axes in front, `axes` in all; a single number broadcasts as it is."""
    if tensor.ndim in (0, axes):
        return tensor
    return tensor.reshape((1,) * (axes - tensor.ndim) + tensor.shape)


def _record(function: Function, inputs: list[Tensor], options: dict[str, Any], batch_last: bool) -> Tensor:
    """Run forward; remember function and inputs if a gradient may be asked for."""
    recording = getattr(_mode, "recording", True)  # is_grad_enabled, without a call
    needs = tuple([tensor.requires_grad for tensor in inputs]) if recording else (False,) * len(inputs)
    function.needs = needs
    array = function.forward(*[tensor.data for tensor in inputs], **options)
    if function.needs is not needs:
        raise AttributeError(
            f"{type(function).__name__}.forward sets self.needs, which the tape has set; take another name"
        )
    result = _wrap(contiguous(array), batch_last)
    if True in needs and array.dtype.kind == "f":
        result.requires_grad = True
        result._creator = function
        function._inputs, function._order = inputs, next(_counter)
        function._versions = [tensor._version for tensor in inputs]
    return result


def _plain_index(part: Any) -> Any:
    """A part of an index; arrays are copied, as backward needs them as they were."""
    if isinstance(part, Tensor):
        return part.to_logical().data.copy()
    return part.copy() if isinstance(part, np.ndarray | list) else part


def _flat_tuple(numbers: tuple[Any, ...]) -> tuple[int, ...]:
    """Numbers given one by one, or as one sequence."""
    return tuple(numbers[0]) if len(numbers) == 1 and not hasattr(numbers[0], "__index__") else numbers
