"""The kernels in CUDA, over CuPy arrays; those that a GPU would not run faster are the reference's."""

from gpucnn.kernels.cuda import step
from gpucnn.kernels.reference import (
    activation,
    conv,
    gather,
    gemm,
    norm,
    padding,
    pool,
    softmax,
    sums,
    update,
    warp,
    window,
)

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
    "window",
]
