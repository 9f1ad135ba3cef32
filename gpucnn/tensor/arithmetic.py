"""The Functions behind a Tensor's operators and methods: arithmetic, reductions, reshaping, indexing."""

import contextlib
import contextvars
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from gpucnn.backend import POOLED, Array, empty, module_of, written_by, zeros
from gpucnn.errors import ShapeError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor.function import Function, Variable, aligned, as_variables, wrap
from gpucnn.threads import one_blas_thread

Axes = int | tuple[int, ...] | None
SMALL_PRODUCT = 1 << 18  # multiply-adds


def unbroadcast(grad: Array, shape: tuple[int, ...]) -> Array:
    """grad summed over the axes along which an array of `shape` was broadcast."""
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    stretched = tuple(i + extra for i, n in enumerate(shape) if n == 1 and grad.shape[i + extra] != 1)
    return grad.sum(axis=(*range(extra), *stretched), keepdims=True).reshape(shape)


def quietly(operation: Callable[..., Array], *arrays: Array, **options: Any) -> Array:
    """operation(*arrays, **options), without NumPy's warnings: 1 / 0 is infinite, as in PyTorch.

    It runs in a context of this thread in which they are off, which takes less time than to turn them off and on. What
    such an operation calls, a signal's handler say, is in that context already, and cannot enter it again.
    """
    if _is_quiet.get():
        return operation(*arrays, **options)
    try:
        run = _quiet.run
    except AttributeError:
        context = contextvars.copy_context()
        context.run(np.seterr, all="ignore")
        context.run(_is_quiet.set, True)
        run = _quiet.run = context.run
    return run(operation, *arrays, **options)


_quiet = threading.local()
_is_quiet = contextvars.ContextVar("_is_quiet", default=False)


@contextlib.contextmanager
def naming_shapes(name: str, *shapes: tuple[int, ...]) -> Iterator[None]:
    """Turn the array module's error about shapes into a ShapeError that names the operation and the shapes."""
    try:
        yield
    except ValueError as error:
        raise ShapeError(f"{name}: the shapes {', '.join(map(str, shapes))} do not fit together ({error})") from None


def _alike(a: Array, b: Array) -> bool:
    """Whether both are small floating arrays on the host of one shape and dtype: nothing needs to be found out."""
    dtype = a.dtype
    return type(a) is np.ndarray and dtype is b.dtype and a.shape == b.shape and dtype.kind == "f" and a.nbytes < POOLED


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


class Gather(Function):
    """x's elements at `index` along one axis; the others are those of the index's own places."""

    def forward(self, x: Array, axis: int, index: Array) -> Array:
        self.shape, axis = x.shape, axis_of("gather", axis, x.shape) if x.ndim else 0
        if not x.ndim:
            self.places: Any = ()
            return x.copy()
        sizes = [range(n) for n in index.shape]
        self.places = list(np.ix_(*sizes))
        self.places[axis] = index
        self.places = tuple(self.places)
        return x[self.places]

    def backward(self, grad: Array) -> Array:
        out = zeros(self.shape, grad)
        module_of(grad).add.at(out, self.places, grad)
        return out


class CumulativeSum(Function):
    """Sums of all elements up to each along one axis."""

    def forward(self, x: Array, axis: int) -> Array:
        self.axis = axis_of("cumsum", axis, x.shape)
        return x.cumsum(axis=self.axis)

    def backward(self, grad: Array) -> Array:
        xp = module_of(grad)
        return xp.flip(xp.flip(grad, self.axis).cumsum(axis=self.axis), self.axis)


class Einsum(Function):
    """A sum of products by Einstein's convention: "ij,jk->ik" is the matrix product."""

    def forward(self, *arrays: Array, subscripts: str) -> Array:
        self.arrays = arrays
        inputs, arrow, result = subscripts.replace(" ", "").partition("->")
        self.inputs = inputs.split(",")
        if not arrow:  # the letters that occur once, in order
            result = "".join(sorted(letter for letter in set(inputs) - {","} if inputs.count(letter) == 1))
        if "." in subscripts or any(len(set(part)) != len(part) for part in self.inputs):
            raise ShapeError(f"einsum: {subscripts!r}: write each axis as one letter, once in each operand")
        self.result = result
        with naming_shapes(f"einsum {subscripts}", *(array.shape for array in arrays)):
            return module_of(arrays[0]).asarray(module_of(arrays[0]).einsum(f"{inputs}->{result}", *arrays))

    def backward(self, grad: Array) -> tuple[Array, ...]:
        return tuple(self._share(grad, i) for i in range(len(self.arrays)))

    def _share(self, grad: Array, i: int) -> Array:
        others = [j for j in range(len(self.arrays)) if j != i]
        terms = [self.result, *(self.inputs[j] for j in others)]
        known = "".join(letter for letter in self.inputs[i] if any(letter in term for term in terms))
        xp, shape = module_of(grad), self.arrays[i].shape
        share = xp.einsum(f"{','.join(terms)}->{known}", grad, *(self.arrays[j] for j in others))
        kept = tuple(n if letter in known else 1 for letter, n in zip(self.inputs[i], shape, strict=True))
        return xp.broadcast_to(share.reshape(kept), shape)  # the same along axes that were summed away


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


