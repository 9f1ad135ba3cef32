"""Normalisation of each image by its own mean and variance: over groups of channels, single channels, last axes."""

import math
from collections.abc import Sequence

from gpucnn.backend import Array, empty, module_of
from gpucnn.errors import ShapeError
from gpucnn.functional.checks import check_floating, check_per_channel
from gpucnn.functional.normalization import batch_norm, constant
from gpucnn.kernels.interface import Running
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.interluded import interluded

__all__ = ["group_norm", "instance_norm", "layer_norm"]


@interluded
class ImageNorm(Function):
    """x (A, B, N), in whatever shape, minus its mean over B and divided by its standard deviation there.

    Where weight and bias (K,) are given, the result, as (P, K, S, N), is multiplied by the one and the other is added.
    """

    layout = "batch_last"

    def forward(
        self, x: Array, *affine: Array, rows: int, places: tuple[int, int, int], eps: float, running: Running | None
    ) -> Array:
        xp, self.places = module_of(x), (*places, x.shape[-1])
        parts = x.reshape(rows, -1, x.shape[-1])  # (A, B, N)
        mean = parts.mean(axis=1, keepdims=True)
        y = xp.subtract(parts, mean, out=empty(parts.shape, x))
        variance = xp.multiply(y, y, out=empty(parts.shape, x)).mean(axis=1, keepdims=True)
        if running is not None:
            running.move(mean.mean(axis=(1, 2)), variance.mean(axis=(1, 2)), parts.shape[1])
        self.inverse = 1 / xp.sqrt(variance + eps)
        y *= self.inverse
        self.normalised, self.weight = y, None
        if affine:
            self.weight, bias = (each.reshape(-1, 1, 1) for each in affine)  # (K,) -> (K, 1, 1)
            y = xp.multiply(y.reshape(self.places), self.weight, out=empty(self.places, x))
            y += bias
        return y.reshape(x.shape)

    def backward(self, grad: Array) -> tuple[Array, ...]:
        """With g the gradient by the normalised x, x̂: (g - mean(g) - x̂ · mean(g · x̂)) / standard deviation."""
        by_affine: tuple[Array, ...] = ()
        by_places = grad.reshape(self.places)
        if self.weight is not None:
            by_weight = (by_places * self.normalised.reshape(self.places)).sum(axis=(0, 2, 3))
            by_affine = by_weight, by_places.sum(axis=(0, 2, 3))
            by_places = by_places * self.weight
        grads = by_places.reshape(self.normalised.shape)  # (A, B, N)
        by_x = grads - grads.mean(axis=1, keepdims=True)
        by_x -= self.normalised * (grads * self.normalised).mean(axis=1, keepdims=True)
        by_x *= self.inverse
        return (by_x.reshape(grad.shape), *by_affine)


def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) · weight + bias, for x (N, C, ...) with weight and bias (C,).

    Mean and (biased) variance are those of one image's group of C / num_groups channels. Y. Wu, K. He, Group
    Normalization, 2018, arXiv:1803.08494. Raises ShapeError where shapes do not fit, or x has one value per group.
    """
    check_per_channel("group_norm", x.shape, {"weight": weight, "bias": bias}, "num_channels")
    check_groups("group_norm", num_groups, x.shape[1] if x.ndim > 1 else 0)
    _check_more_than_one("group_norm", x.shape, x.size > num_groups, "a single image has one value for each group")
    return _normalised("group_norm", x, weight, bias, num_groups, (1, *_channels(x)), eps)


def instance_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As group_norm, for each channel of each image by itself; x (N, C, places...).

    The running statistics (C,), where they are given, move towards the mean over the images of means and unbiased
    variances by the fraction `momentum`; without `use_input_stats` they are used in place of the image's own.
    D. Ulyanov, A. Vedaldi, V. Lempitsky, Instance Normalization, 2016, arXiv:1607.08022. Raises ShapeError.
    """
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    check_per_channel("instance_norm", x.shape, given)
    channels, places = _channels(x)
    _check_more_than_one("instance_norm", x.shape, places > 1, "each channel of an image has one value")
    mean, variance = (None if t is None else t.memory for t in (running_mean, running_var))
    running = None if mean is None and variance is None else Running(mean, variance, momentum)
    return _normalised("instance_norm", x, weight, bias, channels, (1, channels, places), eps, running)


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """As group_norm, over the last axes of x, which are `normalized_shape`; weight and bias are of that shape.

    J. L. Ba, J. R. Kiros, G. E. Hinton, Layer Normalization, 2016, arXiv:1607.06450. Raises ShapeError.
    """
    last = tuple(normalized_shape)
    if not last or x.shape[-len(last) :] != last:
        raise ShapeError(f"layer_norm: x {x.shape} does not end in normalized_shape {last}. Give its last sizes")
    for name, given in (("weight", weight), ("bias", bias)):
        if given is not None and given.shape != last:
            raise ShapeError(f"layer_norm: {name} has shape {given.shape}; expected normalized_shape, {last}")
    if x.ndim == len(last):
        return layer_norm(x.reshape(1, *x.shape), last, weight, bias, eps).reshape(x.shape)
    rows, length = math.prod(x.shape[1 : -len(last)]), math.prod(last)
    weight, bias = (None if given is None else given.reshape(length) for given in (weight, bias))
    return _normalised("layer_norm", x, weight, bias, rows, (rows, length, 1), eps)


def _normalised(
    name: str,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    rows: int,
    places: tuple[int, int, int],
    eps: float,
    running: Running | None = None,
) -> Tensor:
    """ImageNorm, with ones for a missing weight beside a bias and zeros for a missing bias beside a weight."""
    check_floating(name, x, weight, bias)
    affine: tuple[Tensor, ...] = ()
    if weight is not None or bias is not None:
        affine = (
            constant(1, x, places[1]) if weight is None else weight,
            constant(0, x, places[1]) if bias is None else bias,
        )
    return ImageNorm.apply(x, *affine, rows=rows, places=places, eps=eps, running=running)


def _channels(x: Tensor) -> tuple[int, int]:
    """The number of channels of x (N, C, ...), and of places in each."""
    return x.shape[1] if x.ndim > 1 else 0, math.prod(x.shape[2:])


def check_groups(name: str, groups: int, channels: int) -> int:
    """`groups`. Raises ShapeError unless it divides the number of channels."""
    if groups < 1 or not channels or channels % groups:
        raise ShapeError(f"{name}: num_groups is {groups}, which does not divide the {channels} channels of the input")
    return groups


def _check_more_than_one(name: str, shape: tuple[int, ...], more: bool, why: str) -> None:
    if not more:
        raise ShapeError(f"{name}: {why}, which has no variance: x {shape}. Normalise earlier, or by batch_norm")
