"""Arrays of pictures with any order of axes, number of channels and size, brought to one form."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from gpucnn.errors import DataError

_COLOURS = (1, 3, 4)  # channels that pictures have: grey, colours, colours with transparency
LUMA = np.array([19595, 38470, 7471]) / 65536  # ITU-R 601, in the fractions that Pillow takes


def as_array(given: Any) -> np.ndarray:
    """An array of numbers from an array of any library, or nested lists. Raises DataError for anything else."""
    if hasattr(given, "detach"):
        given = given.detach()
    if not isinstance(given, np.ndarray) and hasattr(given, "numpy"):
        given = given.numpy()
    try:
        values = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"This is no array of pictures ({error}).") from None
    if values.dtype.kind not in "buif" or not values.size:
        raise DataError(
            f"Expected the path of a picture, a PIL image, an array of numbers or a list of these; given "
            f"{type(given).__name__} of {values.dtype} and shape {values.shape}."
        )
    return values


def channels_first(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """One picture or several, in any usual order of axes -> (N, c, h, w), for a network that takes `shape` (C, H, W).

    Of several interpretations, the one with the shape of the network's images is used, rows of their pixels
    (N, C * H * W) included, then one of their size, then any with 1, 3 or 4 channels. Raises DataError if there is
    none, or more than one.
    """
    readings = _readings(values, shape)
    for fits in (_exactly, _of_size, _of_channels):
        found = [reading for reading in readings if fits(reading, shape)]
        if len({(reading.shape, reading.strides) for reading in found}) > 1 and not _same(found):
            break
        if found:
            return found[0]
    sides = ", ".join("DHW"[-(len(shape) - 1) :])
    raise DataError(
        f"Pictures of shape {values.shape} can{'not be told apart' if readings else 'not be read'}: the network takes "
        f"{shape[0]} channels of {' x '.join(map(str, shape[1:]))}. Give (N, C, {sides}) or (N, {sides}, C), with "
        f"{shape[0]} channels or one that is stretched to that."
    )


def picture(image: np.ndarray) -> Image.Image:
    """A PIL image of pixels (1, 3 or 4, H, W), uint8."""
    last = np.ascontiguousarray(image.transpose(1, 2, 0))  # (C, H, W) -> (H, W, C)
    return Image.fromarray(last[..., 0] if last.shape[2] == 1 else last)


def with_channels(
    images: np.ndarray, channels: int, background: float, opacity: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Images (N, c, h, w) in `channels`, 1 or 3: float64. `opacity` makes shares of 0 to 1 of a fourth channel."""
    values = images.astype(np.float64)
    if values.shape[1] == 4:
        alpha = opacity(values[:, 3:]).clip(0, 1)
        values = values[:, :3] * alpha + background * (1 - alpha)
    if values.shape[1] == channels:
        return values
    if channels == 3:
        return values.repeat(3, axis=1)
    return np.einsum("nchw,c->nhw", values, LUMA)[:, None]


def resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images (N, C, h, w) stretched to (H, W), as picture files are: float32."""
    if images.shape[2:] == size:
        return images.astype(np.float32)
    out = np.empty((*images.shape[:2], *size), np.float32)
    for n, c in np.ndindex(*images.shape[:2]):
        plane = Image.fromarray(images[n, c].astype(np.float32))
        out[n, c] = np.asarray(plane.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return out


def _readings(values: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """The possible interpretations of the axes, each as (N, c, h, w)."""
    axes, readings = len(shape) - 1, []
    if values.ndim == axes:
        readings = [values[None, None]]  # (H, W)
    elif values.ndim == axes + 1:
        readings = [values[:, None], values[None], np.moveaxis(values, -1, 0)[None]]  # (N, H, W), (C, H, W), (H, W, C)
    elif values.ndim == axes + 2:
        readings = [values, np.moveaxis(values, -1, 1)]  # (N, C, H, W), (N, H, W, C)
    if values.ndim == 2 and values.shape[1] == math.prod(shape):
        readings.append(values.reshape(-1, *shape))  # (N, C*H*W) -> (N, C, H, W)
    colours = {*_COLOURS, shape[0]} if axes == 2 else {shape[0]}
    return [reading for reading in readings if reading.shape[1] in colours]


def _exactly(reading: np.ndarray, shape: tuple[int, ...]) -> bool:
    return reading.shape[1:] == shape


def _of_size(reading: np.ndarray, shape: tuple[int, ...]) -> bool:
    return reading.shape[2:] == shape[1:] and _convertible(reading.shape[1], shape)


def _of_channels(reading: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether it may be stretched: pictures of any size, but not several grey ones in one array (N, H, W)."""
    return _convertible(reading.shape[1], shape) and min(reading.shape[2:]) > max(_COLOURS)


def _convertible(channels: int, shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] in (1, 3) and channels in _COLOURS


def _same(readings: list[np.ndarray]) -> bool:
    """Whether all interpretations are the same array."""
    return all(reading.shape == readings[0].shape and np.array_equal(reading, readings[0]) for reading in readings[1:])
