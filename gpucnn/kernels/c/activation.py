"""Activations and dropout in C, each in one pass."""

from gpucnn.backend import Array
from gpucnn.generators import own_bits
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library


class Activation(numpy.Activation):
    def relu(self, x: Array, out: Array) -> None:
        library.c.relu(x, out)

    def relu_backward(self, grad: Array, y: Array, out: Array) -> None:
        library.c.relu_backward(grad, y, out)

    def leaky_relu(self, x: Array, slope: float, out: Array) -> None:
        library.c.leaky_relu(x, x, slope, out)

    def leaky_relu_backward(self, grad: Array, x: Array, slope: float, out: Array) -> None:
        library.c.leaky_relu(grad, x, slope, out)

    def scaled_tanh(self, x: Array, amplitude: float, slope: float, tanh: Array, out: Array) -> None:
        library.c.scaled_tanh(x, amplitude, slope, tanh, out)

    def scaled_tanh_backward(self, grad: Array, tanh: Array, factor: float, out: Array) -> None:
        library.c.scaled_tanh_backward(grad, tanh, factor, out)

    def sigmoid(self, x: Array, out: Array) -> None:
        library.c.sigmoid(x, out)

    def sigmoid_backward(self, grad: Array, y: Array, out: Array) -> None:
        library.c.sigmoid_backward(grad, y, out)

    def dropout(self, x: Array, scales: Array, p: float, out: Array) -> None:
        bits = own_bits()
        with bits.lock:
            library.c.uniform(bits.capsule, scales)
        library.c.dropout(x, p, 1 / (1 - p), scales, out)

    def dropout_backward(self, grad: Array, scales: Array, out: Array) -> None:
        library.c.multiply(grad, scales, out)
