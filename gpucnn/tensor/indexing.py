"""The Functions that choose elements: by an index, and along an axis."""

from typing import Any

import numpy as np

from gpucnn.backend import Array, module_of, zeros
from gpucnn.tensor.axes import axis_of
from gpucnn.tensor.function import Function


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
