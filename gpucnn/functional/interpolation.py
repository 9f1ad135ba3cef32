"""Interpolation: maps of any other size, by the nearest pixel or linearly between neighbours."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal

from gpucnn.backend import Array, module_of
from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.checks import check_floating
from gpucnn.functional.resampling import Choose, Resample
from gpucnn.geometry import PerAxis, Reach, Sizes, per_axis
from gpucnn.tensor import Tensor

__all__ = ["InterpolationMode", "interpolate"]

InterpolationMode = Literal["nearest", "linear", "bilinear", "trilinear"]
AXES = {"linear": 1, "bilinear": 2, "trilinear": 3}
Factor = float | tuple[float, ...]


def interpolate(
    x: Tensor,
    size: PerAxis | None = None,
    scale_factor: Factor | None = None,
    mode: InterpolationMode = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """x (N, C, W), (N, C, H, W) or (N, C, D, H, W) in maps of `size`, or of floor(scale_factor · size).

    By the ratio r, of input to output sizes or 1 / scale_factor, output i is input floor(r · i) ("nearest"), or lies
    between neighbours at r · (i + 1/2) - 1/2, and at the border where that is outside ("linear", "bilinear",
    "trilinear" for one, two, three axes). With `align_corners` the outer pixels' centres stay where they are: output i
    lies at i · (input - 1) / (output - 1). With `recompute_scale_factor` r is the ratio of sizes in any case.
    Raises ShapeError for another number of axes or sizes, InputError for options that do not go together.
    """
    check_floating("interpolate", x)
    sizes, factors = interpolated(x.shape[1:], size, scale_factor, mode, align_corners)
    if recompute_scale_factor:
        factors = (None,) * len(sizes)
    ratios = [_ratio(*axis, align_corners) for axis in zip(x.shape[2:], sizes, factors, strict=True)]
    xp = module_of(x.memory)
    axes = [(n, xp.arange(count), r) for n, count, r in zip(x.shape[2:], sizes, map(float, ratios), strict=True)]
    if mode == "nearest":
        places = [xp.minimum(xp.floor(i * r), n - 1).astype("int64") for n, i, r in axes]
        return Choose.apply(x, places=places)
    shift = 0.0 if align_corners else 0.5
    return Resample.apply(x, matrices=[_between((i + shift) * r - shift, n).astype(x.dtype) for n, i, r in axes])


def interpolated(
    shape: Sizes,
    size: PerAxis | None,
    scale_factor: Factor | None,
    mode: str,
    align_corners: bool | None,
) -> tuple[Sizes, tuple[float | None, ...]]:
    """The sizes of the outputs for an input of `shape` (C, sizes...), and the factors that were given, or None each.

    Raises ShapeError, InputError as `interpolate`.
    """
    axes = len(shape) - 1
    if mode != "nearest" and mode not in AXES:
        raise InputError(f"interpolate: mode is {mode!r}; expected nearest, linear, bilinear or trilinear")
    if not 1 <= axes <= 3 or axes != AXES.get(mode, axes) or 0 in shape:
        raise ShapeError(
            f"interpolate: mode {mode} takes {AXES.get(mode, 'one to three')} axes beside images and channels, none of "
            f"them empty; given (channels, sizes...) {shape}"
        )
    if mode == "nearest" and align_corners is not None:
        raise InputError("interpolate: align_corners is of linear modes; leave it out with mode nearest")
    if (size is None) == (scale_factor is None):
        raise InputError(f"interpolate: size is {size}, scale_factor {scale_factor}; give one of them")
    if size is not None:
        return per_axis("interpolate", "size", size, axes, least=1), (None,) * axes
    given: tuple[Any, ...] = tuple(scale_factor) if isinstance(scale_factor, Sequence) else (scale_factor,) * axes
    sizes = tuple(math.floor(n * factor) for n, factor in zip(shape[1:], given, strict=False) if factor > 0)
    if len(given) != axes or len(sizes) != axes or 0 in sizes:
        raise ShapeError(
            f"interpolate: scale_factor is {scale_factor!r}; expected a number, or {axes} of them, that leave at least "
            f"one pixel of sizes {shape[1:]}"
        )
    return sizes, given


def _ratio(size: int, outputs: int, factor: float | None, align_corners: bool | None) -> Fraction:
    """How far apart in the input the outputs of an axis lie."""
    if align_corners:
        return Fraction(size - 1, outputs - 1) if outputs > 1 else Fraction(0)
    return Fraction(size, outputs) if factor is None else 1 / Fraction(factor).limit_denominator(1 << 20)


def _between(at: Array, size: int) -> Array:
    """The matrix (outputs, size) of linear interpolation at the places `at`: a pixel's share falls to 0 at the next."""
    xp = module_of(at)
    distances = abs(xp.clip(at, 0, size - 1)[:, None] - xp.arange(size))
    return xp.maximum(1 - distances, 0)


def interpolation_reach(size: int, outputs: int, factor: float | None, mode: str, align_corners: bool | None) -> Reach:
    """What the outputs of an axis read."""
    ratio = _ratio(size, outputs, factor, align_corners)
    if not ratio:
        return Reach(1, 0, 0)
    if mode == "nearest":
        return Reach(ratio, Fraction(1, ratio.denominator) - 1, 0)
    at = Fraction(0) if align_corners else ratio / 2 - Fraction(1, 2)
    rest = 1 - Fraction(1, ratio.denominator * (1 if align_corners else 2))
    return Reach(ratio, at - rest, at + rest)
