"""Tensor: a Variable with operators, reductions, indexing and conversion to NumPy."""

import functools
import html
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpucnn.backend import module_of, to_host
from gpucnn.errors import ShapeError
from gpucnn.tensor import arithmetic, indexing, products, reductions, shapes
from gpucnn.tensor.absent import missing
from gpucnn.tensor.arithmetic import compare
from gpucnn.tensor.axes import Axes, axes_of, axis_of, reduced_count
from gpucnn.tensor.exchange import Exchanged
from gpucnn.tensor.function import Function, Variable, as_variables, no_grad, record, wrap
from gpucnn.tensor.view import ViewOf, in_place, is_basic, plain_index

Operator = Callable[["Tensor", Any], "Tensor"]


def numpys_names(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, which also takes NumPy's `axis` for `dim` and `keepdims` for `keepdim`, as PyTorch's do."""

    @functools.wraps(method)
    def taking_both(x: Any, dim: Any = None, keepdim: bool = False, **named: Any) -> Any:
        if not named:
            return method(x, dim, keepdim)
        dim, keepdim = named.pop("axis", dim), named.pop("keepdims", keepdim)
        return method(x, dim, keepdim, **named)

    return taking_both


def _recorded(operation: type[Function]) -> tuple[Operator, Operator]:
    """The operator that applies an operation, and the one for a Tensor on the right."""

    def operator(self: "Tensor", other: Any) -> "Tensor":
        return operation.apply(self, other)

    def reflected(self: "Tensor", other: Any) -> "Tensor":
        return operation.apply(other, self)

    operator.__name__ = reflected.__name__ = operation.__name__.lower()
    return operator, reflected


def _compared(ufunc: str) -> Operator:
    """The operator that applies a function of NumPy, element by element, without a gradient."""

    def operator(self: "Tensor", other: Any) -> "Tensor":
        return compare(ufunc, self, other)

    operator.__name__ = ufunc
    return operator


class Tensor(Exchanged):
    """An array that remembers how it was computed.

    `data` may be an array (NumPy or CuPy), nested lists, a number or a Tensor; it is copied, onto the current device.
    Arrays keep their dtype; Python floats become float32. Raises TypeError for what is not numeric, and for
    `requires_grad` on integers.
    """

    _rearranged = False  # of a View: whether its elements lie otherwise than in the Tensor it is of

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """array * tensor, and the other operators; what else NumPy would do has no gradient, and is refused."""
        operator = OPERATORS.get(ufunc.__name__)
        if method != "__call__" or options or operator is None:
            raise _refused(ufunc.__name__)
        plain = [value.item() if isinstance(value, np.generic) else value for value in inputs]
        return getattr(as_variables(ufunc.__name__, tuple(plain))[0], operator)(*plain[1:])

    def __array_function__(self, function: Any, types: Any, values: Any, options: Any) -> Any:
        """Refused: an array has no gradient."""
        raise _refused(function.__name__)

    def __format__(self, form: str) -> str:
        return format(self.item(), form) if form and self.memory.size == 1 else format(str(self), form)

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"a Tensor of {self.dtype} is no whole number; write int(tensor)")
        return int(self.item())

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self.numpy() == (value.numpy() if isinstance(value, Tensor) else value)).any())

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(missing("Tensor", name))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a Tensor of a single number has no length")
        return self.shape[0]

    def _repr_html_(self) -> str:
        kind = f"Tensor {self.shape}, {self.dtype}{', requires_grad' if self.requires_grad else ''}"
        return f"<pre>{html.escape(kind)}\n{html.escape(repr(self))}</pre>"

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), precision=4, threshold=20, separator=", ", prefix="Tensor(")
        return f"Tensor({values}{', requires_grad=True' if self.requires_grad else ''})"

    def numpy(self) -> np.ndarray:
        """A copy on the host, in logical order."""
        array = to_host(self.memory)
        return np.array(np.moveaxis(array, -1, 0) if self.batch_last else array, order="C")

    def item(self) -> float | int | bool:
        """The only element as a Python number. Raises ShapeError where there is more than one."""
        if self.size != 1:
            raise ShapeError(f"item() of a Tensor of shape {self.shape}; expected one element. Reduce it first")
        return self.memory.reshape(()).item()

    def __float__(self) -> float:
        return float(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def detach(self) -> "Tensor":
        """The same values without a recorded origin: no gradient flows through them. Changed in place, this changes."""
        return _view(self, lambda x: wrap(x.memory, x.batch_last), _overwrite)

    @property
    def data(self) -> "Tensor":
        """As detach(): what is written there is not recorded. Its shape is the logical one, (N, C, H, W)."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        _overwrite(self, value)

    @property
    def size(self) -> "Size":
        """The number of elements; called, as in PyTorch, the shape or its entry `dim`."""
        size = Size(self.memory.size)
        size.shape = self.shape
        return size

    # --- operators and methods ----------------------------------------------------------------------------------------

    __add__, __radd__ = _recorded(arithmetic.Add)
    __sub__, __rsub__ = _recorded(arithmetic.Subtract)
    __mul__, __rmul__ = _recorded(arithmetic.Multiply)
    __truediv__, __rtruediv__ = _recorded(arithmetic.Divide)
    __pow__, __rpow__ = _recorded(arithmetic.Power)
    __matmul__, __rmatmul__ = _recorded(products.MatMul)
    __and__ = __rand__ = _compared("bitwise_and")
    __or__ = __ror__ = _compared("bitwise_or")
    __xor__ = __rxor__ = _compared("bitwise_xor")
    __lt__, __le__ = _compared("less"), _compared("less_equal")
    __gt__, __ge__ = _compared("greater"), _compared("greater_equal")

    def __floordiv__(self, other: Any) -> "Tensor":
        return (self / other).floor() if self._divides(other) else compare("floor_divide", self, other)

    def __mod__(self, other: Any) -> "Tensor":
        return self - other * (self // other) if self._divides(other) else compare("remainder", self, other)

    def _divides(self, other: Any) -> bool:
        return "f" in (self.dtype.kind, other.dtype.kind if isinstance(other, Tensor) else np.asarray(other).dtype.kind)

    def __invert__(self) -> "Tensor":
        return wrap(~self.memory, self.batch_last)

    def __pos__(self) -> "Tensor":
        return self

    def __abs__(self) -> "Tensor":
        return self.abs()

    def __neg__(self) -> "Tensor":
        return arithmetic.Negate.apply(self)

    __hash__ = object.__hash__  # a Tensor is itself, whatever it holds

    def __eq__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return NotImplemented if other is None or isinstance(other, str) else compare("equal", self, other)

    def __ne__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return NotImplemented if other is None or isinstance(other, str) else compare("not_equal", self, other)

    def __getitem__(self, index: Any) -> "Tensor":
        if type(index) is not int and type(index) is not slice:
            index = plain_index(index)
            if not is_basic(index):
                return indexing.GetItem.apply(self, index=index)
        if self.requires_grad or self.batch_last:
            x = self.to_logical() if self._creator is None else self.before_change().to_logical()
            part = record(indexing.GetItem(), (x,), {"index": index}, batch_last=False)
            own = part.memory
            del part.memory
        else:
            part, own = object.__new__(Part), self.memory[index]
            own, part.batch_last = own.copy() if own.ndim else module_of(own).array(own), False
        part.__class__ = Part
        part._own, part._of, part._index, part._seen = own, self, index, self._version
        if isinstance(self, View) and self._put is None:
            part._put = None
        return part

    def clamp(self, min: float | None = None, max: float | None = None) -> "Tensor":  # noqa: A002 (PyTorch's names)
        """Every element limited to `min` ... `max`; a bound that is None does not limit."""
        return arithmetic.Clamp.apply(self, least=min, most=max)

    @numpys_names
    def sum(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The sum over `dim`: one axis, several, or all (None). Raises ShapeError for an axis that does not exist."""
        return reductions.Sum.apply(self, axis=dim, keepdims=keepdim)

    @numpys_names
    def mean(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The mean over `dim`: one axis, several, or all (None). Raises ShapeError for an axis that does not exist."""
        return self.sum(dim, keepdim) / float(reduced_count(self.shape, dim))

    @numpys_names
    def amax(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The largest value over `dim`; equal ones share the gradient."""
        return reductions.Max.apply(self, axis=dim, keepdims=keepdim)

    @numpys_names
    def amin(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """The smallest value over `dim`; equal ones share the gradient."""
        return reductions.Min.apply(self, axis=dim, keepdims=keepdim)

    @numpys_names
    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        """The largest value of all; with `dim`, (values, indices) along it; with a Tensor, the larger of each two."""
        return _extreme(self, "max", dim, keepdim)

    @numpys_names
    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """The smallest value of all; with `dim`, (values, indices) along it; with a Tensor, the smaller of each two."""
        return _extreme(self, "min", dim, keepdim)

    @numpys_names
    def argmax(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """The index of the largest value along `dim` (of all elements if None), the first of equal ones; int64."""
        return _place(self, "argmax", dim, keepdim)

    @numpys_names
    def argmin(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """The index of the smallest value along `dim` (of all elements if None), the first of equal ones; int64."""
        return _place(self, "argmin", dim, keepdim)

    def reshape(self, *shape: int | Sequence[int]) -> "Tensor":
        """The same elements in another shape; one entry may be -1, computed from the others. Raises ShapeError."""
        sizes = _flat_tuple(shape)
        put = None if self._rearranged else _overwrite_reshaped
        return _view(self, lambda x: shapes.Reshape.apply(x, shape=sizes), put)

    def permute(self, *axes: int | Sequence[int]) -> "Tensor":
        """The axes in the given order. Raises ShapeError unless it names each axis once."""
        order = _flat_tuple(axes)

        def put(x: Tensor, view: Tensor) -> None:
            counted = [axis % x.ndim for axis in order]
            x.assign_(shapes.Permute.apply(view, axes=tuple(counted.index(i) for i in range(x.ndim))))

        view = _view(self, lambda x: shapes.Permute.apply(x, axes=order), put)
        view._rearranged = True
        return view

    def transpose(self, first: int, second: int) -> "Tensor":
        """Axes `first` and `second` exchanged. Raises ShapeError for an axis that does not exist."""
        axes = list(range(self.ndim))
        first, second = (axis_of("transpose", axis, self.shape) for axis in (first, second))
        axes[first], axes[second] = axes[second], axes[first]
        return self.permute(axes)

    @property
    def T(self) -> "Tensor":  # noqa: N802 (the field's name)
        """The axes in reverse order."""
        return self.permute(tuple(reversed(range(self.ndim))))

    def expand(self, *shape: int | Sequence[int]) -> "Tensor":
        """Repeated along new and unit axes up to `shape`. Raises ShapeError where the shapes do not fit."""
        sizes = _flat_tuple(shape)
        if -1 in sizes:
            own = (1,) * (len(sizes) - self.ndim) + self.shape
            sizes = tuple(n if size == -1 else size for n, size in zip(own, sizes, strict=True))
        view = _view(self, lambda x: shapes.BroadcastTo.apply(x, shape=sizes), _refuse_repeated)
        view._rearranged = True
        return view


class View(ViewOf, Tensor):
    """A Tensor that shows a part of another, or all of it in another shape."""


class Part(View):
    """x[index], of single places and slices."""

    _index: Any
    _rearranged = True

    def _take(self, x: Tensor) -> Tensor:
        return indexing.GetItem.apply(x, index=self._index)

    def _put(self, x: Tensor, part: Tensor) -> None:
        x[self._index] = part


Variable.tensor_class = Tensor  # operations in function.py return this class


class Size(int):
    """A number of elements that can be called as PyTorch's size()."""

    shape: tuple[int, ...]

    def __call__(self, dim: int | None = None) -> Any:
        """The shape, or its entry `dim`."""
        return self.shape if dim is None else self.shape[dim]


def _view(x: Tensor, take: Callable[[Tensor], Tensor], put: Callable[[Tensor, Tensor], Any] | None) -> Any:
    """take(x) as a View of x; `put(x, view)` gives x the values of the view."""
    view: Any = take(x if x._creator is None else x.before_change())
    view._own = view.memory
    del view.memory
    view.__class__ = View
    view._of, view._take, view._put, view._seen = x, take, put, x._version
    if isinstance(x, View):
        view._rearranged, view._put = x._rearranged, put if x._put is not None else None
    return view


def _overwrite(x: Tensor, value: Any) -> None:
    """Give x the values, which are not recorded."""
    with no_grad():
        x.assign_(value if isinstance(value, Variable) else Tensor(value))


def _overwrite_reshaped(x: Tensor, view: Tensor) -> None:
    x.assign_(shapes.Reshape.apply(view, shape=x.shape))


def _refuse_repeated(x: Tensor, view: Tensor) -> None:
    raise RuntimeError(
        "an expanded Tensor repeats its elements and cannot be changed in place; write clone() behind it"
    )


class Extreme(NamedTuple):
    """What max(dim) and min(dim) return."""

    values: Tensor
    indices: Tensor


def _extreme(x: Tensor, name: str, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        return getattr(x, f"a{name}")(None, keepdim)
    if isinstance(dim, Variable):
        return (arithmetic.Maximum if name == "max" else arithmetic.Minimum).apply(x, dim)
    if not hasattr(dim, "__index__"):
        raise TypeError(f"{name}(dim) takes one axis and returns (values, indices); use a{name} for several: {dim!r}")
    indices = _place(x, f"arg{name}", dim, True)
    values = indexing.Gather.apply(x, axis=dim, index=indices.memory)
    return Extreme(values, indices) if keepdim else Extreme(*(each.squeeze(dim) for each in (values, indices)))


def _place(x: Tensor, name: str, dim: int | None, keepdim: bool) -> Tensor:
    array = x.to_logical().memory
    if dim is not None:
        dim = axes_of(name, dim, x.shape)[0] if x.ndim else None
    found = module_of(array).asarray(getattr(array, name)(axis=dim, keepdims=keepdim))
    return wrap(found, batch_last=False)


def _refused(name: str) -> TypeError:
    own = name if hasattr(Tensor, name) else RENAMED.get(name)
    instead = f"gpucnn has {own} for Tensors, which keeps the gradient; or" if own else "Without a gradient,"
    return TypeError(f"numpy.{name} does not take a Tensor. {instead} give it tensor.numpy()")


# NumPy's names of the operators, for an array on the left, and Tensor's.
OPERATORS = {
    "add": "__add__",
    "subtract": "__sub__",
    "multiply": "__mul__",
    "divide": "__truediv__",
    "power": "__pow__",
    "matmul": "__matmul__",
    "equal": "__eq__",
    "not_equal": "__ne__",
    "less": "__lt__",
    "less_equal": "__le__",
    "greater": "__gt__",
    "greater_equal": "__ge__",
    "floor_divide": "__floordiv__",
    "remainder": "__mod__",
    "bitwise_and": "__and__",
    "bitwise_or": "__or__",
    "bitwise_xor": "__xor__",
}
RENAMED = {"absolute": "abs", "clip": "clamp", "expand_dims": "unsqueeze"}
RENAMED |= {name: name for name in ("concatenate", "stack", "where", "einsum")}  # functions only
for _name in ("add", "sub", "mul", "truediv", "pow", "floordiv", "mod", "and", "or", "xor"):
    if hasattr(Tensor, f"__{_name}__"):
        setattr(Tensor, f"__i{_name}__", in_place(getattr(Tensor, f"__{_name}__")))


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along the existing axis `dim`. Raises ShapeError where shapes do not fit."""
    return shapes.Concatenate.apply(*tensors, axis=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis `dim` of the result. Raises ShapeError where shapes differ."""
    if len({tensor.shape for tensor in tensors}) != 1:
        raise ShapeError(f"stack: the shapes {', '.join(str(t.shape) for t in tensors)} differ; expected one shape")
    shape = list(tensors[0].shape)
    shape.insert(axis_of("stack", dim, (1, *shape)), 1)
    return concatenate([tensor.reshape(shape) for tensor in tensors], dim)


def _flat_tuple(numbers: tuple[Any, ...]) -> tuple[int, ...]:
    """Numbers given one by one, or as one sequence."""
    return tuple(numbers[0]) if len(numbers) == 1 and not hasattr(numbers[0], "__index__") else numbers
