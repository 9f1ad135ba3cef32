"""The way back over the tape: from a result to everything it was computed from.

A Tensor is known here by what the tape needs of it; the class itself lies below, in autograd.py.
"""

import heapq
from typing import Any, Protocol

import numpy as np

from gpucnn.backend import Array, empty, module_of
from gpucnn.errors import ShapeError
from gpucnn.tensor.function import Function


class Result(Protocol):
    """A Tensor: an array, and the Function that made it (None for a leaf)."""

    data: Array
    _creator: Function | None
    _version: int

    def _accumulate(self, grad: Array) -> None:
        """Add to a leaf's gradient."""


def backpropagate(result: Result, gradient: Array) -> None:
    """Walk the tape backwards from `result`, the Function that ran last first: so each has its whole gradient."""
    waiting = _Waiting()
    waiting.add(result, gradient)
    while waiting:
        function, grad = waiting.pop()
        inputs, needs = function._inputs, function.needs
        if inputs is None:
            raise RuntimeError(
                "this part of the tape is spent: backward() ran through it already. Compute the loss anew"
            )
        if function._versions != [tensor._version for tensor in inputs]:
            raise RuntimeError(
                f"an input of {type(function).__name__} was changed between forward and backward (by an optimizer's "
                f"step or by loading weights): its gradient would be wrong. Call backward() first, or compute the "
                f"loss anew"
            )
        shares = _shares(function, grad, inputs)
        function.__dict__.clear()  # frees the arrays it kept, and marks it as spent
        for tensor, share, needed in zip(inputs, shares, needs, strict=True):
            if needed and share is not None:
                waiting.add(tensor, share)


def _shares(function: Function, grad: Array, inputs: list[Result]) -> tuple[Array | None, ...]:
    """What backward returns, as a tuple, held against the inputs it belongs to."""
    name = type(function).__name__
    try:
        shares = function.backward(contiguous(grad))
    except MemoryError as error:
        shapes = ", ".join(str(tensor.data.shape) for tensor in inputs)
        raise MemoryError(f"the gradients of {name} by its inputs {shapes}, batch last: {error}") from None
    shares = tuple(shares) if isinstance(shares, tuple | list) else (shares,)
    if len(shares) != len(inputs):
        raise ShapeError(
            f"{name}.backward returned {len(shares)} gradients; expected {len(inputs)}, one for each input"
        )
    for share, tensor in zip(shares, inputs, strict=True):
        if share is not None and np.shape(share) != tensor.data.shape:
            raise ShapeError(
                f"{name}.backward returned a gradient of shape {np.shape(share)}; its input has {tensor.data.shape}"
            )
    return shares


class _Waiting:
    """Gradients on their way back: for every Function the sum, so far, of those by its result."""

    def __init__(self) -> None:
        self._order: list[tuple[int, int, Function]] = []  # a heap: the Function that ran last is at its top
        self._grads: dict[int, tuple[Array, bool]] = {}

    def __bool__(self) -> bool:
        return bool(self._order)

    def add(self, tensor: Result, grad: Array) -> None:
        """Hand `grad` to the Function that made `tensor`, or to the tensor itself where it is a leaf.

        A first gradient is kept as it is and may be shared (x + x returns one array twice); the sum of two is the
        tape's own array, to which further ones are added in place.
        """
        dtype = tensor.data.dtype
        grad = grad if grad.dtype == dtype else grad.astype(dtype)
        function = tensor._creator
        if function is None:
            tensor._accumulate(grad)
            return
        known = self._grads.get(id(function))
        if known is None:
            heapq.heappush(self._order, (-function._order, id(function), function))
            self._grads[id(function)] = (grad, False)
        elif known[1]:
            module_of(grad).add(known[0], grad, out=known[0])
        else:
            total = empty(grad.shape, grad)
            self._grads[id(function)] = (module_of(grad).add(known[0], grad, out=total), True)

    def pop(self) -> tuple[Function, Array]:
        """The Function that ran last of those waiting, and the gradient by its result."""
        _, key, function = heapq.heappop(self._order)
        return function, self._grads.pop(key)[0]


def contiguous(array: Any) -> Array:
    """`array` in C order; NumPy's scalars become arrays."""
    if isinstance(array, np.ndarray) and array.flags.c_contiguous:
        return array
    xp = module_of(array) if hasattr(array, "dtype") else np
    array = xp.asarray(array)
    return array if array.flags.c_contiguous else xp.ascontiguousarray(array)
