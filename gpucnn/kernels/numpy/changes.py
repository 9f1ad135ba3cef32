"""Images changed one by one: which changes there are, and those that move whole pixels. On the host."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gpucnn.backend import Array


class Changes(NamedTuple):
    """What happens to images, a row for each, in this order; None where nothing of that kind does.

    maps: (N, 4) float32, as warp.warped takes them. offsets: (N, 2), where the image is cut out of one with `border`
    zeros on every side. flips: (N,) bool, whether left and right are exchanged. centres: (N, 2), of the square of side
    `side` that is set to 0.
    """

    maps: Array | None = None
    offsets: Array | None = None
    flips: Array | None = None
    centres: Array | None = None
    border: int = 0
    side: int = 0

    def each(self, function: Callable[[Array], Array]) -> "Changes":
        """The changes whose arrays `function` makes of these."""
        given = {name: getattr(self, name) for name in ("maps", "offsets", "flips", "centres")}
        made = {name: function(array) for name, array in given.items() if array is not None}
        return self._replace(**made)


def moved(images: np.ndarray, changes: Changes) -> np.ndarray:
    """Images (N, C, H, W), whatever maps them already applied, after the rest of their changes."""
    if changes.offsets is not None:
        images = crop(images, changes.border, changes.offsets)
    if changes.flips is not None:
        images = np.where(changes.flips[:, None, None, None], images[..., ::-1], images)
    if changes.centres is not None:
        images = cut_out(images, changes.side, changes.centres)
    return images


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
