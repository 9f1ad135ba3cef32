"""Changes in place, and Views: Tensors that show a part of another, or all of it in another shape.

In PyTorch `x[0]` and `x.reshape(-1)` share x's memory, so a change of either in place is one of both. Here a View has
memory of its own, and knows how to take its values from the Tensor that it is of, and how to put others there: it puts
what is written to it, and takes anew when that Tensor has changed.
"""

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from gpucnn.backend import Array, module_of
from gpucnn.errors import ShapeError
from gpucnn.tensor.function import Function, Variable, is_grad_enabled, no_grad, wrap


class SetItem(Function):
    """A copy of x with `value` at x[index]."""

    def forward(self, x: Array, value: Array, index: Any) -> Array:
        """The copy."""
        self.index, self.shape = index, value.shape
        y = x.copy()
        y[index] = value
        return y

    def backward(self, grad: Array) -> tuple[Array, Array]:
        """By x what was not replaced, by the value the rest, summed where it was broadcast."""
        by_x, by_value = grad.copy(), grad[self.index]
        by_x[self.index] = 0
        extra = by_value.ndim - len(self.shape)
        axes = tuple(i for i in range(by_value.ndim) if i < extra or self.shape[i - extra] != by_value.shape[i])
        return by_x, by_value.sum(axis=axes, keepdims=True).reshape(self.shape)


class Changeable(Variable):
    """A Variable that can be changed in place, with or without a gradient."""

    def __setitem__(self, index: Any, value: Any) -> None:
        value = value.before_change() if isinstance(value, Changeable) else Variable.tensor_class(value)
        index = plain_index(index)
        if type(self)._writes_directly and self._creator is None and not _recorded(self, value):
            whole = np.moveaxis(self.memory, -1, 0) if self.batch_last else self.memory
            whole[index] = value.to_logical().memory
            self._version += 1
        else:
            self.assign_(SetItem.apply(self.before_change(), value, index=index))

    _writes_directly = True

    def before_change(self) -> Any:
        """This Tensor as it is now, for what is recorded of a change: the change does not reach it."""
        if self._creator is None and self.requires_grad:
            return self
        tensor = wrap(self.memory, self.batch_last)
        tensor.requires_grad, tensor._creator = self.requires_grad, self._creator
        return tensor

    def assign_(self, value: Any) -> Self:
        """Take the values of `value`, of this shape, and where operations are recorded its origin. Returns this Tensor.

        Raises ShapeError for another shape, RuntimeError for a leaf whose gradient is asked for, outside no_grad().
        """
        if value.shape != self.shape:
            raise ShapeError(f"a Tensor of shape {self.shape} cannot take values of shape {value.shape} in place")
        moved = value.to_batch_last() if self.batch_last else value.to_logical()
        if _recorded(self, value):
            if self._creator is None and self.requires_grad:
                raise RuntimeError(
                    "a Tensor with requires_grad=True that no operation computed cannot be changed in place while "
                    "operations are recorded; do it inside `with gpucnn.no_grad():`"
                )
            moved = moved if moved.dtype == self.dtype else moved.to(self.dtype)
            self.memory, self._creator, self.requires_grad = moved.memory, moved._creator, moved.requires_grad
        elif self._creator is None:
            module_of(self.memory).copyto(self.memory, moved.memory, casting="unsafe")
        else:  # Functions may have kept its memory
            self.memory = moved.memory.astype(self.dtype)
        self._version += 1
        return self


def _recorded(*tensors: Variable) -> bool:
    return is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def in_place(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The form of an operation that changes its first Tensor: `add_` for `add`, and what += does."""

    def change(self: Any, *values: Any, **options: Any) -> Any:
        before = self.before_change()
        if before is self and is_grad_enabled():
            return self.assign_(self)  # told there
        result = operation(before, *values, **options)
        if (self.dtype.kind != "f" and result.dtype.kind == "f") or (self.dtype.kind == "b" != result.dtype.kind):
            raise TypeError(f"a Tensor of {self.dtype} cannot take {result.dtype} in place; give it that dtype first")
        return self.assign_(result)

    change.__doc__ = f"As {operation.__name__.strip('_')}, in place."
    return change


class ViewOf(Changeable):
    """Base of View. `_take(of)` computes its values, `_put(of, view)` changes the Tensor it is of; None: not known."""

    _of: Any
    _take: Callable[[Any], Any]
    _put: Callable[[Any, Any], Any] | None
    _seen: int
    _own: Array
    _writes_directly = False

    @property
    def memory(self) -> Array:
        """The values, taken anew if the Tensor it is of has changed."""
        if self._seen != self._of._version:
            if self._put is None:
                raise RuntimeError(UNSURE)
            if self.requires_grad:
                raise RuntimeError("a Tensor was changed in place after a part of it was taken; take the part again")
            with no_grad():
                self._own = self._take(self._of).memory
            self._seen = self._of._version
        return self._own

    @memory.setter
    def memory(self, array: Array) -> None:
        self._own = array

    @property
    def _version(self) -> int:
        return self._of._version

    @_version.setter
    def _version(self, version: int) -> None:
        """Nothing: to change a view is to change what it is of."""

    def assign_(self, value: Any) -> Self:
        """As Changeable's; the Tensor that this is a view of changes too."""
        if self._put is None:
            raise RuntimeError(UNSURE)
        if value.shape != self.shape:
            raise ShapeError(f"a Tensor of shape {self.shape} cannot take values of shape {value.shape} in place")
        self._put(self._of, value)
        moved = value.to_batch_last() if self.batch_last else value.to_logical()
        self._own = moved.memory.astype(self._own.dtype)
        if _recorded(value):
            self._creator, self.requires_grad = moved._creator, True
        self._seen = self._of._version
        return self

    def __reduce__(self) -> Any:
        return Variable.tensor_class, (Variable.tensor_class(self), self.requires_grad)


UNSURE = (
    "this Tensor is a reshape of a transposed or indexed one, which may share its memory or be a copy: it cannot be "
    "changed in place, nor used after the other was. Write clone() behind it, or y = y + 1 in place of y += 1"
)


def plain_index(index: Any) -> Any:
    """An index with its Tensors as arrays, and arrays copied: backward needs their values at the time of the call."""
    return tuple(map(_plain, index)) if isinstance(index, tuple) else _plain(index)


def _plain(part: Any) -> Any:
    if isinstance(part, Variable):
        return part.to_logical().memory.copy()
    return part.copy() if isinstance(part, np.ndarray | list) else part


def is_basic(index: Any) -> bool:
    """Whether x[index] is a part of x, not a selection of single elements."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)
