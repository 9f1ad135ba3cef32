"""The Functions that lay the same elements out otherwise: reshaped, permuted, repeated, joined."""

from gpucnn.backend import Array, module_of
from gpucnn.errors import ShapeError
from gpucnn.tensor.axes import axis_of, naming_shapes, unbroadcast
from gpucnn.tensor.function import Function


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


class Concatenate(Function):
    """Arrays joined along an existing axis."""

    def forward(self, *arrays: Array, axis: int = 0) -> Array:
        self.axis = axis = axis_of("concatenate", axis, arrays[0].shape)
        self.ends = [sum(a.shape[axis] for a in arrays[: i + 1]) for i in range(len(arrays) - 1)]
        with naming_shapes("concatenate", *(a.shape for a in arrays)):
            return module_of(arrays[0]).concatenate(arrays, axis=axis)

    def backward(self, grad: Array) -> tuple[Array, ...]:
        return tuple(module_of(grad).split(grad, self.ends, axis=self.axis))
