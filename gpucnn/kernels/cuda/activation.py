"""Activations and dropout in CUDA, each in one pass. Arguments as in numpy/activation.py."""

from gpucnn.backend import Array
from gpucnn.generators import draw_key
from gpucnn.kernels.cuda import program

WORDS = 4  # random words that a thread draws at once, an element each


def relu(x: Array, out: Array) -> None:
    """out = max(x, 0)."""
    program.run("activation", "relu", x.dtype, x.size, x, out)


def relu_backward(grad: Array, y: Array, out: Array) -> None:
    """out = grad where relu's result y is above 0, else 0."""
    program.run("activation", "relu_backward", grad.dtype, grad.size, grad, y, out)


def leaky_relu(x: Array, slope: float, out: Array) -> None:
    """out = x where x > 0, else slope · x."""
    program.run("activation", "leaky_relu", x.dtype, x.size, x, x, float(slope), out)


def leaky_relu_backward(grad: Array, x: Array, slope: float, out: Array) -> None:
    """out = grad where x > 0, else slope · grad."""
    program.run("activation", "leaky_relu", grad.dtype, grad.size, grad, x, float(slope), out)


def scaled_tanh(x: Array, amplitude: float, slope: float, tanh: Array, out: Array) -> None:
    """tanh = tanh(slope · x), out = amplitude · tanh."""
    program.run("activation", "scaled_tanh", x.dtype, x.size, x, float(amplitude), float(slope), tanh, out)


def scaled_tanh_backward(grad: Array, tanh: Array, factor: float, out: Array) -> None:
    """out = grad · factor · (1 - tanh²)."""
    program.run("activation", "scaled_tanh_backward", grad.dtype, grad.size, grad, tanh, float(factor), out)


def sigmoid(x: Array, out: Array) -> None:
    """out = 1 / (1 + exp(-x))."""
    program.run("activation", "sigmoid", x.dtype, x.size, x, out)


def sigmoid_backward(grad: Array, y: Array, out: Array) -> None:
    """out = grad · y · (1 - y)."""
    program.run("activation", "sigmoid_backward", grad.dtype, grad.size, grad, y, out)


def dropout(x: Array, scales: Array, p: float, out: Array) -> None:
    """out = x · scales, where each of `scales`, undefined before, becomes 0 (by chance p) or 1 / (1 - p)."""
    seed, stream = draw_key()
    seeds, seed = (None, seed) if isinstance(seed, int) else (seed, 0)
    drawn = (x.size, seeds, seed, stream, round(p * 2**32))
    blocks = -(-x.size // (WORDS * program.THREADS))
    if blocks:
        program.launch(
            "activation", "dropout", x.dtype, (blocks,), (program.THREADS,), *drawn, 1 / (1 - p), x, scales, out
        )


def dropout_backward(grad: Array, scales: Array, out: Array) -> None:
    """out = grad · scales."""
    program.run("activation", "multiply", grad.dtype, grad.size, grad, scales, out)
