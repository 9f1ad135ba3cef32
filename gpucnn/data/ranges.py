"""The range of pixel values (0 to 1, 0 to 16, 0 to 255 and others), recognised from the values.

The type of an array does not matter: 200 is the same pixel in uint8, int64 and float32. The range of the training
images is recognised once and stored; later images are converted from their own range to it.
"""

from typing import NamedTuple, Self

import numpy as np
from pydantic import model_validator

from gpucnn.data.dataset import compact
from gpucnn.data.kept import Kept
from gpucnn.data.stored import pieces
from gpucnn.errors import DataError

# The highest number of ranges from 0 of whole numbers: 0 / 1, the 0..16 of scanned digits, 8, 10, 12, 14 and 16 bits.
HIGHEST = (1, 16, 255, 1023, 4095, 16383, 65535)
_OVERSHOOT = 2.0  # fractions up to here are of 0..1: resampling goes beyond 1, and in 0..255 they would all be black
_SLACK, _NEARLY = 1e-3, 0.9  # of -1 to 1: how far beyond pixels may go, and how far they must
_BEYOND = 10.0  # widths of a range of its own that numbers may lie outside of it
_SNAP = 1e-3  # nearer than this to a whole number, a pixel of whole-numbered images is that
_DIM = 0.01  # the share of training images that may be dimmer than `dimmest`


class Scale(NamedTuple):
    """The values of black and white."""

    low: float
    high: float


UNIT, SIGNED, BYTE, WORD = Scale(0, 1), Scale(-1, 1), Scale(0, 255), Scale(0, 65535)


class PixelRange(Kept):
    """The range of the training pixels.

    low, high: the numbers for black and white. known: whether that is a range of pictures; if not, they are the lowest
    and the highest training pixel, and nothing but such numbers has a meaning. whole: whether pixels are whole numbers.
    dimmest: all training images but one in a hundred have a pixel as high as this.
    """

    low: float
    high: float
    known: bool
    whole: bool
    dimmest: float

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low is {self.low}, which is not below high, {self.high}")
        return self

    @property
    def scale(self) -> Scale:
        """The values of black and white."""
        return Scale(self.low, self.high)

    def fit(self, values: np.ndarray, scale: Scale | None = None) -> np.ndarray:
        """Pixels of any type and range, converted to this range: uint8 or float32.

        scale: theirs, where it is known; by default it is derived from all numbers together. Where the training
        images have a few levels only, black and white or 0..16, so has the result. Raises DataError for numbers whose
        meaning is open.
        """
        if values.dtype.kind not in "buif" or not np.isfinite(values).all():
            raise DataError("Pixels must be finite numbers; here are others (NaN, infinite, or no numbers at all).")
        scale = scale or self._scale_of(values)
        if scale == self.scale:
            return self._whole(values)
        if not self.known:
            raise DataError(
                f"The network was trained on numbers from {self.low:g} to {self.high:g}, "
                "which is no range of pictures; give arrays of such numbers."
            )
        fraction = (values.astype(np.float64) - scale.low) / (scale.high - scale.low)
        fitted = self.low + fraction * (self.high - self.low)
        return self._whole(np.rint(fitted) if self.whole and self.high <= HIGHEST[1] else fitted)

    def fraction(self, pixels: np.ndarray) -> np.ndarray:
        """Numbers of this range as fractions from black, 0, to white, 1: float64."""
        return (pixels.astype(np.float64) - self.low) / (self.high - self.low)

    def inverted(self, pixels: np.ndarray) -> np.ndarray:
        """Numbers of this range with black and white exchanged."""
        return compact(self.low + self.high - pixels.astype(np.float64))

    def _whole(self, values: np.ndarray) -> np.ndarray:
        """Values in their stored type; nearly whole ones are rounded if the training images hold whole numbers."""
        if self.whole and values.dtype.kind == "f":
            nearest = np.rint(values)
            if np.abs(values - nearest).max(initial=0) < _SNAP:
                values = nearest
        return compact(values)

    def _scale_of(self, values: np.ndarray) -> Scale:
        """The range of some values. Raises DataError if it cannot be recognised."""
        low, high = float(values.min()), float(values.max())
        if not self.known:
            width = self.high - self.low
            if low < self.low - _BEYOND * width or high > self.high + _BEYOND * width:
                raise DataError(
                    f"The pixels go from {low:g} to {high:g}, but the network was trained on numbers from {self.low:g} "
                    f"to {self.high:g}, which is no range of pictures; give arrays of such numbers."
                )
            return self.scale
        if low < 0:
            if low >= -1 - _SLACK and high <= 1 + _SLACK:
                return SIGNED
            raise DataError(
                f"The pixels go from {low:g} to {high:g}; expected 0 to 1, -1 to 1, 0 to 255 or 0 to 65535, or the "
                f"{self.low:g} to {self.high:g} that the network was trained on."
            )
        if self.low == 0 and self.dimmest <= high <= self.high:
            return self.scale
        return _scale_up_to(high, _are_whole(values), self.scale)


