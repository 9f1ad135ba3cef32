"""Normalisation of pixels, y = (x - shift) * scale, fitted on the training images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gpucnn.data.dataset import Dataset
from gpucnn.data.ranges import full_scale, recognise
from gpucnn.data.stored import pieces
from gpucnn.errors import DataError
from gpucnn.kernels.dispatch import kernels_of

Normalization = Literal["none", "unit", "standard", "mean_image"]
_EXACT = 256  # squares of bytes whose sum float32 holds exactly, being below 2^24: float64 takes six times as long


@dataclass(frozen=True, eq=False)
class Normalizer:
    """A shift and a scale, float64, each (1, 1, 1), (C, 1, 1) or (C, H, W): y = (x - shift) * scale.

    Those of signals (C, W) and volumes (C, D, H, W) have as many axes as they.
    """

    shift: np.ndarray
    scale: np.ndarray

    def apply(self, images: np.ndarray, dtype: str = "float32") -> np.ndarray:
        """Images (N, C, H, W) of any type -> (N, C, H, W) of the floating type `dtype`."""
        out = np.subtract(images, self.shift.astype(dtype), dtype=dtype)
        return np.multiply(out, self.scale.astype(dtype), out=out)

    def take_batch_last(self, images: np.ndarray, indices: np.ndarray, dtype: str = "float32") -> np.ndarray:
        """The images at `indices` (N,) of images (M, C, H, W) of any type -> (C, H, W, N) of the type `dtype`."""
        shift, scale = self.shift.astype(dtype), self.scale.astype(dtype)
        return kernels_of(type(images)).gather.normalised(images, indices, shift, scale)

    @classmethod
    def of_fractions(cls, images: np.ndarray) -> "Normalizer":
        """The normalizer that makes the pixels of pictures fractions of 1; see `ranges.full_scale`."""
        return cls(_whole(0.0, images), _whole(1 / full_scale(images), images))

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays to save; `from_arrays` restores the normalizer."""
        return {"shift": self.shift, "scale": self.scale}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], image_shape: tuple[int, ...]) -> "Normalizer":
        """The normalizer of (C, H, W) images that `arrays` was saved from. Raises DataError for other arrays."""
        if not {"shift", "scale"} <= arrays.keys():
            raise DataError(f"A normalizer is saved as 'shift' and 'scale'; here are {sorted(arrays)}.")
        ones = (1,) * (len(image_shape) - 1)
        for name in ("shift", "scale"):
            array = arrays[name]
            if array.shape not in ((1, *ones), (image_shape[0], *ones), image_shape):
                raise DataError(f"'{name}' has shape {array.shape}, which does not fit images of {image_shape}.")
            if not np.isfinite(array).all():
                raise DataError(f"'{name}' holds numbers that are not finite.")
        return cls(np.asarray(arrays["shift"], np.float64), np.asarray(arrays["scale"], np.float64))

    @classmethod
    def fit(cls, kind: Normalization, train: Dataset) -> "Normalizer":
        """The normalizer of that kind for the training images.

        none: as they are. unit: 0 to 1, from the range of the training pixels (0 to 1, 0 to 16, 0 to 255, ..., else
        from the lowest to the highest), whatever their type. standard: mean 0 and standard deviation 1 in every
        channel. mean_image: unit, minus the mean of the training images at every pixel.
        """
        return cls.of(kind, train.images)

    @classmethod
    def of(cls, kind: Normalization, images: np.ndarray) -> "Normalizer":
        """As `fit`, for images (N, C, ...): rows (N, F) have a channel for every feature."""
        match kind:
            case "none":
                return cls(_whole(0.0, images), _whole(1.0, images))
            case "unit":
                return _unit(images)
            case "standard":
                return _standard(images)
            case "mean_image":
                mean = sum(piece.sum(axis=0, dtype=np.float64) for piece in pieces(images)) / len(images)
                return cls(np.asarray(mean), _unit(images).scale)
        raise DataError(f"normalize is {kind!r}; it can be none, unit, standard or mean_image.")


def _whole(value: float, images: np.ndarray) -> np.ndarray:
    """One value for all of an image: (1, 1, 1)."""
    return np.full((1,) * (images.ndim - 1), value)


def _unit(images: np.ndarray) -> Normalizer:
    pixels = recognise(images)
    return Normalizer(_whole(pixels.low, images), _whole(1 / (pixels.high - pixels.low), images))


def _standard(images: np.ndarray) -> Normalizer:
    """Per channel, in float64: the sums over whole numbers are exact, so no order of adding changes them."""
    channels, pixels = images.shape[1], images.size // images.shape[1]
    sums, squares = np.zeros(channels), np.zeros(channels)
    for piece in pieces(images):
        for channel in range(channels):
            added = _moments(piece[:, channel].reshape(-1))
            sums[channel] += added[0]
            squares[channel] += added[1]
    mean = sums / pixels
    deviation = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    scale = np.divide(1, deviation, out=np.ones(channels), where=deviation > 0)  # a constant channel stays 0
    shape = (channels, *(1,) * (images.ndim - 2))  # (C,) -> (C, 1, 1)
    return Normalizer(mean.reshape(shape), scale.reshape(shape))


def _moments(values: np.ndarray) -> tuple[float, float]:
    """The sum of values (n,), and that of their squares."""
    if values.dtype != np.uint8:
        values = values.astype(np.float64)
        return values.sum(), np.dot(values, values)
    rows = values[: values.size // _EXACT * _EXACT].reshape(-1, _EXACT).astype(np.float32)
    rest = values[rows.size :].astype(np.float64)
    squares = np.einsum("ij,ij->i", rows, rows)
    return rows.sum(dtype=np.float64) + rest.sum(), squares.sum(dtype=np.float64) + np.dot(rest, rest)
