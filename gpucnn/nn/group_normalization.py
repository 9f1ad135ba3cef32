"""Layers that normalise each image by its own mean and variance."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucnn import functional as F
from gpucnn.errors import ShapeError
from gpucnn.functional.group_normalization import check_groups
from gpucnn.geometry import Sizes, per_axis
from gpucnn.nn.layer import Layer, check_count, check_features
from gpucnn.nn.module import Buffer, Parameter
from gpucnn.nn.normalization import check_axes
from gpucnn.tensor import Tensor

__all__ = ["GroupNorm", "InstanceNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LayerNorm"]


def _affine(shape: Sizes, weight: bool, bias: bool) -> tuple[Parameter | None, Parameter | None]:
    """The weight, of ones, and the bias, of zeros; None for one that is not wanted."""
    return (
        Parameter(np.ones(shape, np.float32)) if weight else None,
        Parameter(np.zeros(shape, np.float32)) if bias else None,
    )


class GroupNorm(Layer):
    """Normalises groups of channels of (N, C, ...); see functional.group_norm. weight and bias: (num_channels,)."""

    kind, inferred = "group_norm", "num_channels"

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        check_count(self.kind, "num_groups", num_groups)
        self.num_channels = check_count(self.kind, "num_channels", num_channels)
        self.num_groups, self.eps = check_groups(self.kind, num_groups, num_channels), eps
        self.weight, self.bias = _affine((num_channels,), affine, affine)

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def output_shape(self, shape: Sizes) -> Sizes:
        """The input's shape, checked."""
        check_features(self.kind, shape, self.num_channels, "num_channels")
        return shape


class LayerNorm(Layer):
    """Normalises the last axes of (N, ...); see functional.layer_norm. weight and bias: normalized_shape.

    In a configuration these are all axes but that of the images.
    """

    kind, inferred = "layer_norm", "normalized_shape"

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        axes = 1 if isinstance(normalized_shape, int) else len(normalized_shape)
        self.normalized_shape = per_axis(self.kind, "normalized_shape", normalized_shape, axes, least=1)
        self.eps = eps
        self.weight, self.bias = _affine(self.normalized_shape, elementwise_affine, elementwise_affine and bias)

    @classmethod
    def infer(cls, shape: Sizes) -> Any:
        """The whole shape."""
        return shape

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def output_shape(self, shape: Sizes) -> Sizes:
        """The input's shape, checked."""
        last = self.normalized_shape
        if shape[-len(last) :] != last:
            raise ShapeError(f"layer_norm: an input of shape {shape} does not end in normalized_shape {last}")
        return shape


class InstanceNorm(Layer):
    """Normalises each channel of each image of (N, C, places...); see functional.instance_norm.

    weight, bias, running_mean, running_var: (num_features,); by default there are none. Running statistics are used in
    evaluation; a layer that is `frozen` normalises by them in training too, and leaves them unchanged.
    """

    kind, inferred = "instance_norm", "num_features"
    axes: tuple[int, ...] = (2, 3, 4)  # lengths of an input's shape, without the images
    frozen = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ) -> None:
        self.num_features = check_count(self.kind, "num_features", num_features)
        self.eps, self.momentum, self.track_running_stats = eps, momentum, track_running_stats
        self.weight, self.bias = _affine((num_features,), affine, affine)
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.running_mean = Buffer(np.zeros(num_features, np.float32))
            self.running_var = Buffer(np.ones(num_features, np.float32))
            self.num_batches_tracked = Buffer(np.zeros((), np.int64))  # PyTorch keeps it, and leaves it at 0

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        self.output_shape(x.shape[1:])
        own = not self.track_running_stats or (self.training and not self.frozen)
        running = self.running_mean, self.running_var
        return F.instance_norm(x, *running, self.weight, self.bias, own, self.momentum, self.eps)

    def output_shape(self, shape: Sizes) -> Sizes:
        """The input's shape, checked."""
        check_axes(self.kind, shape, self.axes)
        check_features(self.kind, shape, self.num_features)
        return shape


class InstanceNorm1d(InstanceNorm):
    """Over (N, C, W)."""

    kind, axes = "instance_norm1d", (2,)


class InstanceNorm2d(InstanceNorm):
    """Over (N, C, H, W)."""

    kind, axes = "instance_norm2d", (3,)


class InstanceNorm3d(InstanceNorm):
    """Over (N, C, D, H, W)."""

    kind, axes = "instance_norm3d", (4,)
