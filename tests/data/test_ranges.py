"""From what to what pixels go."""

import numpy as np
import pytest

from gpucnn.data.ranges import BYTE, PixelRange, recognise, recognise_pictures
from gpucnn.errors import DataError

RNG = np.random.default_rng(6)
RANGES = {"binary": 1, "digits": 16, "bytes": 255, "10 bits": 1023, "12 bits": 4095, "16 bits": 65535}


def pictures(high: float, whole: bool, n: int = 40) -> np.ndarray:
    """Random pictures from 0 to `high` that all have a pixel of it."""
    images = RNG.random((n, 1, 5, 5))
    images = np.rint(images * high) if whole else images * high
    images[:, :, 2, 2], images[:, :, 0, 0] = high, 0
    return images


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_ranges_of_whole_numbers_are_recognised(name, dtype):
    if dtype == "uint8" and RANGES[name] > 255:
        return
    found = recognise(pictures(RANGES[name], whole=True).astype(dtype))
    assert (found.low, found.high, found.known, found.whole) == (0, RANGES[name], True, True)
    assert found.dimmest == RANGES[name]


@pytest.mark.parametrize(
    ("images", "low", "high", "known"),
    [
        (pictures(1, whole=False), 0, 1, True),
        (pictures(1.004, whole=False), 0, 1, True),  # as resampling leaves it
        (pictures(254.5, whole=False), 0, 255, True),
        (pictures(2, whole=False) - 1, -1, 1, True),
        (pictures(7.5, whole=False), 0, 7.5, False),
        (pictures(6.5, whole=False) - 3, -3, 3.5, False),
        (pictures(300.5, whole=False), None, 300.5, False),
        (pictures(255, whole=True)[:, 0], 0, 255, False),  # signals mean what they mean
        (np.zeros((4, 1, 2, 2)), 0, 1, True),
        (np.full((4, 1, 2, 2), -7.0), -7, -6, False),
    ],
)
def test_other_ranges(images, low, high, known):
    found = recognise(images.astype(np.float32))
    assert found.known == known
    assert np.isclose(found.high, high) and np.isclose(found.low, images.min() if low is None else low, atol=1e-3)


SCALES = {"unit": (0, 1), "signed": (-1, 1), "digits": (0, 16), "bytes": (0, 255)}
SCALES |= {f"{bits} bits": (0, 2**bits - 1) for bits in (10, 12, 16)}


@pytest.mark.parametrize("own", SCALES)
@pytest.mark.parametrize("other", SCALES)
def test_a_picture_of_any_range_becomes_that_of_the_training(own, other):
    """The same picture in two ranges: what stands for a share of white in one, does in the other."""
    shares = np.round(pictures(1, whole=False), 2)

    def written(name):
        low, high = SCALES[name]
        return low + shares * (high - low) if name in ("unit", "signed") else np.rint(shares * high)

    pixels = recognise(written(own).astype(np.float32))
    assert (pixels.low, pixels.high) == SCALES[own]
    fitted = pixels.fit(written(other))
    steps = {"digits": 16, "bytes": 255, "10 bits": 1023, "12 bits": 4095}
    tolerance = 0.51 * sum(1 / steps[name] for name in (own, other) if name in steps) + 1e-4
    assert fitted.dtype in (np.uint8, np.float32)
    np.testing.assert_allclose(pixels.fraction(fitted), shares, atol=tolerance)


@pytest.mark.parametrize("high", [1, 16, 255, 4095, 65535])
def test_the_type_of_an_array_means_nothing(high):
    images = pictures(high, whole=True)
    pixels = recognise(pictures(255, whole=True).astype(np.uint8))
    types = ["int64", "uint16", "int32", "float32", "float64", ">i4", *(["uint8"] if high < 256 else ["uint32"])]
    fitted = [pixels.fit(images.astype(dtype)) for dtype in types]
    assert all(np.array_equal(fitted[0], each) and each.dtype == fitted[0].dtype for each in fitted)


def test_bytes_divided_by_255_become_the_same_bytes_again():
    images = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    pixels = recognise(images)
    for dtype in ("float32", "float64"):
        fitted = pixels.fit(images.astype(dtype) / np.array(255, dtype))
        assert fitted.dtype == np.uint8 and np.array_equal(fitted, images)


def test_dark_pictures_stay_dark_where_the_training_ones_were():
    dark = np.minimum(pictures(255, whole=True), 9)
    assert recognise(pictures(255, whole=True)).fit(dark).max() == 9 * 255 / 16
    pixels = recognise_pictures(np.concatenate([dark, pictures(255, whole=True)]).astype(np.uint8))
    assert np.array_equal(pixels.fit(dark), dark)
    assert pixels.scale == BYTE == recognise_pictures(dark.astype(np.uint8)).scale


@pytest.mark.parametrize(
    ("own", "given", "words"),
    [
        (pictures(255, True), pictures(300, True) - 100, "go from -100 to 200; expected 0 to 1, -1 to 1, 0 to 255"),
        (pictures(255, True), pictures(70_000, True), "go up to 70000; expected at most 1, 16, 255 or 65535"),
        (pictures(7.5, False), pictures(255, True), "go from 0 to 255, but the network was trained on numbers from 0"),
        (pictures(1, False), np.full((1, 1, 2, 2), np.nan), "must be finite numbers"),
        (pictures(1, False), np.full((1, 1, 2, 2), "a"), "must be finite numbers"),
    ],
)
def test_what_leaves_the_meaning_open_is_refused(own, given, words):
    with pytest.raises(DataError, match=words):
        recognise(own.astype(np.float32)).fit(given)


def test_numbers_of_a_range_of_their_own_are_taken_as_they_are_and_pictures_refused():
    own = recognise((pictures(6.5, False) - 3).astype(np.float32))
    given = np.array([[[[-3.5, 5.25]]]])
    assert own.fit(given).tolist() == given.tolist()
    with pytest.raises(DataError, match="which is no range of pictures; give arrays of such numbers"):
        own.fit(pictures(255, True), BYTE)


def test_black_and_white_exchanged_twice_are_as_before():
    for images in (pictures(255, True).astype(np.uint8), pictures(1, False).astype(np.float32)):
        pixels = recognise(images)
        once = pixels.inverted(images)
        assert once.dtype == images.dtype
        np.testing.assert_allclose(pixels.fraction(once), 1 - pixels.fraction(images), atol=1e-6)
        np.testing.assert_allclose(pixels.inverted(once), images, atol=1e-6)


def test_a_range_that_does_not_rise_is_no_range():
    with pytest.raises(ValueError, match="low is 1.0, which is not below high"):
        PixelRange(low=1.0, high=1.0, known=True, whole=True, dimmest=0.0)
