"""Subsampling as in LeNet-5: the mean under a window, times a trained coefficient, plus a trained bias."""

from gpucnn.backend import Array, empty, module_of, written_by
from gpucnn.functional.checks import check_floating, check_per_channel
from gpucnn.functional.pooling import avg_pool2d
from gpucnn.geometry import PerAxis
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor

__all__ = ["subsample2d"]


class ChannelAffine(Function):
    """x (C, ..., N) · coefficient + bias, both (C,)."""

    layout = "batch_last"

    def forward(self, x: Array, coefficient: Array, bias: Array) -> Array:
        self.rows = x.reshape(x.shape[0], -1)  # (C, L): places and images
        self.coefficient = coefficient
        scaled = written_by(kernels_of(type(x)).norm.scale, self.rows.shape, self.rows, coefficient, bias)
        return scaled.reshape(x.shape)

    def backward(self, grad: Array) -> tuple[Array, Array, Array]:
        xp = module_of(grad)
        rows = grad.reshape(self.rows.shape)
        product = xp.multiply(rows, self.rows, out=empty(rows.shape, grad))
        by_coefficient = product.sum(axis=1)
        by_x = xp.multiply(rows, self.coefficient[:, None], out=product)
        return by_x.reshape(grad.shape), by_coefficient, rows.sum(axis=1)


def subsample2d(x: Tensor, coefficient: Tensor, bias: Tensor, kernel_size: PerAxis = 2) -> Tensor:
    """coefficient · mean + bias of each window of x (N, C, H, W): (N, C, H // kernel, W // kernel).

    coefficient and bias are (C,). Layers S2 and S4 of Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based
    Learning Applied to Document Recognition, 1998, section II-B; there it is the sum, so a coefficient here is
    theirs times the number of pixels of the window. Raises ShapeError where shapes do not fit.
    """
    check_floating("subsample2d", x, coefficient, bias)
    y = avg_pool2d(x, kernel_size)
    check_per_channel("subsample2d", x.shape, {"coefficient": coefficient, "bias": bias})
    return ChannelAffine.apply(y, coefficient, bias)
