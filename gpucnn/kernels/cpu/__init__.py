"""The kernels in C, over NumPy arrays; those that C would not make faster are the reference's."""

from gpucnn.kernels.cpu import conv, gemm, pool, softmax
from gpucnn.kernels.reference import norm, padding, update, window

__all__ = ["conv", "gemm", "norm", "padding", "pool", "softmax", "update", "window"]
