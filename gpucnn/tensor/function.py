"""Automatic differentiation: Variables, the Functions that computed them, and the gradients back through both.

A Variable is an array that knows the Function which computed it; a Function knows the Variables it ran on. `backward`
follows these links from a result to everything it was computed from. `Tensor`, in tensor.py, is a Variable with
operators. Shapes are logical, (N, C, H, W); in memory arrays may lie as (C, H, W, N), which `batch_last` says.
Gradients are first order.
"""

import contextlib
import heapq
import itertools
import threading
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, ClassVar, Literal, Self

import numpy as np

from gpucnn.backend import Array, empty, module_of, to_device
from gpucnn.errors import ShapeError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor.uses import Uses

# How a Function wants its arrays. "logical": as the shapes read, (N, C, H, W). "batch_last": the first `images` inputs,
# and the result, in memory order (C, H, W, N), the others (parameters) logical. "elementwise": all in whichever of the
# two orders the largest input has.
Layout = Literal["logical", "batch_last", "elementwise"]


class _Mode(threading.local):
    """Whether operations are recorded: a thread may evaluate while another trains."""

    recording = True


_mode = _Mode()
_counter = itertools.count()  # numbers Functions in the order they ran


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread."""
    return _mode.recording


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Turn recording off inside a `with` block, in this thread; also works as a decorator."""
    outer, _mode.recording = _mode.recording, False
    try:
        yield
    finally:
        _mode.recording = outer