def recognise(images: np.ndarray) -> PixelRange:
    """The range of training images (N, C, H, W), uint8 or float32; those of signals and volumes have no known one."""
    low, high = (float(end) for end in _ends(images))
    whole = _are_whole(images)
    scale = _known_scale(low, high, whole) if images.ndim == 4 else None
    known = scale is not None
    if scale is None:
        scale = Scale(low, high if high > low else low + 1)
    return PixelRange(low=scale.low, high=scale.high, known=known, whole=whole, dimmest=_dimmest(images))


def _ends(images: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest pixel."""
    lowest, highest = zip(*((piece.min(), piece.max()) for piece in pieces(images)), strict=True)
    return min(lowest), max(highest)


def _dimmest(images: np.ndarray) -> float:
    """The number that the highest pixel of all images but one in a hundred reaches."""
    highest = np.concatenate([piece.reshape(len(piece), -1).max(axis=1) for piece in pieces(images)])
    return float(np.quantile(highest, _DIM, method="lower"))


def recognise_arrays(images: np.ndarray) -> PixelRange | None:
    """The range of arrays (N, C, H, W) of any type that are pictures, from 0; None if they may be something else.

    That may be numbers below 0 and whole numbers up to 16, not only those that no usual range holds.
    """
    if images.ndim != 4 or not images.size or not _are_finite(images):
        return None
    pixels = recognise(images)
    return pixels if pixels.known and pixels.low == 0 and pixels.high != HIGHEST[1] else None


def full_scale(numbers: np.ndarray) -> float:
    """The number that stands for white in arrays (N, ...) of any type; 1 where they may be no pictures.

    Arrays without the axes (N, C, H, W) are taken for pixels where all are whole and the highest is from 17 to 255.
    """
    if numbers.ndim != 4:
        return BYTE.high if _are_bytes(numbers) else 1.0
    pixels = recognise_arrays(numbers)
    return 1.0 if pixels is None else pixels.high


def recognise_pictures(images: np.ndarray) -> PixelRange:
    """The range of images that were read from picture files: 0 to 255, however dark they are."""
    return PixelRange(low=0.0, high=255.0, known=True, whole=True, dimmest=_dimmest(images))


def _known_scale(low: float, high: float, whole: bool) -> Scale | None:
    """The usual range of pictures that fits the training pixels, or None."""
    if low < 0:
        inside = low >= -1 - _SLACK and high <= 1 + _SLACK
        return SIGNED if inside and low <= -_NEARLY and high >= _NEARLY else None
    if whole:
        return next((Scale(0, highest) for highest in HIGHEST if high <= highest), None)
    if high <= _OVERSHOOT:
        return UNIT
    return BYTE if HIGHEST[1] < high <= BYTE.high else None


def _scale_up_to(high: float, whole: bool, own: Scale) -> Scale:
    """The range of numbers from 0 that go up to `high`."""
    if high <= 1 or (high <= _OVERSHOOT and not whole):
        return UNIT
    if whole and high <= HIGHEST[1]:
        return Scale(0, HIGHEST[1])
    camera = (Scale(0, 1023), Scale(0, 4095)) if whole else ()  # of 16 bits they would be all but black
    for scale in (BYTE, *camera, own, WORD):
        if high <= scale.high:
            return scale
    raise DataError(
        f"The pixels go up to {high:g}; expected at most 1, 16, 255 or 65535. Divide them by their highest."
    )


def _are_bytes(numbers: np.ndarray) -> bool:
    return bool(numbers.size and numbers.min() >= 0 and HIGHEST[1] < numbers.max() <= BYTE.high) and _are_whole(numbers)


def _are_whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "bui" or all(np.array_equal(part, np.rint(part)) for part in pieces(values))


def _are_finite(values: np.ndarray) -> bool:
    return values.dtype.kind in "bui" or all(np.isfinite([part.min(), part.max()]).all() for part in pieces(values))
