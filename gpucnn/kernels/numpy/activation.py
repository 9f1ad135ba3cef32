"""Activations and dropout in NumPy and CuPy."""

from gpucnn.backend import Array, empty, module_of, zeros
from gpucnn.generators import fill_uniform
from gpucnn.kernels import interface


class Activation(interface.Activation):
    def relu(self, x: Array, out: Array) -> None:
        zero = zeros(x.shape[1:], x)  # NumPy's maximum is three times as fast against an array as against a number
        module_of(x).maximum(x, zero, out=out)

    def relu_backward(self, grad: Array, y: Array, out: Array) -> None:
        xp = module_of(grad)
        xp.multiply(grad, xp.greater(y, 0, out=empty(grad.shape, grad, dtype=bool)), out=out)

    def leaky_relu(self, x: Array, slope: float, out: Array) -> None:
        _leaky(x, x, slope, out)

    def leaky_relu_backward(self, grad: Array, x: Array, slope: float, out: Array) -> None:
        _leaky(grad, x, slope, out)

    def scaled_tanh(self, x: Array, amplitude: float, slope: float, tanh: Array, out: Array) -> None:
        xp = module_of(x)
        xp.multiply(x, slope, out=tanh)
        xp.tanh(tanh, out=tanh)
        xp.multiply(tanh, amplitude, out=out)

    def scaled_tanh_backward(self, grad: Array, tanh: Array, factor: float, out: Array) -> None:
        xp = module_of(grad)
        xp.multiply(tanh, tanh, out=out)
        xp.subtract(1, out, out=out)
        out *= factor
        xp.multiply(out, grad, out=out)

    def sigmoid(self, x: Array, out: Array) -> None:
        xp = module_of(x)
        small = xp.exp(-xp.abs(x))  # at most 1: no overflow, and small results keep their digits
        xp.divide(xp.where(x >= 0, 1, small), 1 + small, out=out)

    def sigmoid_backward(self, grad: Array, y: Array, out: Array) -> None:
        xp = module_of(grad)
        xp.multiply(grad, y, out=out)
        xp.multiply(out, 1 - y, out=out)

    def dropout(self, x: Array, scales: Array, p: float, out: Array) -> None:
        xp = module_of(x)
        fill_uniform(scales)
        xp.greater_equal(scales, p, out=scales, casting="unsafe")
        scales *= 1 / (1 - p)
        xp.multiply(x, scales, out=out)

    def dropout_backward(self, grad: Array, scales: Array, out: Array) -> None:
        module_of(grad).multiply(grad, scales, out=out)


def _leaky(value: Array, x: Array, slope: float, out: Array) -> None:
    xp = module_of(x)
    xp.multiply(value, xp.where(x > 0, x.dtype.type(1), x.dtype.type(slope)), out=out)
