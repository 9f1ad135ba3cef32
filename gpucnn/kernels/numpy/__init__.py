"""The kernels on NumPy or CuPy: what every other set is held against, and the fallback where there is none."""

from gpucnn.kernels.numpy import (
    activation,
    conv,
    gather,
    gemm,
    norm,
    padding,
    pool,
    softmax,
    step,
    sums,
    update,
    warp,
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
]
