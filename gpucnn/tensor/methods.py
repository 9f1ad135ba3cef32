"""PyTorch's methods and functions that are a few lines of others, and functions that make Tensors.

Each function marked with `method` is a method of Tensor and a function of `gpucnn`; INPLACE lists the methods that also
have a form that changes the Tensor (`add_`).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpucnn.backend import module_of, set_device
from gpucnn.errors import InputError, ShapeError
from gpucnn.generators import generator
from gpucnn.tensor import arithmetic, indexing, products, reductions
from gpucnn.tensor.axes import Axes, axes_of, axis_of, reduced_count
from gpucnn.tensor.function import Variable, wrap
from gpucnn.tensor.tensor import Extreme, Tensor, concatenate, stack
from gpucnn.tensor.view import in_place

METHODS: dict[str, Callable[..., Any]] = {}


def method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make `function` a method of Tensor and a function of gpucnn."""
    METHODS[function.__name__] = function
    setattr(Tensor, function.__name__, function)
    return function


def unary(name: str, operation: type[arithmetic.Function]) -> None:
    """Register the method of a Function of one input."""

    def function(x: Tensor) -> Tensor:
        return operation.apply(x)

    function.__name__, function.__doc__ = name, operation.__doc__
    method(function)


for _name, _operation in {
    "exp": arithmetic.Exp,
    "log": arithmetic.Log,
    "sqrt": arithmetic.Sqrt,
    "abs": arithmetic.Abs,
    "sin": arithmetic.Sin,
    "cos": arithmetic.Cos,
    "sign": arithmetic.Sign,
    "floor": arithmetic.Floor,
    "ceil": arithmetic.Ceil,
    "round": arithmetic.Round,
    "clone": arithmetic.Clone,
}.items():
    unary(_name, _operation)


# --- shapes -----------------------------------------------------------------------------------------------------------


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


# --- arithmetic -------------------------------------------------------------------------------------------------------


def _operator(name: str, special: str) -> None:
    def function(x: Any, other: Any) -> Any:
        first = x if isinstance(x, Tensor) else Tensor(x)
        return getattr(first, f"__{special}__")(other)

    function.__name__, function.__doc__ = name, f"As the operator {special}."
    method(function)


for _name, _special in {
    "add": "add", "sub": "sub", "subtract": "sub", "mul": "mul", "multiply": "mul", "div": "truediv",
    "divide": "truediv", "true_divide": "truediv", "pow": "pow", "matmul": "matmul", "eq": "eq", "ne": "ne",
    "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "mm": "matmul", "bmm": "matmul", "mv": "matmul", "dot": "matmul",
    "logical_and": "and", "logical_or": "or",
}.items():  # fmt: skip
    _operator(_name, _special)


