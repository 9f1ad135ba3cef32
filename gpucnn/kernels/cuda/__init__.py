"""The kernels in CUDA, over CuPy arrays; those that a GPU would not run faster are the reference's."""

from gpucnn.kernels.cuda import activation, conv, gather, gemm, norm, padding, pool, softmax, step, sums, update
from gpucnn.kernels.numpy import warp

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
