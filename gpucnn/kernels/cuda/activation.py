"""Activations and dropout in CUDA, each in one pass."""

from gpucnn.backend import Array
from gpucnn.generators import draw_key
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import program

WORDS = 4  # random words that a thread draws at once, an element each


class Activation(numpy.Activation):
    def relu(self, x: Array, out: Array) -> None:
        program.run("activation", "relu", x.dtype, x.size, x, out)

    def relu_backward(self, grad: Array, y: Array, out: Array) -> None:
        program.run("activation", "relu_backward", grad.dtype, grad.size, grad, y, out)

    def leaky_relu(self, x: Array, slope: float, out: Array) -> None:
        program.run("activation", "leaky_relu", x.dtype, x.size, x, x, float(slope), out)

    def leaky_relu_backward(self, grad: Array, x: Array, slope: float, out: Array) -> None:
        program.run("activation", "leaky_relu", grad.dtype, grad.size, grad, x, float(slope), out)

    def scaled_tanh(self, x: Array, amplitude: float, slope: float, tanh: Array, out: Array) -> None:
        program.run("activation", "scaled_tanh", x.dtype, x.size, x, float(amplitude), float(slope), tanh, out)

    def scaled_tanh_backward(self, grad: Array, tanh: Array, factor: float, out: Array) -> None:
        program.run("activation", "scaled_tanh_backward", grad.dtype, grad.size, grad, tanh, float(factor), out)

    def sigmoid(self, x: Array, out: Array) -> None:
        program.run("activation", "sigmoid", x.dtype, x.size, x, out)

    def sigmoid_backward(self, grad: Array, y: Array, out: Array) -> None:
        program.run("activation", "sigmoid_backward", grad.dtype, grad.size, grad, y, out)

    def dropout(self, x: Array, scales: Array, p: float, out: Array) -> None:
        seed, stream = draw_key()
        seeds, seed = (None, seed) if isinstance(seed, int) else (seed, 0)
        drawn = (x.size, seeds, seed, stream, round(p * 2**32))
        blocks = -(-x.size // (WORDS * program.THREADS))
        if blocks:
            program.launch(
                "activation", "dropout", x.dtype, (blocks,), (program.THREADS,), *drawn, 1 / (1 - p), x, scales, out
            )

    def dropout_backward(self, grad: Array, scales: Array, out: Array) -> None:
        program.run("activation", "multiply", grad.dtype, grad.size, grad, scales, out)
