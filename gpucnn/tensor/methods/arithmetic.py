"""Methods that compute element by element, and products."""

from collections.abc import Callable
from typing import Any

from gpucnn.backend import module_of
from gpucnn.tensor import arithmetic, products
from gpucnn.tensor.function import wrap
from gpucnn.tensor.methods.register import method
from gpucnn.tensor.tensor import Tensor


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


def einsum(subscripts: str, *tensors: Any) -> Tensor:
    """A sum of products by Einstein's convention: "bi,ij->bj". Each axis is one letter, once in each operand."""
    return products.Einsum.apply(*tensors, subscripts=subscripts)
