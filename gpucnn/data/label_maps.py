"""Labels that are as large as the images: a class per pixel, or pictures."""

from typing import Any

import numpy as np

from gpucnn.data.stored import Stored
from gpucnn.errors import DataError

VOID = 255  # the number of a pixel that has no class
MOST_CLASSES = 255  # of pixels: 0 to 254


def check_maps(labels: Any, images: Any, classes: int) -> None:
    """Raise DataError unless `labels` are a class per pixel, or pictures, of `images` (N, C, ...).

    The former are (N, ...) uint8, below the number of classes or `VOID`; the latter have the shape of the images, which
    says how many names of classes, here of channels, there are.
    """
    if labels.ndim == images.ndim:
        _check_pictures(labels, images, classes)
        return
    expected = (len(images), *images.shape[2:])
    if labels.dtype != np.uint8 or labels.shape != expected:
        raise DataError(
            f"Labels are {labels.dtype} of shape {labels.shape}, and images {images.shape}; expected uint8 of shape "
            f"{expected}, a class per pixel."
        )
    wrong = np.flatnonzero(((labels >= classes) & (labels != VOID)).reshape(len(labels), -1).any(axis=1))
    if wrong.size:
        first = labels[wrong[0]]
        raise DataError(
            f"A pixel of the mask of image {wrong[0]} is {first[(first >= classes) & (first != VOID)][0]}; expected 0 "
            f"to {classes - 1}, the numbers of {classes} classes, or {VOID} for none. Name as many classes as there "
            "are (class_names)."
        )


def _check_pictures(labels: Any, images: Any, channels: int) -> None:
    if labels.shape != images.shape or labels.shape[1] != channels or labels.dtype not in (np.uint8, np.float32):
        raise DataError(
            f"Labels are {labels.dtype} of shape {labels.shape}, and images {images.shape}; expected uint8 or float32 "
            f"of the same shape, pictures of {channels} channels."
        )
    if labels is not images and not isinstance(labels, Stored) and not np.isfinite(labels).all():
        raise DataError("Labels that are pictures hold numbers that are not finite (NaN or infinite).")


def pixel_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """How many pixels each class has, (classes,), of labels (N, ...) uint8."""
    return np.bincount(labels.reshape(-1), minlength=VOID + 1)[:classes]  # (N, H, W) -> (N·H·W,)


def channel_names(channels: int) -> tuple[str, ...]:
    """The names of a picture's channels, which stand in the place of those of classes."""
    known = {1: ("grey",), 3: ("red", "green", "blue")}
    return known.get(channels, tuple(map(str, range(channels))))
