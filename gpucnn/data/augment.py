"""Random changes of training images, a batch at a time: shift, rotation, scale, flip, crop, cutout."""

from dataclasses import dataclass

import numpy as np

from gpucnn.errors import ConfigError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import Changes


@dataclass(frozen=True)
class Augment:
    """Random changes, drawn for every image; areas outside the image become 0.

    shift: at most this many pixels along each axis. rotate: at most this many degrees in either direction. scale: by
    a factor from 1 - scale to 1 + scale. flip: left and right exchanged for every second image. crop: zeros of that
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
        return apply(images, self.draw(len(images), images.shape[1:], rng))

    def draw(self, images: int, shape: tuple[int, ...], rng: np.random.Generator) -> Changes:
        """Draw the changes of `images` images of `shape` (C, H, W)."""
        maps = offsets = flips = centres = None
        if self.shift or self.rotate or self.scale:
            turn = np.radians(rng.uniform(-self.rotate, self.rotate, images))
            factor = rng.uniform(1 - self.scale, 1 + self.scale, images)
            maps = affine_maps(turn, factor, rng.uniform(-self.shift, self.shift, (images, 2)))
        if self.crop:
            offsets = rng.integers(0, 2 * self.crop + 1, (images, 2))
        if self.flip:
            flips = rng.random(images) < 0.5
        if self.cutout:
            centres = rng.integers(0, shape[1:], (images, 2))
        return Changes(maps, offsets, flips, centres, self.crop, self.cutout)


def affine_maps(turn: np.ndarray, factor: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The maps (N, 4) float32 that turn, scale and then move images.

    turn: (N,) radians about the centre, anticlockwise as seen; factor: (N,), above 1 enlarges; shift: (N, 2)
    pixels down and to the right.
    """
    return np.column_stack([np.cos(turn) / factor, np.sin(turn) / factor, shift]).astype(np.float32)


def apply(images: np.ndarray, changes: Changes) -> np.ndarray:
    """Images (N, C, H, W), uint8 or float32, after the changes; `images` itself if there are none."""
    warp = kernels_of(type(images)).warp
    if changes.maps is not None:
        images = warp.warped(images, changes.maps)
    return warp.moved(images, changes)
