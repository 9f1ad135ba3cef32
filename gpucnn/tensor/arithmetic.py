"""The Functions that compute element by element, of one operand and of two, which are broadcast."""

from typing import Any, ClassVar

import numpy as np

from gpucnn.backend import POOLED, Array, empty, module_of, written_by, zeros
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor.axes import naming_shapes, unbroadcast
from gpucnn.tensor.function import Function, Variable, aligned, as_variables, wrap
from gpucnn.tensor.quiet import quietly


def _alike(a: Array, b: Array) -> bool:
    """Whether both are small floating arrays on the host of one shape and dtype: nothing needs to be found out.

    Those of work that is captured are read-only: for them there are kernels.
    """
    dtype, alike = a.dtype, type(a) is np.ndarray and a.shape == b.shape and a.nbytes < POOLED
    return alike and dtype is b.dtype and dtype.kind == "f" and a.flags.writeable


class Binary(Function):
    """An operation on two arrays that broadcast against each other."""

    layout = "elementwise"
    ufunc: ClassVar[str]  # NumPy's and CuPy's name of it
    on_host: ClassVar[Any]  # NumPy's

    def __init_subclass__(cls) -> None:
        cls.on_host = getattr(np, cls.ufunc)

    @classmethod
    def apply(cls, *inputs: Any, **options: Any) -> Any:
        """As Function's; two small arrays of one shape on the host, without a gradient, go straight to NumPy."""
        a, b = inputs
        if isinstance(a, Variable) and isinstance(b, Variable) and not (a.requires_grad or b.requires_grad):
            x, y = a.memory, b.memory
            if _alike(x, y) and a.batch_last == b.batch_last:
                return wrap(np.asarray(quietly(cls.on_host, x, y)), a.batch_last)
        return super().apply(*inputs, **options)

    def shares(self, grad: Array) -> tuple[Array | None, Array | None]:
        """The gradients by both inputs in the result's shape; `backward` sums them over broadcast axes."""
        raise NotImplementedError

    def forward(self, a: Array, b: Array) -> Array:
        """The operation's result, of the broadcast shape."""
        self.a, self.b = a, b
        if _alike(a, b):
            return quietly(self.on_host, a, b)
        ufunc, shape = getattr(module_of(a), self.ufunc), a.shape
        with naming_shapes(type(self).__name__.lower(), shape, b.shape):
            shape = np.broadcast_shapes(shape, b.shape)
        out = empty(shape, a, dtype=self.result_dtype(a, b))
        return quietly(ufunc, a, b, out=out, casting="unsafe")

    def result_dtype(self, a: Array, b: Array) -> Any:
        """The floating one of two dtypes, else NumPy's rule: float32 times int64 stays float32, as in PyTorch."""
        floating = [array.dtype for array in (a, b) if array.dtype.kind == "f"]
        return floating[0] if len(floating) == 1 else module_of(a).result_type(a, b)

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        """Each share, summed over the axes along which its input was broadcast."""
        a, b = self.shares(grad)
        return (
            None if a is None else unbroadcast(a, self.a.shape),
            None if b is None else unbroadcast(b, self.b.shape),
        )


class Add(Binary):
    """a + b."""

    ufunc = "add"

    def forward(self, a: Array, b: Array) -> Array:
        if a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind != "f":
            return super().forward(a, b)
        self.a, self.b = a, b
        return written_by(kernels_of(type(a)).arithmetic.add, a.shape, a, b)

    def shares(self, grad: Array) -> tuple[Array | None, Array | None]:
        return grad, grad


class Subtract(Binary):
    """a - b."""

    ufunc = "subtract"

    def shares(self, grad: Array) -> tuple[Array | None, Array | None]:
        return grad, -grad if self.needs[1] else None


class Multiply(Binary):
    """a · b."""

    ufunc = "multiply"

    def shares(self, grad: Array) -> tuple[Array | None, Array | None]:
        return grad * self.b if self.needs[0] else None, grad * self.a if self.needs[1] else None


class Divide(Binary):
    """a / b; of integers, float32."""

    ufunc = "divide"

    def result_dtype(self, a: Array, b: Array) -> Any:
        """Never an integer."""
        dtype = super().result_dtype(a, b)
        return dtype if dtype.kind == "f" else np.dtype(np.float32)

    def shares(self, grad: Array) -> tuple[Array | None, Array | None]:
        by_a = grad / self.b
        return by_a, -by_a * self.a / self.b if self.needs[1] else None


class Power(Binary):
    """a ** b."""

    ufunc = "power"

    def shares(self, grad: Array) -> tuple[Array | None, Array | None]:
        xp, a, b = module_of(grad), self.a, self.b
        by_a = by_b = None
        if self.needs[0]:
            by_a = grad * xp.where(b == 0, 0, b * a ** xp.where(b == 0, 1, b - 1))
        if self.needs[1]:  # 0 ** b is flat for b > 0, where log(0) would not be a number
            by_b = grad * a**b * xp.log(xp.where(a == 0, 1, a))
        return by_a, by_b


class Maximum(Binary):
    """The larger of a and b; equal ones share the gradient, as in PyTorch."""

    ufunc, larger = "maximum", "greater"

    def shares(self, grad: Array) -> tuple[Array | None, Array | None]:
        xp = module_of(grad)
        share = getattr(xp, self.larger)(self.a, self.b).astype(grad.dtype) + (self.a == self.b) * grad.dtype.type(0.5)
        return grad * share, grad * (1 - share)


