"""Arrays as bytes that a page can draw: images, feature maps and kernels in 8 bits."""

import base64
import copy
from typing import Any

import numpy as np

from gpucnn.data import Dataset

THUMBNAIL, THUMBNAIL_OF_VOLUME = 48, 16  # pixels: the longest side of a small picture
THUMBNAIL_OF_SIGNAL = (48, 192)  # channels, and samples along it


class Viewer:
    """Makes images of a data set viewable: 0..255, grey or RGB.

    Floating pixels are stretched from the smallest to the largest of the data set. A signal (C, W) is a grey picture of
    C rows. Of pictures and volumes with neither one nor three channels the first is shown.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.images = dataset.images
        self.low, self.high = 0.0, 255.0
        if self.images.dtype != np.uint8:
            self.low, self.high = float(self.images.min()), float(self.images.max())

    @property
    def note(self) -> str:
        """How pixels were turned into shades, in words."""
        channels = self.images.shape[1]
        parts = []
        if self.images.ndim == 3:
            parts.append("Each row of a picture is a channel of the signal.")
        elif channels not in (1, 3):
            parts.append(f"The first of {channels} channels is shown.")
        if self.images.dtype != np.uint8:
            parts.append(f"Black is {self.low:.4g}, white {self.high:.4g}.")
        return " ".join(parts)

    def of(self, images: np.ndarray) -> "Viewer":
        """A viewer of other images (N, C, *sizes), with the same range of pixels."""
        other = copy.copy(self)
        other.images = images
        return other

    def view(self, indices: np.ndarray) -> np.ndarray:
        """The images at `indices` (n,) as uint8 (n, K, D, H, W), K being 1 or 3, D the slices of a volume, else 1."""
        images = self.images[indices]
        if images.ndim == 3:
            images = images[:, None, None]  # (n, C, W) -> (n, 1, 1, C, W)
        elif images.ndim == 4:
            images = images[:, :, None]  # (n, C, H, W) -> (n, C, 1, H, W)
        if images.shape[1] not in (1, 3):
            images = images[:, :1]
        if images.dtype == np.uint8:
            return images
        span = (self.high - self.low) or 1.0
        return np.rint((images.astype(np.float64) - self.low) / span * 255).astype(np.uint8)

    def thumbnails(self, indices: np.ndarray) -> np.ndarray:
        """The same images, large ones made smaller by leaving out pixels."""
        views = self.view(indices)
        if self.images.ndim == 3:
            steps = [-(-size // most) for size, most in zip(views.shape[3:], THUMBNAIL_OF_SIGNAL, strict=True)]
        else:
            most = THUMBNAIL if self.images.ndim == 4 else THUMBNAIL_OF_VOLUME
            steps = [-(-max(views.shape[2:]) // most)] * 3
        for axis, step in enumerate(steps, start=views.ndim - len(steps)):
            size = views.shape[axis]
            views = views.take(np.arange(min(step // 2, size - 1), size, step), axis=axis)
        return views

    def thumbnail_shape(self) -> tuple[int, ...]:
        """(K, D, H, W) of a small picture."""
        return self.thumbnails(np.zeros(1, np.int64)).shape[1:]


def encoded(values: np.ndarray) -> str:
    """The bytes of an array of 8 bits, in base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def packed(views: np.ndarray) -> dict[str, Any]:
    """Pictures (n, K, D, H, W) uint8 as JSON has them: the `shape` of one, and the `bytes` of all."""
    return {"shape": list(views.shape[1:]), "bytes": encoded(views)}


def quantised(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values as uint8: `low` and NaN become 0, `high` becomes 255."""
    finite = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.rint((finite - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
