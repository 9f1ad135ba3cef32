"""Layers that make maps of a given size: adaptive pooling, and Upsample."""

from typing import ClassVar

from gpucnn import functional as F
from gpucnn.functional.adaptive_pooling import (
    OutputSize,
    adaptive_avg_pool,
    adaptive_max_pool,
    adaptive_reach,
    adaptive_sizes,
    even_window,
)
from gpucnn.functional.interpolation import (
    Factor,
    InterpolationMode,
    interpolated,
    interpolation_reach,
)
from gpucnn.geometry import PerAxis, Reach, Sizes, Window, hashable
from gpucnn.nn.layer import Layer
from gpucnn.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "Upsample",
]


class AdaptivePool(Layer):
    """Base of adaptive pooling in one, two and three dimensions (`axes`)."""

    axes: ClassVar[int]

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = hashable(output_size)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(C, outputs...) for (C, sizes...)."""
        return (shape[0], *adaptive_sizes(self.kind, self.axes, (1, *shape), self.output_size))

    def window(self, shape: Sizes) -> Window | None:
        """The window that all outputs have; None where theirs differ."""
        return even_window(shape[1:], self.output_shape(shape)[1:])

    def reach(self, shape: Sizes) -> tuple[Reach, ...]:
        """What an output reads."""
        return tuple(map(adaptive_reach, shape[1:], self.output_shape(shape)[1:]))


class _AdaptiveAvgPool(AdaptivePool):
    def forward(self, x: Tensor) -> Tensor:
        """(N, C, outputs...)."""
        return adaptive_avg_pool(self.axes, x, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Averages of (N, C, W) that make lines of output_size; see functional.adaptive_avg_pool1d."""

    kind, axes = "adaptive_avg_pool1d", 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Averages of (N, C, H, W) that make maps of output_size; see functional.adaptive_avg_pool2d."""

    kind, axes = "adaptive_avg_pool2d", 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Averages of (N, C, D, H, W) that make volumes of output_size; see functional.adaptive_avg_pool3d."""

    kind, axes = "adaptive_avg_pool3d", 3


class _AdaptiveMaxPool(AdaptivePool):
    def forward(self, x: Tensor) -> Tensor:
        """(N, C, outputs...)."""
        return adaptive_max_pool(self.axes, x, self.output_size)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Largest values of (N, C, W) that make lines of output_size; see functional.adaptive_max_pool1d."""

    kind, axes = "adaptive_max_pool1d", 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Largest values of (N, C, H, W) that make maps of output_size; see functional.adaptive_max_pool2d."""

    kind, axes = "adaptive_max_pool2d", 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Largest values of (N, C, D, H, W) that make volumes of output_size; see functional.adaptive_max_pool3d."""

    kind, axes = "adaptive_max_pool3d", 3


class Upsample(Layer):
    """Maps of another size, larger or smaller; see functional.interpolate."""

    kind = "upsample"

    def __init__(
        self,
        size: PerAxis | None = None,
        scale_factor: Factor | None = None,
        mode: InterpolationMode = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        self.size, self.scale_factor = hashable(size), hashable(scale_factor)
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, outputs...)."""
        return F.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(C, outputs...) for (C, sizes...)."""
        sizes, _ = interpolated(shape, self.size, self.scale_factor, self.mode, self.align_corners)
        return (shape[0], *sizes)

    def reach(self, shape: Sizes) -> tuple[Reach, ...]:
        """What an output reads."""
        sizes, factors = interpolated(shape, self.size, self.scale_factor, self.mode, self.align_corners)
        axes = zip(shape[1:], sizes, factors, strict=True)
        return tuple(interpolation_reach(*axis, self.mode, self.align_corners) for axis in axes)
