"""Training images changed at random, a batch at a time: moved, turned, scaled, flipped, partly hidden."""

from dataclasses import dataclass

import numpy as np

from gpucnn.errors import ConfigError
from gpucnn.kernels.choice import kernels_of


@dataclass(frozen=True)
class Augment:
    """Random changes, drawn anew for every image; what falls outside is background 0.

    shift: up to so many pixels along each axis. rotate: up to so many degrees either way. scale: a factor
    from 1 - scale to 1 + scale. flip: left and right exchanged for every second image. crop: zeros of that
    width are added on every side and a window of the old size is cut out. cutout: a square of that side, its
    centre anywhere in the image, is set to 0 (DeVries and Taylor, arXiv:1708.04552).
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    flip: bool = False
    crop: int = 0
    cutout: int = 0

    def __post_init__(self) -> None:
        for name in ("shift", "rotate", "scale", "crop", "cutout"):
            if getattr(self, name) < 0:
                raise ConfigError(f"augment: {name} is {getattr(self, name)}; it must not be negative.")
        if self.scale >= 1:
            raise ConfigError(f"augment: scale is {self.scale}, a fraction: it must be less than 1.")

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Images (N, C, H, W), uint8 or float32 -> new images of the same shape and type."""
        n = len(images)
        if self.shift or self.rotate or self.scale:
            turn = np.radians(rng.uniform(-self.rotate, self.rotate, n))
            factor = rng.uniform(1 - self.scale, 1 + self.scale, n)
            images = transform(images, turn, factor, rng.uniform(-self.shift, self.shift, (n, 2)))
        if self.crop:
            images = crop(images, self.crop, rng.integers(0, 2 * self.crop + 1, (n, 2)))
        if self.flip:
            images = np.where(rng.random(n)[:, None, None, None] < 0.5, images[..., ::-1], images)
        if self.cutout:
            images = cut_out(images, self.cutout, rng.integers(0, images.shape[2:], (n, 2)))
        return images


def transform(images: np.ndarray, turn: np.ndarray, factor: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Turn, scale and then move images (N, C, H, W), sampling between pixels bilinearly.

    turn: (N,) radians about the centre, anticlockwise as seen; factor: (N,), above 1 enlarges; shift: (N, 2)
    pixels down and to the right. What comes from outside the image is 0.
    """
    maps = np.column_stack([np.cos(turn) / factor, np.sin(turn) / factor, shift])  # (N, 4)
    return kernels_of(images).warp.warped(images, maps.astype(np.float32))


def crop(images: np.ndarray, padding: int, offset: np.ndarray) -> np.ndarray:
    """Surround images (N, C, H, W) by `padding` zeros and cut H x W out at offset (N, 2)."""
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    return windows[np.arange(len(images)), :, offset[:, 0], offset[:, 1]]  # (N, C, H, W)


def cut_out(images: np.ndarray, size: int, centre: np.ndarray) -> np.ndarray:
    """Set what a square of side `size` about centre (N, 2) covers of images (N, C, H, W) to 0."""
    height, width = images.shape[2:]
    first = centre - size // 2  # (N, 2)
    rows = np.arange(height) - first[:, :1]  # (N, H): the row's place in the square
    columns = np.arange(width) - first[:, 1:]  # (N, W)
    hidden = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    return np.where(hidden[:, None], images.dtype.type(0), images)
