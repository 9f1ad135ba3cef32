"""The kernels on NumPy or CuPy: what every other set is held against, and the fallback where there is none."""

from gpucnn.kernels.reference import conv, gemm, norm, padding, pool, softmax, update, window

__all__ = ["conv", "gemm", "norm", "padding", "pool", "softmax", "update", "window"]
