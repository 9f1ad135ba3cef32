"""The kernels in C, over NumPy arrays; those that C would not make faster are the reference's."""

from gpucnn.kernels.cpu import activation, conv, gather, gemm, pool, softmax, sums, update
from gpucnn.kernels.reference import norm, padding, window

__all__ = ["activation", "conv", "gather", "gemm", "norm", "padding", "pool", "softmax", "sums", "update", "window"]
