"""Activations and dropout in NumPy and CuPy."""

from gpucnn.backend import Array, empty, module_of, zeros
from gpucnn.generators import fill_uniform


class Activation:
    """Activations and dropout, element by element: all arrays of one call have one shape."""

    def relu(self, x: Array, out: Array) -> None:
        """out = max(x, 0)."""
        zero = zeros(x.shape[1:], x)  # NumPy's maximum is three times as fast against an array as against a number
        module_of(x).maximum(x, zero, out=out)

    def relu_backward(self, grad: Array, y: Array, out: Array) -> None:
        """out = grad where the result y of relu is above 0, else 0."""
        xp = module_of(grad)
        xp.multiply(grad, xp.greater(y, 0, out=empty(grad.shape, grad, dtype=bool)), out=out)

    def leaky_relu(self, x: Array, slope: float, out: Array) -> None:
        """out = x where x > 0, else slope · x."""
        _leaky(x, x, slope, out)

    def leaky_relu_backward(self, grad: Array, x: Array, slope: float, out: Array) -> None:
        """out = grad where x > 0, else slope · grad."""
        _leaky(grad, x, slope, out)

    def scaled_tanh(self, x: Array, amplitude: float, slope: float, tanh: Array, out: Array) -> None:
        """tanh = tanh(slope · x), out = amplitude · tanh."""
        xp = module_of(x)
        xp.multiply(x, slope, out=tanh)
        xp.tanh(tanh, out=tanh)
        xp.multiply(tanh, amplitude, out=out)

    def scaled_tanh_backward(self, grad: Array, tanh: Array, factor: float, out: Array) -> None:
        """out = grad · factor · (1 - tanh²)."""
        xp = module_of(grad)
        xp.multiply(tanh, tanh, out=out)
        xp.subtract(1, out, out=out)
        out *= factor
        xp.multiply(out, grad, out=out)

    def sigmoid(self, x: Array, out: Array) -> None:
        """out = 1 / (1 + exp(-x))."""
        xp = module_of(x)
        small = xp.exp(-xp.abs(x))  # at most 1: no overflow, and small results keep their digits
        xp.divide(xp.where(x >= 0, 1, small), 1 + small, out=out)

    def sigmoid_backward(self, grad: Array, y: Array, out: Array) -> None:
        """out = grad · y · (1 - y), with the result y of sigmoid."""
        xp = module_of(grad)
        xp.multiply(grad, y, out=out)
        xp.multiply(out, 1 - y, out=out)

    def dropout(self, x: Array, scales: Array, p: float, out: Array) -> None:
        """out = x · scales, where each of `scales`, undefined before, becomes 0 (with probability p) or 1 / (1 - p).

        Draws from the process's generator.
        """
        xp = module_of(x)
        fill_uniform(scales)
        xp.greater_equal(scales, p, out=scales, casting="unsafe")
        scales *= 1 / (1 - p)
        xp.multiply(x, scales, out=out)

    def dropout_backward(self, grad: Array, scales: Array, out: Array) -> None:
        """out = grad · scales."""
        module_of(grad).multiply(grad, scales, out=out)


def _leaky(value: Array, x: Array, slope: float, out: Array) -> None:
    xp = module_of(x)
    xp.multiply(value, xp.where(x > 0, x.dtype.type(1), x.dtype.type(slope)), out=out)
