"""Random changes of brightness, contrast, saturation and hue, as torchvision's ColorJitter has them."""

from typing import NamedTuple

import numpy as np

from gpucnn.data.ranges import recognise
from gpucnn.errors import ConfigError

KINDS = ("brightness", "contrast", "saturation", "hue")
GREY = np.array([0.2989, 0.587, 0.114], np.float32)[:, None, None]  # shares of red, green and blue (ITU-R BT.601)


class Colours(NamedTuple):
    """amounts: (N, 4) float32, a factor for each of the first three `KINDS`, and the turn of the hue in whole circles.

    order: which kinds are changed, one after the other.
    """

    amounts: np.ndarray
    order: tuple[str, ...]


def draw_colours(images: int, widths: dict[str, float], rng: np.random.Generator) -> Colours:
    """Factors from max(0, 1 - width) to 1 + width, turns of the hue from -width to width, and one order."""
    middles = np.array([0.0 if kind == "hue" else 1.0 for kind in KINDS])
    spread = np.array([widths[kind] for kind in KINDS])
    lowest = np.where(middles > 0, np.maximum(middles - spread, 0), -spread)
    amounts = rng.uniform(lowest, middles + spread, (images, len(KINDS))).astype(np.float32)
    order = (KINDS[number] for number in rng.permutation(len(KINDS)))
    return Colours(amounts, tuple(kind for kind in order if widths[kind]))


def recoloured(images: np.ndarray, colours: Colours, white: float) -> np.ndarray:
    """Images (N, C, H, W) with pixels from 0 to `white`, changed; of the same type. C is 1 or 3, red, green and blue.

    After each change pixels are clipped to the range. With c the factor: brightness is c · x; contrast and saturation
    c · x + (1 - c) · y, y being the image's mean grey for contrast and the pixel's own grey for saturation.
    """
    pixels = images.astype(np.float32) / np.float32(white)
    for kind in colours.order:
        amount = colours.amounts[:, KINDS.index(kind), None, None, None]
        pixels = np.clip(_CHANGES[kind](pixels, amount), 0, 1)
    pixels *= np.float32(white)
    return (np.rint(pixels) if images.dtype.kind == "u" else pixels).astype(images.dtype)


def white_of(images: np.ndarray, asked: str) -> float:
    """The number that stands for white in images (N, C, H, W) whose colours are to change.

    Raises ConfigError, which names the option that was `asked` for, where pixels are not those of pictures from black
    at 0.
    """
    pixels = recognise(images)
    if not pixels.known or pixels.low != 0:
        raise ConfigError(
            f"augment: {asked} changes pictures whose black is 0, and these pixels go from {pixels.low:g} to "
            f"{pixels.high:g}; give pixels from 0 to 1 or 0 to 255, or leave it out"
        )
    return pixels.high


def _grey(pixels: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, 1, H, W)."""
    return pixels if pixels.shape[1] == 1 else (pixels * GREY).sum(axis=1, keepdims=True)


def _brightness(pixels: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return factor * pixels


def _contrast(pixels: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return factor * pixels + (1 - factor) * _grey(pixels).mean(axis=(1, 2, 3), keepdims=True)


def _saturation(pixels: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return factor * pixels + (1 - factor) * _grey(pixels)


def _hue(pixels: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Through hue, saturation and value: (N, 3, H, W) each."""
    red, green, blue = pixels[:, 0], pixels[:, 1], pixels[:, 2]
    value = pixels.max(axis=1)
    chroma = value - pixels.min(axis=1)
    divisor = np.where(chroma == 0, 1, chroma)
    sixths = np.where(
        value == red,
        (green - blue) / divisor,
        np.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    sixths = sixths + 6 * turn[:, 0]
    distances = [np.mod(start + sixths, 6) for start in (5, 3, 1)]  # from where each colour begins to fall
    return np.stack([value - chroma * np.clip(np.minimum(far, 4 - far), 0, 1) for far in distances], axis=1)


_CHANGES = {"brightness": _brightness, "contrast": _contrast, "saturation": _saturation, "hue": _hue}
