"""The kernels in C, over NumPy arrays; those that C would not make faster are the reference's."""

from gpucnn.kernels.c import activation, conv, gather, gemm, norm, pool, softmax, sums, update, warp
from gpucnn.kernels.numpy import padding, step

__all__ = [
    "activation",
    "conv",
    "gather",
    "gemm",
    "norm",
    "padding",
    "pool",
    "softmax",
    "step",
    "sums",
    "update",
    "warp",
]
