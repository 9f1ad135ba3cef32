"""Batch normalisation layers."""

import numpy as np

from gpucnn.errors import ShapeError
from gpucnn.functional.normalization import normalise
from gpucnn.geometry import Sizes
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.nn.layer import Layer, check_count, check_features
from gpucnn.nn.module import Buffer, Parameter
from gpucnn.tensor import Tensor

__all__ = ["BatchNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class BatchNorm(Layer):
    """Normalises each channel of (N, C) or (N, C, ...) to mean 0 and variance 1; see functional.batch_norm.

    weight, bias, running_mean, running_var: (num_features,). The running statistics are used in evaluation. A layer
    that is `frozen` normalises by them in training too, and leaves them unchanged. With momentum None they are the
    mean over all batches. Where processes share a batch, each normalises its images by their own statistics; with
    `sync`, by those of the whole batch.
    """

    kind, inferred = "batch_norm", "num_features"
    axes: tuple[int, ...] = (1, 2, 3, 4)  # lengths of an input's shape, without the images
    frozen = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        *,  # PyTorch's track_running_stats would be here
        sync: bool = False,
    ) -> None:
        self.num_features = check_count(self.kind, "num_features", num_features)
        self.eps, self.momentum, self.sync = eps, momentum, sync
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        self.running_mean = Buffer(np.zeros(num_features, np.float32))
        self.running_var = Buffer(np.ones(num_features, np.float32))
        self.num_batches_tracked = Buffer(np.zeros((), np.int64))

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return self._normalise(x, relu=False)

    def forward_relu(self, x: Tensor) -> Tensor:
        """relu(forward(x)), in one pass."""
        return self._normalise(x, relu=True)

    def _normalise(self, x: Tensor, relu: bool) -> Tensor:
        self.output_shape(x.shape[1:])
        running, learning = (self.running_mean, self.running_var), self.training and not self.frozen
        momentum = 1 / (1 + self.num_batches_tracked.item()) if self.momentum is None else self.momentum
        y = normalise(x, *running, self.weight, self.bias, learning, momentum, self.eps, relu, self.sync)
        if learning:
            counter = self.num_batches_tracked.memory
            kernels_of(type(counter)).step.count(counter)
        return y

    def output_shape(self, shape: Sizes) -> Sizes:
        """The input's shape, checked."""
        check_axes(self.kind, shape, self.axes)
        check_features(self.kind, shape, self.num_features)
        return shape


class BatchNorm1d(BatchNorm):
    """Over (N, C) or (N, C, W)."""

    kind, axes = "batch_norm1d", (1, 2)


class BatchNorm2d(BatchNorm):
    """Over (N, C, H, W)."""

    kind, axes = "batch_norm2d", (3,)


class BatchNorm3d(BatchNorm):
    """Over (N, C, D, H, W)."""

    kind, axes = "batch_norm3d", (4,)


def check_axes(kind: str, shape: Sizes, axes: tuple[int, ...]) -> None:
    """Raises ShapeError unless an input's shape, without the images, has one of these lengths."""
    if len(shape) not in axes:
        expected = " or ".join(map(str, axes))
        raise ShapeError(f"{kind}: expected {expected} axes beside the images, given {shape}")
