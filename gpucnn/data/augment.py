"""Random changes of training images, a batch at a time: moved, distorted, recoloured, hidden in parts, mixed."""

from dataclasses import dataclass, fields

import numpy as np

from gpucnn.data.boxes import cutout_boxes, erasing_boxes
from gpucnn.data.colour import KINDS, Colours, draw_colours, recoloured, white_of
from gpucnn.data.elastic import displacements
from gpucnn.data.mix import draw_mixture
from gpucnn.errors import ConfigError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import Changes


@dataclass(frozen=True)
class Augment:
    """Random changes, drawn for every image; areas outside the image become 0.

    shift: at most this many pixels along each axis. rotate: at most this many degrees in either direction. scale: by
    a factor from 1 - scale to 1 + scale. flip: left and right exchanged for every second image. crop: zeros of that
    width are added on every side and a window of the old size is cut out. cutout: a square of that side, its
    centre anywhere in the image, is set to 0 (DeVries and Taylor, arXiv:1708.04552). erase: the probability that a
    rectangle of a random size is set to 0 (see `boxes.erasing_boxes`). elastic: pixels are displaced by smooth random
    fields of that alpha, in pixels, and of the sigma `elastic_sigma` (see `elastic.displacements`).

    brightness, contrast, saturation: by a factor from 1 - x to 1 + x, at least 0; hue: turned by up to that part of the
    circle of colours, at most 0.5; one after the other in a random order (see `colour.recoloured`). This comes first.

    mixup, cutmix: the α by which the images of a batch are mixed, and their labels (see `mix.draw_mixture`); last,
    after the normalisation. Where both are given, each batch is mixed in one of the two ways.
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    flip: bool = False
    crop: int = 0
    cutout: int = 0
    erase: float = 0.0
    elastic: float = 0.0
    elastic_sigma: float = 4.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ConfigError(f"augment: {field.name} is {getattr(self, field.name)}; it must not be negative.")
        if self.scale >= 1:
            raise ConfigError(f"augment: scale is {self.scale}, a fraction: it must be less than 1.")
        if self.erase > 1 or self.hue > 0.5:
            raise ConfigError(f"augment: erase is {self.erase} and hue {self.hue}; they are at most 1 and 0.5.")
        if self.elastic_sigma == 0:
            raise ConfigError("augment: elastic_sigma is 0, the width of a Gaussian in pixels; 4 is usual.")

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Images (N, C, H, W), uint8 or float32 -> new images of the same shape and type, unmixed."""
        changes = self.draw(len(images), images.shape[1:], rng)
        if self.recolours:
            images = recoloured(images, self.draw_colours(len(images), rng), self.white(images))
        return apply(images, changes)

    @property
    def recolours(self) -> bool:
        """Whether brightness, contrast, saturation or hue change."""
        return any(getattr(self, kind) for kind in KINDS)

    @property
    def mixes(self) -> bool:
        """Whether the images of a batch are mixed."""
        return bool(self.mixup or self.cutmix)

    def white(self, images: np.ndarray) -> float:
        """The number that stands for white in all images (N, C, H, W), 1 where no colours change.

        Raises ConfigError for images that are no pictures, or whose colours cannot be changed as asked.
        """
        if images.ndim != 4:
            raise ConfigError(
                f"augment changes pictures (N, C, H, W), and these are of shape {images.shape}; leave it out"
            )
        asked = [kind for kind in KINDS if getattr(self, kind)]
        if not asked:
            return 1.0
        if images.shape[1] not in (1, 3) or (images.shape[1] == 1 and (self.saturation or self.hue)):
            raise ConfigError(
                f"augment: the images have {images.shape[1]} channels; saturation and hue change those with red, green "
                "and blue, brightness and contrast grey ones too. Leave the others out"
            )
        return white_of(images, ", ".join(asked))

    def draw(self, images: int, shape: tuple[int, ...], rng: np.random.Generator) -> Changes:
        """Draw the changes of `images` images of `shape` (C, H, W)."""
        maps = further = offsets = flips = None
        boxes, (height, width) = [], shape[1:]
        if self.shift or self.rotate or self.scale or self.elastic:
            turn = np.radians(rng.uniform(-self.rotate, self.rotate, images))
            factor = rng.uniform(1 - self.scale, 1 + self.scale, images)
            maps = affine_maps(turn, factor, rng.uniform(-self.shift, self.shift, (images, 2)))
        if self.crop:
            offsets = rng.integers(0, 2 * self.crop + 1, (images, 2))
        if self.flip:
            flips = rng.random(images) < 0.5
        if self.cutout:
            boxes.append(cutout_boxes(images, height, width, self.cutout, rng))
        if self.erase:
            boxes.append(erasing_boxes(images, height, width, self.erase, rng))
        if self.elastic:
            further = displacements(images, height, width, self.elastic, self.elastic_sigma, rng)
        return Changes(maps, further, offsets, flips, np.stack(boxes, axis=1) if boxes else None, self.crop)

    def draw_colours(self, images: int, rng: np.random.Generator) -> Colours:
        """Draw the changes of the colours of `images` images."""
        return draw_colours(images, {kind: getattr(self, kind) for kind in KINDS}, rng)

    def draw_mixture(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw what a batch of images of `shape` (C, H, W) is mixed by: see `mix.draw_mixture`."""
        _, height, width = shape
        return draw_mixture(self.mixup, self.cutmix, height, width, rng)


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
        images = warp.warped(images, changes.maps, changes.displacements)
    return warp.moved(images, changes)
