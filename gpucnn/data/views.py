"""Test-time augmentation: several views of each picture, whose probabilities are averaged."""

from collections.abc import Callable, Iterator

import numpy as np

from gpucnn.errors import ConfigError

SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # pixels down and to the right
NAMES = ("shift", "flip")


def views(images: np.ndarray, tta: str) -> Iterator[np.ndarray]:
    """The views of images (N, C, H, W) that `tta` names, separated by commas; the images as they are come first.

    shift: moved by one pixel up, down, to the left and to the right too, where the border's pixels are repeated. flip:
    mirrored, left and right exchanged, too. Both: all ten. Without a name, the images alone. Raises ConfigError for
    other names, and for images that are no pictures.
    """
    names = [name.strip() for name in tta.split(",") if name.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ConfigError(f"tta: given {unknown[0]!r}, expected {' or '.join(NAMES)}, or both: {','.join(NAMES)}")
    if names and images.ndim != 4:
        raise ConfigError(f"tta: views are of pictures (N, C, H, W), and these are {images.shape}; leave it out")
    return _views(images, "shift" in names, "flip" in names)


def averaged(images: np.ndarray, tta: str, probabilities: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The mean of `probabilities` (N, classes) over the views of images."""
    each = [probabilities(view) for view in views(images, tta)]
    return each[0] if len(each) == 1 else np.mean(each, axis=0, dtype=each[0].dtype)


def _views(images: np.ndarray, shift: bool, flip: bool) -> Iterator[np.ndarray]:
    for down, right in SHIFTS if shift else SHIFTS[:1]:
        view = _moved(images, down, right)
        yield view
        if flip:
            yield view[..., ::-1]


def _moved(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Images moved by at most a pixel."""
    if not down and not right:
        return images
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    return padded[:, :, 1 - down : 1 - down + height, 1 - right : 1 - right + width]