class MatMul(Function):
    """a @ b by NumPy's rules: vectors, matrices and stacks of matrices."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return matrix_product(a, b)

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        a = self.a if self.a.ndim > 1 else self.a[None, :]
        b = self.b if self.b.ndim > 1 else self.b[:, None]
        if self.b.ndim == 1:
            grad = grad[..., None]
        if self.a.ndim == 1:
            grad = grad[..., None, :]
        by_a = by_b = None
        if self.needs[0]:
            by_a = unbroadcast(matrix_product(grad, b.swapaxes(-1, -2)), a.shape).reshape(self.a.shape)
        if self.needs[1]:
            by_b = unbroadcast(matrix_product(a.swapaxes(-1, -2), grad), b.shape).reshape(self.b.shape)
        return by_a, by_b


def matrix_product(a: Array, b: Array) -> Array:
    """a @ b by NumPy's rules, with one thread of BLAS. Raises ShapeError where the shapes do not fit together."""
    product = kernels_of(type(a)).gemm.product
    if a.size * b.shape[-1] <= SMALL_PRODUCT:  # BLAS itself takes one thread
        try:
            return quietly(product, a, b)
        except ValueError:
            pass  # told below
    with naming_shapes("matmul", a.shape, b.shape), one_blas_thread():
        return quietly(product, a, b)


class Sum(Function):
    """The sum over axes."""

    def forward(self, x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
        self.shape = shape = x.shape
        if axis is None and not keepdims:
            self.kept = (1,) * len(shape)
            return quietly(kernels_of(type(x)).gemm.total, x)
        axes = axes_of("sum", axis, shape)
        self.kept = kept_shape(shape, axes)
        return quietly(x.sum, axis=axes, keepdims=keepdims)

    def backward(self, grad: Array) -> Array:
        out = empty(self.shape, grad)
        out[...] = grad.reshape(self.kept)
        return out


class Max(Function):
    """The largest value over axes; equal ones share the gradient evenly, as in PyTorch's amax."""

    extreme = "max"

    def forward(self, x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
        axes = axes_of(self.extreme, axis, x.shape)
        best = getattr(x, self.extreme)(axis=axes, keepdims=True)
        if self.needs[0]:
            self.share = (x == best).astype(x.dtype)
            self.share /= self.share.sum(axis=axes, keepdims=True)
        self.kept = best.shape
        return best if keepdims else best.squeeze(axes)

    def backward(self, grad: Array) -> Array:
        return grad.reshape(self.kept) * self.share


class Min(Max):
    """The smallest value over axes; equal ones share the gradient evenly, as in PyTorch's amin."""

    extreme = "min"


class Reshape(Function):
    """The same values in another shape, in the order (N, C, H, W)."""

    def forward(self, x: Array, shape: tuple[int, ...]) -> Array:
        self.shape = x.shape
        with naming_shapes("reshape", x.shape, shape):
            return x.reshape(shape)

    def backward(self, grad: Array) -> Array:
        return grad.reshape(self.shape)


class Permute(Function):
    """The axes in another order."""

    def forward(self, x: Array, axes: tuple[int, ...]) -> Array:
        self.axes = tuple(axis_of("permute", axis, x.shape) for axis in axes)
        if sorted(self.axes) != list(range(x.ndim)):
            raise ShapeError(f"permute: {axes} does not name each of the {x.ndim} axes of {x.shape} once")
        return x.transpose(self.axes)

    def backward(self, grad: Array) -> Array:
        return grad.transpose(tuple(self.axes.index(i) for i in range(len(self.axes))))


class BroadcastTo(Function):
    """x repeated along new and unit axes."""

    def forward(self, x: Array, shape: tuple[int, ...]) -> Array:
        self.shape = x.shape
        with naming_shapes("expand", x.shape, shape):
            return module_of(x).broadcast_to(x, shape)

    def backward(self, grad: Array) -> Array:
        return unbroadcast(grad, self.shape)


class GetItem(Function):
    """x[index], by NumPy's rules; an element picked twice gets both gradients (on a GPU in no fixed order)."""

    def forward(self, x: Array, index: Any) -> Array:
        self.shape, self.index = x.shape, index
        return x[index].copy()

    def backward(self, grad: Array) -> Array:
        out = zeros(self.shape, grad)
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        if all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts):
            out[self.index] = grad  # a view: no element was picked twice
        else:
            module_of(grad).add.at(out, self.index, grad)
        return out


class Concatenate(Function):
    """Arrays joined along an existing axis."""

    def forward(self, *arrays: Array, axis: int = 0) -> Array:
        self.axis = axis = axis_of("concatenate", axis, arrays[0].shape)
        self.ends = [sum(a.shape[axis] for a in arrays[: i + 1]) for i in range(len(arrays) - 1)]
        with naming_shapes("concatenate", *(a.shape for a in arrays)):
            return module_of(arrays[0]).concatenate(arrays, axis=axis)

    def backward(self, grad: Array) -> tuple[Array, ...]:
        return tuple(module_of(grad).split(grad, self.ends, axis=self.axis))


def axis_of(name: str, axis: int, shape: tuple[int, ...]) -> int:
    """`axis`, which may count from the end, as a number from 0 on. Raises ShapeError if it does not exist."""
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{name}: there is no axis {axis} in {shape}, which has {len(shape)}")
    return axis % len(shape)


def axes_of(name: str, axis: Axes, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a reduction: one, several, or (None) all. Raises ShapeError for one that does not exist."""
    if not shape and axis in (0, -1):  # PyTorch takes a number for a vector here
        return ()
    given = range(len(shape)) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(axis_of(name, a, shape) for a in given)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` after a reduction over `axes` that keeps them, at size 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def reduced_count(shape: tuple[int, ...], axis: Axes) -> int:
    """How many values are reduced to one by a reduction over `axis`."""
    return math.prod(shape[a] for a in axes_of("mean", axis, shape))
