"""From a drawing to an image: ink separated from the ground it is on, scaled and centred as in MNIST's images.

Those were made so (Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits): the ink is scaled to fit
a box of 20 x 20 pixels, keeping its aspect, and shifted so that its centre of mass is in the middle of 28 x 28 pixels.
The shift is by whole pixels: measured, the centres of mass of its 10,000 test images lie from 13.5 to just under 14.5,
on both axes, pixels being counted from 0.
"""

import math

import numpy as np

_NOISE = 6  # median deviations of the border's pixels from the ground that are still ground
_FAINT = 0.2  # of the strongest ink: what is fainter is noise or a shadow, where the ground is not even
_ENOUGH = 280  # pixels a side, to find in a picture what is drawn on it
_LEAST_BORDER = 24  # pixels to tell the light on a ground by
_ROUNDS, _NEAR = 15, 1e-3  # of the fit to the border; deviations, in shades, that count alike
SIDE, BOX = 28, 20  # of MNIST's images, and of the box that their ink fits; other sizes in this proportion

Size = tuple[int, int]  # (H, W)


def centred(ink: np.ndarray, size: Size) -> np.ndarray:
    """Ink (h, w) of 0..255, of any size, as an image of `size`: scaled into the box, its centre of mass in the middle.

    A centre of mass far from the ink's own middle shifts it only as far as all of it stays in the image. Without any
    ink the image is 0 throughout. uint8 in and out.
    """
    image = np.zeros(size)
    if ink.any():
        trimmed = _trimmed(ink)
        boxed = resampled(trimmed, _fitting(trimmed.shape, size))
        image[_place(boxed, size)] = boxed
    return np.rint(image).astype(np.uint8)


def ink_of(shades: np.ndarray) -> np.ndarray:
    """The ink, uint8, of a grey picture (h, w) from 0 to 1: how far pixels are from the ground; large ones are reduced.

    The ground is told by the border; ink is brighter or darker, whichever stands out more. Where the ground is even,
    all ink is kept; where it is not, as in photographs, it changes as slowly as light on paper does, and what does not
    stand out from it is none.
    """
    shades = _reduced(shades)
    ground, noise = _ground(shades)
    away = shades - ground
    if away.max() < -away.min():
        away = -away
    noise, strongest = _NOISE * noise, away.max()
    if strongest <= noise:
        return np.zeros(shades.shape, np.uint8)
    if noise > 0:
        away = np.where(away > max(noise, _FAINT * strongest), away, 0)
    return np.rint(away.clip(0) * (255 / strongest)).astype(np.uint8)


def _reduced(shades: np.ndarray) -> np.ndarray:
    """A picture with means over squares of pixels in their place, where it is far larger than needed: less noise."""
    factor = min(shades.shape) // _ENOUGH
    if factor < 2:
        return shades
    height, width = (side // factor for side in shades.shape)
    squares = shades[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return squares.mean(axis=(1, 3))


def _ground(shades: np.ndarray) -> tuple[np.ndarray, float]:
    """The ground below each pixel (h, w), or (1, 1) where it is even, and the median deviation of the border from it.

    It is the quadratic function of the place that is nearest to the border, by the sum of absolute deviations, which
    what is drawn across the border hardly moves.
    """
    height, width = shades.shape
    edge = np.ones(shades.shape, bool)
    edge[1:-1, 1:-1] = False
    border = shades[edge]
    even = np.median(border)
    if np.median(np.abs(border - even)) == 0 or len(border) < _LEAST_BORDER:
        return np.full((1, 1), even), float(np.median(np.abs(border - even)))
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    terms = np.stack([np.broadcast_to(term, shades.shape) for term in (x * 0 + 1, x, y, x * x, x * y, y * y)])
    of_border, weights = terms[:, edge].T, np.ones(len(border))  # (n, 6), (n,)
    for _ in range(_ROUNDS):
        factors, *_ = np.linalg.lstsq(of_border * weights[:, None], border * weights, rcond=None)
        off = np.abs(border - of_border @ factors)
        weights = 1 / np.sqrt(off + _NEAR)  # squares of deviations become the deviations
    return np.tensordot(factors, terms, 1), float(np.median(off))


def whole(ink: np.ndarray, size: Size) -> np.ndarray:
    """Ink (h, w) of 0..255 as an image of `size`, stretched to it as it is. uint8 in and out."""
    return np.rint(resampled(ink, size)).astype(np.uint8)


def resampled(maps: np.ndarray, size: Size) -> np.ndarray:
    """Maps (..., h, w) as (..., H, W), float64: each new pixel is the mean over the area that it covers."""
    (height, width), (rows, columns) = size, maps.shape[-2:]
    return _cover(rows, height) @ maps @ _cover(columns, width).T


def _trimmed(ink: np.ndarray) -> np.ndarray:
    """The smallest part that holds all ink."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fitting(given: tuple[int, ...], size: Size) -> Size:
    """The largest size with the aspect of `given` that fits the box of an image of `size`, at least one pixel."""
    scale = min(BOX * side / SIDE / length for side, length in zip(size, given, strict=True))
    height, width = (max(1, round(scale * length)) for length in given)
    return height, width


def _place(boxed: np.ndarray, size: Size) -> tuple[slice, ...]:
    """Where in an image of `size` its centre of mass comes to the middle."""
    places = []
    for axis, (length, side) in enumerate(zip(boxed.shape, size, strict=True)):
        mass = boxed.sum(axis=1 - axis)
        centre = np.arange(length) @ mass / mass.sum()
        wanted = math.ceil(round(side / 2 - 0.5 - centre, 6))  # the centre: side / 2 - 0.5 to + 0.5
        start = min(max(wanted, 0), side - length)
        places.append(slice(start, start + length))
    return tuple(places)


def _cover(before: int, after: int) -> np.ndarray:
    """(after, before): the share that each of `before` pixels has in each of `after` that cover the same length."""
    edges = np.arange(after + 1) * (before / after)
    old = np.arange(before)
    overlap = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)  # (after, before)
    return overlap.clip(0) * (after / before)