@method
def add(x: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """x + alpha · other."""
    return x + (other if alpha == 1 else other * alpha)


@method
def sub(x: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """x - alpha · other."""
    return x - (other if alpha == 1 else other * alpha)


@method
def addcmul(x: Tensor, first: Tensor, second: Tensor, *, value: float = 1) -> Tensor:
    """x + value · first · second."""
    return x + first * second * value


@method
def addcdiv(x: Tensor, first: Tensor, second: Tensor, *, value: float = 1) -> Tensor:
    """x + value · first / second."""
    return x + first / second * value


@method
def lerp(x: Tensor, end: Tensor, weight: Any) -> Tensor:
    """x + weight · (end - x)."""
    return x + (end - x) * weight


@method
def neg(x: Tensor) -> Tensor:
    """-x."""
    return -x


@method
def square(x: Tensor) -> Tensor:
    """x · x."""
    return x * x


@method
def rsqrt(x: Tensor) -> Tensor:
    """1 / sqrt(x)."""
    return 1 / x.sqrt()


@method
def reciprocal(x: Tensor) -> Tensor:
    """1 / x."""
    return 1 / x


@method
def clip(x: Tensor, min: float | None = None, max: float | None = None) -> Tensor:  # noqa: A002 (PyTorch's names)
    """`clamp`."""
    return x.clamp(min, max)


@method
def maximum(x: Any, other: Any) -> Tensor:
    """The larger of each two elements; equal ones share the gradient."""
    return arithmetic.Maximum.apply(x, other)


@method
def minimum(x: Any, other: Any) -> Tensor:
    """The smaller of each two elements; equal ones share the gradient."""
    return arithmetic.Minimum.apply(x, other)


@method
def logical_not(x: Tensor) -> Tensor:
    """Whether each element is 0."""
    return x == 0


def _booleans(name: str) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        return wrap(getattr(module_of(x.memory), name)(x.memory), x.batch_last)

    function.__name__, function.__doc__ = name, f"Whether each element {name.removeprefix('is')} is: booleans."
    return method(function)


for _name in ("isnan", "isinf", "isfinite"):
    _booleans(_name)


# --- reductions -------------------------------------------------------------------------------------------------------


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


# --- selection --------------------------------------------------------------------------------------------------------


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


def einsum(subscripts: str, *tensors: Any) -> Tensor:
    """A sum of products by Einstein's convention: "bi,ij->bj". Each axis is one letter, once in each operand."""
    return products.Einsum.apply(*tensors, subscripts=subscripts)


def _array(value: Any) -> Any:
    return (value if isinstance(value, Variable) else Tensor(value)).to_logical().memory


# --- kinds ------------------------------------------------------------------------------------------------------------


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


# --- in place ---------------------------------------------------------------------------------------------------------

INPLACE = (
    "add", "sub", "mul", "div", "pow", "clamp", "clip", "exp", "log", "sqrt", "abs", "neg", "square", "rsqrt",
    "reciprocal", "sin", "cos", "sign", "floor", "ceil", "round", "addcmul", "addcdiv", "lerp", "masked_fill", "cumsum",
)  # fmt: skip
for _name in INPLACE:
    setattr(Tensor, f"{_name}_", in_place(getattr(Tensor, _name)))


def _written(name: str, doc: str) -> Callable[[Callable[..., Any]], None]:
    def attach(values: Callable[..., Any]) -> None:
        def change(x: Tensor, *given: Any) -> Tensor:
            return x.assign_(values(x, *given))

        change.__name__, change.__doc__ = name, doc
        setattr(Tensor, name, change)

    return attach


_written("fill_", "Every element becomes the number.")(lambda x, value: full_like(x, value))
_written("zero_", "Every element becomes 0.")(lambda x: zeros_like(x))
_written("copy_", "The values of another Tensor, which is broadcast.")(
    lambda x, other: (other if isinstance(other, Tensor) else Tensor(other)).expand(x.shape).to(x.dtype)
)
_written("normal_", "Drawn from the normal distribution.")(lambda x, mean=0.0, std=1.0: randn(*x.shape) * std + mean)
_written("uniform_", "Drawn evenly from `low` to `high`.")(
    lambda x, low=0.0, high=1.0: rand(*x.shape) * (high - low) + low
)


# --- new Tensors ------------------------------------------------------------------------------------------------------


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape


def _new(array: np.ndarray, requires_grad: bool) -> Tensor:
    return Tensor(array, requires_grad)


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of `data`, copied."""
    made = Tensor(data) if dtype is None else Tensor(data).to(dtype)
    return made.requires_grad_() if requires_grad else made


def full(size: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of shape `size` whose elements are all `fill_value`; a float is float32."""
    kind = dtype or (np.float32 if isinstance(fill_value, float) else np.asarray(fill_value).dtype)
    return _new(np.full(_sizes((size,)), fill_value, kind), requires_grad)


def zeros(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Zeros."""
    return _new(np.zeros(_sizes(size), dtype), requires_grad)


def ones(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones."""
    return _new(np.ones(_sizes(size), dtype), requires_grad)


def rand(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Numbers uniform in [0, 1), from the generator of `manual_seed`."""
    return _new(generator().random(_sizes(size)).astype(dtype), requires_grad)


def randn(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Numbers of the normal distribution, from the generator of `manual_seed`."""
    return _new(generator().standard_normal(_sizes(size)).astype(dtype), requires_grad)


def randint(low: int, high: Any, size: Any = None) -> Tensor:
    """Whole numbers from `low` to below `high`, from the generator of `manual_seed`; int64."""
    low, high, size = (0, low, high) if size is None else (low, high, size)
    return Tensor(generator().integers(low, high, tuple(size)))


def randperm(n: int) -> Tensor:
    """The numbers 0 to n - 1 in random order, from the generator of `manual_seed`; int64."""
    return Tensor(generator().permutation(n))


def arange(*bounds: float, dtype: Any = None) -> Tensor:
    """Numbers from a start (0) to below an end in steps (of 1); whole ones are int64, others float32."""
    kind = dtype or (np.int64 if all(isinstance(bound, int) for bound in bounds) else np.float32)
    return Tensor(np.arange(*bounds).astype(kind))


def linspace(start: float, end: float, steps: int, dtype: Any = np.float32) -> Tensor:
    """`steps` numbers from `start` to `end`, both included."""
    return Tensor(np.linspace(start, end, steps).astype(dtype))


def eye(n: int, m: int | None = None, dtype: Any = np.float32) -> Tensor:
    """Ones on the diagonal of (n, m)."""
    return Tensor(np.eye(n, m, dtype=dtype))


def full_like(x: Tensor, fill_value: float) -> Tensor:
    """`fill_value` in x's shape, dtype and memory order."""
    return wrap(module_of(x.memory).full_like(x.memory, fill_value), x.batch_last)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros in x's shape and dtype."""
    return full_like(x, 0)


def ones_like(x: Tensor) -> Tensor:
    """Ones in x's shape and dtype."""
    return full_like(x, 1)


def rand_like(x: Tensor) -> Tensor:
    """Numbers uniform in [0, 1) in x's shape and dtype."""
    return rand(*x.shape, dtype=x.dtype)


def randn_like(x: Tensor) -> Tensor:
    """Numbers of the normal distribution in x's shape and dtype."""
    return randn(*x.shape, dtype=x.dtype)


cat, from_numpy, as_tensor = concatenate, Tensor, tensor
MAKERS = (
    arange, as_tensor, cat, einsum, eye, from_numpy, full, full_like, linspace, ones, ones_like, rand, rand_like,
    randint, randn, randn_like, randperm, stack, tensor, where, zeros, zeros_like,
)  # fmt: skip

# Functions of gpucnn by name: the methods, and what makes Tensors.
OWN = ("clamp", "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "reshape",
       "permute", "transpose")  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(Tensor, name) for name in OWN},
    **METHODS,
    **{maker.__name__: maker for maker in MAKERS if isinstance(maker, type(lambda: 0))},
    "cat": concatenate,
    "from_numpy": Tensor,
    "as_tensor": tensor,
}
