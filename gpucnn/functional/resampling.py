"""Maps of another size: each axis of the outputs is a matrix, or a choice of places, times that of the input."""

import math
from collections.abc import Sequence

from gpucnn.backend import Array, module_of
from gpucnn.tensor import Function
from gpucnn.tensor.interluded import interluded
from gpucnn.tensor.products import matrix_product


@interluded
class Resample(Function):
    """x (C, sizes..., N) times a matrix (outputs, size) along each spatial axis."""

    layout = "batch_last"

    def forward(self, x: Array, matrices: Sequence[Array]) -> Array:
        """(C, outputs..., N)."""
        self.matrices = matrices
        return along_axes(x, matrices)

    def backward(self, grad: Array) -> Array:
        """The same product, by the matrices transposed."""
        return along_axes(grad, [matrix.T for matrix in self.matrices])


@interluded
class Choose(Function):
    """x (C, sizes..., N) at the given places, (outputs,) integers, of each spatial axis."""

    layout = "batch_last"

    def forward(self, x: Array, places: Sequence[Array]) -> Array:
        """(C, outputs..., N)."""
        self.sizes, self.places = x.shape[1:-1], places
        for axis, chosen in enumerate(places, 1):
            x = x.take(chosen, axis=axis)
        return x

    def backward(self, grad: Array) -> Array:
        """A product, so that what was chosen several times is added up in a fixed order."""
        xp = module_of(grad)
        chosen = [xp.arange(n)[:, None] == place for n, place in zip(self.sizes, self.places, strict=True)]
        return along_axes(grad, [matrix.astype(grad.dtype) for matrix in chosen])  # (size, outputs)


def along_axes(x: Array, matrices: Sequence[Array]) -> Array:
    """x (C, sizes..., N) times a matrix (outputs, size) along each axis between the first and the last."""
    for axis, matrix in enumerate(matrices, 1):
        before, behind = x.shape[:axis], x.shape[axis + 1 :]
        rows = x.reshape(math.prod(before), x.shape[axis], math.prod(behind))
        x = matrix_product(matrix, rows).reshape(*before, len(matrix), *behind)
    return x