class Minimum(Maximum):
    """The smaller of a and b; equal ones share the gradient, as in PyTorch."""

    ufunc, larger = "minimum", "less"


class Negate(Function):
    """-x."""

    layout = "elementwise"

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, grad: Array) -> Array:
        return -grad


class Unary(Function):
    """An operation on every element of one array; integers become float32."""

    layout = "elementwise"
    ufunc: ClassVar[str]  # NumPy's and CuPy's name of it
    keeps_result: ClassVar[bool] = False  # whether the gradient is computed from the result, not from the input
    on_host: ClassVar[Any]  # NumPy's

    def __init_subclass__(cls) -> None:
        cls.on_host = getattr(np, getattr(cls, "ufunc", ""), None)

    @classmethod
    def apply(cls, *inputs: Any, **options: Any) -> Any:
        """As Function's; a small array on the host, without a gradient, goes straight to NumPy."""
        [x] = inputs
        if isinstance(x, Variable) and not x.requires_grad and _alike(x.memory, x.memory):
            return wrap(np.asarray(quietly(cls.on_host, x.memory)), x.batch_last)
        return super().apply(*inputs, **options)

    def forward(self, x: Array) -> Array:
        """The operation's result, of the input's shape."""
        x = x if x.dtype.kind == "f" else x.astype(np.float32)
        if type(x) is np.ndarray and x.nbytes < POOLED:
            y = quietly(self.on_host, x)
        else:
            y = quietly(getattr(module_of(x), self.ufunc), x, out=empty(x.shape, x))
        self.kept = y if self.keeps_result else x
        return y


class Exp(Unary):
    """e ** x."""

    ufunc, keeps_result = "exp", True

    def backward(self, grad: Array) -> Array:
        return grad * self.kept


class Log(Unary):
    """The natural logarithm."""

    ufunc = "log"

    def backward(self, grad: Array) -> Array:
        return grad / self.kept


class Sqrt(Unary):
    """The square root."""

    ufunc, keeps_result = "sqrt", True

    def backward(self, grad: Array) -> Array:
        return grad / (2 * self.kept)


class Sin(Unary):
    """The sine, of radians."""

    ufunc = "sin"

    def backward(self, grad: Array) -> Array:
        return grad * module_of(grad).cos(self.kept)


class Cos(Unary):
    """The cosine, of radians."""

    ufunc = "cos"

    def backward(self, grad: Array) -> Array:
        return -grad * module_of(grad).sin(self.kept)


class Flat(Unary):
    """A step function, whose gradient is 0."""

    def backward(self, grad: Array) -> Array:
        return zeros(grad.shape, grad)


class Sign(Flat):
    """-1, 0 or 1."""

    ufunc = "sign"


class Floor(Flat):
    """The next whole number downward."""

    ufunc = "floor"


class Ceil(Flat):
    """The next whole number upward."""

    ufunc = "ceil"


class Round(Flat):
    """The nearest whole number; of two, the even one."""

    ufunc = "rint"


class Clone(Function):
    """A copy."""

    layout = "elementwise"

    def forward(self, x: Array) -> Array:
        return x.copy()

    def backward(self, grad: Array) -> Array:
        return grad


class Cast(Function):
    """A copy of another dtype."""

    layout = "elementwise"

    def forward(self, x: Array, dtype: Any) -> Array:
        return x.astype(dtype)

    def backward(self, grad: Array) -> Array:
        return grad  # cast to the input's dtype where gradients are added


class Where(Function):
    """a where `condition`, else b; all three broadcast."""

    def forward(self, a: Array, b: Array, condition: Array) -> Array:
        self.shapes, self.condition = (a.shape, b.shape), condition
        with naming_shapes("where", condition.shape, a.shape, b.shape):
            return module_of(a).where(condition, a, b)

    def backward(self, grad: Array) -> tuple[Array, Array]:
        shares = (module_of(grad).where(self.condition, *pair) for pair in ((grad, 0), (0, grad)))
        by_a, by_b = (unbroadcast(share, shape) for share, shape in zip(shares, self.shapes, strict=True))
        return by_a, by_b


class Abs(Function):
    """|x|; the gradient at 0 is 0."""

    layout = "elementwise"

    def forward(self, x: Array) -> Array:
        self.x = x
        return module_of(x).abs(x)

    def backward(self, grad: Array) -> Array:
        return grad * module_of(grad).sign(self.x)


class Clamp(Function):
    """x limited to `least` ... `most`; beyond the bounds the gradient is 0, at them it passes, as in PyTorch."""

    layout = "elementwise"

    def forward(self, x: Array, least: float | None, most: float | None) -> Array:
        y = module_of(x).clip(x, least, most)
        self.inside = x == y
        return y

    def backward(self, grad: Array) -> Array:
        return grad * self.inside


def compare(ufunc: str, first: Any, second: Any) -> Any:
    """Where two operands compare as `ufunc` says (equal, less, ...): a boolean Tensor, without a gradient."""
    (a, b), batch_last = aligned(as_variables(ufunc, (first, second)), "elementwise")
    with naming_shapes(ufunc, a.shape, b.shape):
        return wrap(getattr(module_of(a.memory), ufunc)(a.memory, b.memory), batch_last)