class Variable:
    """An array, the Function that computed it (None for a leaf), and its gradient once `backward` has run."""

    tensor_class: ClassVar[type["Variable"]]  # what operations return: Tensor

    memory: Array  # in the order that batch_last says; `data` of a Tensor has the logical one
    batch_last: bool
    requires_grad: bool = False
    _grad: Self | None = None
    _creator: "Function | None" = None
    _version: int = 0  # counts changes in place: an optimizer's steps, weights loaded
    _grad_buffer: Array | None = None  # a parameter's place in an optimizer's flat memory of gradients

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.memory, self.batch_last = _as_array(data), False
        if requires_grad:
            self.requires_grad_()

    @classmethod
    def from_batch_last(cls, array: Array) -> Any:
        """The Tensor (N, C, H, W) whose memory is `array` (C, H, W, N); C-contiguous, not copied."""
        return wrap(array, batch_last=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape, images first."""
        shape = self.memory.shape
        return (shape[-1], *shape[:-1]) if self.batch_last else shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.memory.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self.memory.size)

    @property
    def dtype(self) -> np.dtype:
        """Element type, as NumPy names it."""
        return self.memory.dtype

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Turn the gradient by this Tensor on or off, and return the Tensor. Raises TypeError for integers."""
        if requires_grad and self.memory.dtype.kind != "f":
            raise TypeError(f"a Tensor of dtype {self.dtype} cannot have a gradient; expected float32 or float64")
        self.requires_grad = requires_grad
        return self

    def to_batch_last(self) -> Any:
        """The same Tensor with memory order (C, H, W, N); copied unless it has that order."""
        return self if self.batch_last or self.memory.ndim < 2 else record(ToBatchLast(), (self,), {}, batch_last=True)

    def to_logical(self) -> Any:
        """The same Tensor with memory order (N, C, H, W); copied unless it has that order."""
        return record(ToLogical(), (self,), {}, batch_last=False) if self.batch_last else self

    def backward(self, gradient: Any = None, *, on_complete: Callable[["Variable"], None] | None = None) -> None:
        """Compute the gradients by all leaves this Tensor was computed from, and add each to the leaf's `grad`.

        `gradient` is the gradient by this Tensor, of its shape; for a Tensor of one element it is 1 by default.
        `on_complete` is called with each leaf once everything that was computed from it has given its gradient; the
        others' are still to come.
        The recorded operations are freed, so a second call raises RuntimeError, as does a Tensor without a record.
        Raises ShapeError for a gradient of another shape.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward() of a Tensor that was not computed from any with requires_grad=True, or inside no_grad()"
            )
        waiting = _Waiting(None if gradient is not None else self._creator)
        if on_complete is not None and self._creator is not None:
            waiting.seen = Uses(self._creator, on_complete).seen
        waiting.add(self, self._seed(gradient))
        with np.errstate(all="ignore"):  # as PyTorch, a gradient may be infinite or no number without a word
            waiting.run()

    def _seed(self, gradient: Any) -> Array:
        """The gradient that `backward` starts with, in this Tensor's memory order."""
        if gradient is None:
            if self.memory.size != 1:
                raise ShapeError(
                    f"backward() of a Tensor of shape {self.shape} needs the gradient by it, of the same shape; "
                    f"a loss is a single number: reduce with .sum() or .mean()"
                )
            if self._creator is not None and not self._creator.reads_one:
                return empty(self.memory.shape, self.memory)
            return module_of(self.memory).ones(self.memory.shape, self.memory.dtype)
        given = gradient if isinstance(gradient, Variable) else Variable(gradient)
        if given.shape != self.shape:
            raise ShapeError(f"backward() was given a gradient of shape {given.shape}; expected {self.shape}")
        moved = given.to_batch_last() if self.batch_last else given.to_logical()
        return moved.memory.astype(self.dtype, copy=False)

    def _accumulate(self, grad: Array) -> None:
        """Add `grad` to this Tensor's gradient, which has its own memory: a Function may return one array twice."""
        if self._grad is not None:
            kernels_of(type(grad)).arithmetic.add(self._grad.memory, grad, self._grad.memory)
            return
        buffer = module_of(grad).empty_like(self.memory) if self._grad_buffer is None else self._grad_buffer
        if grad is not buffer:  # else the Function wrote it there, into its `gradient_memory`
            kernels_of(type(grad)).arithmetic.copy(grad, buffer)
        self._grad = wrap(buffer, self.batch_last)

    def _set_grad(self, grad: Any) -> None:
        if grad is not None and (not isinstance(grad, Variable) or grad.shape != self.shape):
            given = f"a Tensor of shape {grad.shape}" if isinstance(grad, Variable) else type(grad).__name__
            raise TypeError(f"grad was given {given}; expected a Tensor of shape {self.shape}, or None")
        self._grad = grad if grad is None else grad.to_batch_last() if self.batch_last else grad.to_logical()

    grad: Any = property(attrgetter("_grad"), _set_grad, doc="The gradient, a Tensor of this shape; None without one.")


class Function:
    """A differentiable operation. Write `forward` and `backward`; call it through `apply`.

    ```
    class Cube(Function):
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, grad):
            return 3 * self.x**2 * grad

    y = Cube.apply(x)
    ```
    `forward(*arrays, **options)` returns one array. `backward(grad)` gets the gradient by that array and returns the
    gradient by each input array (one array, or a tuple of them; None for an input without one). `self.needs[i]` is
    whether the gradient by input i is needed. Arrays are NumPy's or CuPy's; neither method may change its
    arguments.
    """

    layout: ClassVar[Layout] = "logical"
    images: ClassVar[int] = 1
    needs: tuple[bool, ...] = ()
    by_result_is_one: bool = False  # whether the result is the loss that `backward` began at: its gradient is 1
    reads_one: ClassVar[bool] = True  # whether `backward` then reads that gradient: on a GPU, filling it is a launch
    _inputs: tuple[Variable, ...] | None = None  # what it ran on; None where nothing was recorded, and once spent
    _changes: int = 0  # how often they had been changed in place, together, when it ran
    _order: int = -1  # its number in the order of running

    def forward(self, *arrays: Any, **options: Any) -> Array:
        """The operation's result."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, grad: Array) -> Array | None | tuple[Array | None, ...]:
        """The gradient by each input, given the gradient by the result."""
        raise NotImplementedError(f"{type(self).__name__} has no backward, but a gradient through it was asked for")

    def gradient_memory(self, index: int, like: Array) -> Array:
        """An array to write the gradient by input `index` into, contents undefined.

        It is the parameter's gradient memory, so that no copy is needed, unless that already holds a gradient or the
        input was given twice (two gradients, which are added); then it is a new array.
        """
        inputs = self._inputs or ()
        variable = inputs[index]
        memory = variable._grad_buffer if variable.grad is None and variable._creator is None else None
        once = tuple(map(id, inputs)).count(id(variable)) == 1
        fits = once and memory is not None and memory.dtype == like.dtype
        return memory if fits else empty(variable.memory.shape, like)

    @classmethod
    def apply(cls, *inputs: Any, **options: Any) -> Any:
        """Run the operation on Tensors (arrays and numbers are taken as constants) and return a Tensor.

        Raises TypeError where there is no Tensor among the inputs.
        """
        batch_last = False
        for value in inputs:
            if not isinstance(value, Variable):
                return cls.apply(*as_variables(cls.__name__, inputs), **options)
            batch_last = batch_last or value.batch_last
        if cls.layout == "batch_last":
            moved = []
            for number, variable in enumerate(inputs):
                if variable.batch_last == (number < cls.images):
                    moved.append(variable)
                else:
                    moved.append(variable.to_logical() if variable.batch_last else variable.to_batch_last())
            return record(cls(), tuple(moved), options, batch_last=True)
        if batch_last:
            inputs, batch_last = aligned(inputs, cls.layout)
        return record(cls(), inputs, options, batch_last)


def record(function: Function, inputs: tuple[Variable, ...], options: dict[str, Any], batch_last: bool) -> Any:
    """Run `forward` on inputs in the memory order that the function takes, and link the result to it for `backward`."""
    recording, arrays, asked, changes = _mode.recording, [], [], 0
    for variable in inputs:
        arrays.append(variable.memory)
        asked.append(recording and variable.requires_grad)
        changes += variable._version
    function.needs = needs = tuple(asked)
    array = function.forward(*arrays, **options)
    if function.needs is not needs:  # whatever was assigned, an array too
        raise AttributeError(
            f"{type(function).__name__}.forward sets self.needs, which is set before it runs; take another name"
        )
    if type(array) is not np.ndarray or not array.flags.c_contiguous:
        array = contiguous(array)
    result = wrap(array, batch_last)
    if True in needs and array.dtype.kind == "f":
        result.requires_grad, result._creator = True, function
        function._inputs, function._order, function._changes = inputs, next(_counter), changes
    return result


def wrap(array: Array, batch_last: bool) -> Any:
    """A Tensor around `array` itself, a leaf."""
    tensor = object.__new__(Variable.tensor_class)
    tensor.memory, tensor.batch_last = array, batch_last and array.ndim > 1  # with one axis both orders are the same
    return tensor


class _Waiting:
    """The queue of a backward pass: Functions still to run, each with the sum of the gradients by its result so far."""

    def __init__(self, loss: Function | None) -> None:
        self._loss = loss  # the Function whose result has the gradient 1
        self._order: list[tuple[int, int, Function]] = []  # a heap: the Function that ran last is at its top
        self._grads: dict[int, tuple[Array, bool]] = {}
        self.seen: Callable[[tuple[Variable, ...], tuple[bool, ...]], None] | None = None  # after each Function's

    def add(self, variable: Variable, grad: Array) -> None:
        """Add `grad` to the gradient of the Function that computed `variable`, or of the variable if it is a leaf.

        A first gradient is kept without a copy and may be shared (x + x returns one array twice); the sum of two is a
        new array, to which further ones are added in place.
        """
        dtype = variable.memory.dtype
        grad = grad if grad.dtype == dtype else grad.astype(dtype)
        function = variable._creator
        if function is None:
            variable._accumulate(grad)
            return
        known = self._grads.get(id(function))
        if known is None:
            heapq.heappush(self._order, (-function._order, id(function), function))
            self._grads[id(function)] = (grad, False)
        else:
            out = known[0] if known[1] else empty(grad.shape, grad)
            kernels_of(type(grad)).arithmetic.add(known[0], grad, out)
            self._grads[id(function)] = (out, True)

    def run(self) -> None:
        """Run `backward` of every Function, the one that ran last first, so that each has its whole gradient."""
        while self._order:
            _, key, function = heapq.heappop(self._order)
            grad, _ = self._grads.pop(key)
            inputs, needs = function._inputs, function.needs
            if inputs is None:
                raise RuntimeError(
                    "this part of the record is spent: backward() ran through it already. Compute the loss anew"
                )
            if function._changes != sum([variable._version for variable in inputs]):
                raise RuntimeError(
                    f"an input of {type(function).__name__} was changed between forward and backward (in place, by "
                    f"an optimizer or by loading weights): its gradient would be wrong. Call backward() first, or "
                    f"compute the loss anew; h = h + 1 in place of h += 1 makes a new Tensor"
                )
            function.by_result_is_one = function is self._loss
            shares = _shares(function, grad, inputs)
            function.__dict__.clear()  # frees the arrays it kept, and marks it as spent
            for variable, share, needed in zip(inputs, shares, needs, strict=True):
                if needed and share is not None:
                    self.add(variable, share)
            if self.seen is not None:
                self.seen(inputs, needs)


def _shares(function: Function, grad: Array, inputs: tuple[Variable, ...]) -> tuple[Array | None, ...]:
    """The result of backward as a tuple, each gradient's shape checked against its input's."""
    name = type(function).__name__
    if type(grad) is not np.ndarray or not grad.flags.c_contiguous:
        grad = contiguous(grad)
    try:
        shares = function.backward(grad)
    except MemoryError as error:
        shapes = ", ".join(str(variable.memory.shape) for variable in inputs)
        raise MemoryError(f"the gradients of {name} by its inputs {shapes}, batch last: {error}") from None
    shares = tuple(shares) if isinstance(shares, tuple | list) else (shares,)
    if len(shares) != len(inputs):
        raise ShapeError(
            f"{name}.backward returned {len(shares)} gradients; expected {len(inputs)}, one for each input"
        )
    for share, variable in zip(shares, inputs, strict=True):
        if share is not None and np.shape(share) != variable.memory.shape:
            raise ShapeError(
                f"{name}.backward returned a gradient of shape {np.shape(share)}; its input has {variable.memory.shape}"
            )
    return shares


# --- memory order -----------------------------------------------------------------------------------------------------


class ToBatchLast(Function):
    """Logical (N, C, H, W) to memory order (C, H, W, N)."""

    start, end = 0, -1  # the axis of images, before and after

    def forward(self, x: Array) -> Array:
        """The copy in the other order."""
        return contiguous(module_of(x).moveaxis(x, self.start, self.end))

    def backward(self, grad: Array) -> Array:
        """The gradient in the input's order."""
        return contiguous(module_of(grad).moveaxis(grad, self.end, self.start))


class ToLogical(ToBatchLast):
    """Memory order (C, H, W, N) to logical (N, C, H, W)."""

    start, end = -1, 0


class Expand(Function):
    """Unit axes added in front, up to `axes` axes in all."""

    def forward(self, x: Array, axes: int) -> Array:
        """A copy of shape (1, ..., 1, *x.shape), which a change of x in place leaves as it is."""
        self.shape = x.shape
        return x.copy().reshape((1,) * (axes - x.ndim) + x.shape)

    def backward(self, grad: Array) -> Array:
        """The gradient in the input's shape."""
        return grad.reshape(self.shape)


def contiguous(array: Any) -> Array:
    """`array` in C order; NumPy's scalars become arrays."""
    if not hasattr(array, "dtype") or isinstance(array, np.generic):
        return np.asarray(array)
    if array.flags.c_contiguous:
        return array
    out = empty(array.shape, array)
    module_of(array).copyto(out, array)
    return out


def aligned(inputs: tuple[Variable, ...], layout: Layout) -> tuple[tuple[Variable, ...], bool]:
    """The inputs in one memory order, and whether that is batch-last.

    For an elementwise operation it is the order of the input with the most axes: the others get unit axes in front, up
    to the same number, and are moved, so that broadcasting the arrays broadcasts their logical shapes.
    """
    if not any(variable.batch_last for variable in inputs):
        return inputs, False
    axes = max(variable.memory.ndim for variable in inputs)
    largest = (variable.batch_last for variable in inputs if variable.memory.ndim == axes)
    if layout == "logical" or not any(largest):
        return tuple(variable.to_logical() for variable in inputs), False
    widened = (v if v.memory.ndim in (0, axes) else Expand.apply(v, axes=axes) for v in inputs)
    return tuple(variable.to_batch_last() for variable in widened), True


# --- inputs that are not Tensors --------------------------------------------------------------------------------------


def as_variables(name: str, inputs: tuple[Any, ...]) -> tuple[Variable, ...]:
    """The inputs as Variables: a Python number takes the first one's dtype, or float32 beside integers."""
    first = next((value for value in inputs if isinstance(value, Variable)), None)
    if first is None:
        raise TypeError(
            f"{name} was given {', '.join(type(value).__name__ for value in inputs)}; expected at least one Tensor. "
            f"Wrap an array as gpucnn.Tensor(array)"
        )
    return tuple(value if isinstance(value, Variable) else _constant(value, first.memory) for value in inputs)


def _constant(value: Any, beside: Array) -> Variable:
    if not isinstance(value, int | float):
        return Variable.tensor_class(value)
    dtype = np.float32 if isinstance(value, float) and beside.dtype.kind != "f" else beside.dtype
    return wrap(module_of(beside).full((), value, dtype), batch_last=False)  # on a GPU: filled there, not copied


def _as_array(data: Any) -> Array:
    """A copy of `data` on the current device."""
    if isinstance(data, Variable):
        return data.to_logical().memory.copy()
    on_gpu = hasattr(data, "__cuda_array_interface__")
    array = to_device(data) if on_gpu else np.asarray(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a Tensor cannot hold {array.dtype}; expected numbers")
    if on_gpu or isinstance(data, np.ndarray | np.generic):
        return to_device(array).copy()
    return to_device(array.astype(np.float32) if array.dtype == np.float64 else array)
