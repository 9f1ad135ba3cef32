"""Subsampling as in LeNet-5: the mean under a window, times a trained coefficient, plus a trained bias."""

from gpucnn.backend import empty
from gpucnn.functional.checks import check_floating, check_per_channel
from gpucnn.functional.normalization import FixedBatchNorm
from gpucnn.functional.pooling import avg_pool2d
from gpucnn.geometry import PerAxis
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Tensor

__all__ = ["subsample2d"]


def subsample2d(x: Tensor, coefficient: Tensor, bias: Tensor, kernel_size: PerAxis = 2) -> Tensor:
    """coefficient · mean + bias of each window of x (N, C, H, W): (N, C, H // kernel, W // kernel).

    coefficient and bias are (C,). Layers S2 and S4 of Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based
    Learning Applied to Document Recognition, 1998, section II-B; there it is the sum, so a coefficient here is
    theirs times the number of pixels of the window. Raises ShapeError where shapes do not fit.
    """
    check_floating("subsample2d", x, coefficient, bias)
    y = avg_pool2d(x, kernel_size)
    check_per_channel("subsample2d", x.shape, {"coefficient": coefficient, "bias": bias})
    mean, variance = (empty(coefficient.shape, x.memory) for _ in range(2))
    fill = kernels_of(type(mean)).arithmetic.fill
    fill(0.0, mean)
    fill(1.0, variance)
    # y · coefficient + bias
    return FixedBatchNorm.apply(y, coefficient, bias, mean=mean, variance=variance, eps=0.0, relu=False)
