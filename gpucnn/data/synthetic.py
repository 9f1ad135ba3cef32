"""Generated images for tests and benchmarks: one pattern of blocks per class, with noise."""

import math

import numpy as np

from gpucnn.data.dataset import Dataset, Source
from gpucnn.data.untrusted import check_size
from gpucnn.errors import DataError

_BLOCK = 4  # pixels along the side of a block: coarse enough to survive pooling


def load(
    train: int = 60_000,
    test: int = 10_000,
    shape: tuple[int, int, int] = (1, 28, 28),
    classes: int = 10,
    seed: int = 0,
) -> Source:
    """Images (N, C, H, W) uint8 that a network can learn to classify; equal options give equal images."""
    if min(train, test, *shape) < 1 or classes < 2:
        raise DataError(
            f"synthetic: train {train}, test {test}, shape {list(shape)}, classes {classes}; expected at "
            "least "
            "1 image, 1 pixel along each side, and 2 classes."
        )
    check_size("synthetic", (train + test) * math.prod(shape))
    rng = np.random.default_rng(seed)
    patterns = _patterns(rng, classes, shape)
    return Source(_draw(rng, patterns, train), _draw(rng, patterns, test))


def peek(
    shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10, **others: object
) -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W) and number of classes, from the options."""
    return shape, classes


def _patterns(rng: np.random.Generator, classes: int, shape: tuple[int, int, int]) -> np.ndarray:
    """One image of blocks with values 0 to 127 per class, (K, C, H, W)."""
    channels, height, width = shape
    coarse = rng.integers(0, 128, (classes, channels, -(-height // _BLOCK), -(-width // _BLOCK)), dtype=np.uint8)
    return coarse.repeat(_BLOCK, axis=2).repeat(_BLOCK, axis=3)[:, :, :height, :width]


def _draw(rng: np.random.Generator, patterns: np.ndarray, n: int) -> Dataset:
    labels = rng.integers(0, len(patterns), n)
    images = rng.integers(0, 128, (n, *patterns.shape[1:]), dtype=np.uint8)  # the noise
    images += patterns[labels]  # at most 127 + 127
    return Dataset(images, labels, tuple(str(k) for k in range(len(patterns))))
