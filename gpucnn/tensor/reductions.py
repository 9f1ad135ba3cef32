"""The Functions of reductions along axes: sums, the largest and the smallest value."""

from gpucnn.backend import Array, empty, module_of
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor.axes import Axes, axes_of, axis_of, kept_shape
from gpucnn.tensor.function import Function
from gpucnn.tensor.quiet import quietly


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


class CumulativeSum(Function):
    """Sums of all elements up to each along one axis."""

    def forward(self, x: Array, axis: int) -> Array:
        self.axis = axis_of("cumsum", axis, x.shape)
        return x.cumsum(axis=self.axis)

    def backward(self, grad: Array) -> Array:
        xp = module_of(grad)
        return xp.flip(xp.flip(grad, self.axis).cumsum(axis=self.axis), self.axis)
