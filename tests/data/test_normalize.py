"""Normalisation against its definitions."""

import numpy as np
import pytest

from gpucnn.data import Dataset, Normalizer
from gpucnn.errors import DataError
from tests.data.files import memory_below

pytestmark = pytest.mark.usefixtures("device")

RNG = np.random.default_rng(3)
BYTES = RNG.integers(0, 256, (700, 2, 3, 5), dtype=np.uint8)  # more images than one part of the sums
FLOATS = RNG.normal(3, 2, (700, 2, 3, 5)).astype(np.float32)


def fit(kind, images):
    return Normalizer.fit(kind, Dataset(images, np.arange(len(images)) % 2, ("a", "b")))


def expected(kind, images):
    """By the definitions, in float64, on the whole array at once."""
    x = images.astype(np.float64)
    if kind == "none":
        return x
    if kind == "standard":
        return (x - x.mean(axis=(0, 2, 3), keepdims=True)) / x.std(axis=(0, 2, 3), keepdims=True)
    unit = x / 255 if images.dtype == np.uint8 else (x - x.min()) / (x.max() - x.min())
    return unit if kind == "unit" else unit - unit.mean(axis=0)


@pytest.mark.parametrize("images", [BYTES, FLOATS], ids=["uint8", "float32"])
@pytest.mark.parametrize("kind", ["none", "unit", "standard", "mean_image"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-12)])
def test_values_are_those_of_the_definition(kind, images, dtype, tolerance):
    normalizer = fit(kind, images)
    y = normalizer.apply(images[:9], dtype)
    assert y.dtype == dtype
    scale = 255 if kind == "none" else 1
    np.testing.assert_allclose(y, expected(kind, images)[:9], rtol=tolerance, atol=tolerance * scale)
    last = normalizer.take_batch_last(images, np.arange(9), dtype)
    assert np.array_equal(last.transpose(3, 0, 1, 2), y)
    assert last.flags.c_contiguous


@pytest.mark.parametrize("shape", [(15,), (3, 5, 1)])
@pytest.mark.parametrize("kind", ["none", "unit", "standard", "mean_image"])
def test_signals_and_volumes_are_normalised_alike(kind, shape):
    """The same numbers as images, in other axes."""
    reshaped = FLOATS.reshape(700, 2, *shape)
    normalizer = Normalizer.from_arrays(fit(kind, reshaped).arrays(), reshaped.shape[1:])
    y = normalizer.apply(reshaped, "float64")
    np.testing.assert_allclose(y.reshape(FLOATS.shape), expected(kind, FLOATS), rtol=1e-12, atol=1e-12)
    last = normalizer.take_batch_last(reshaped, np.arange(700), "float64")
    assert np.array_equal(np.moveaxis(last, -1, 0), y)


def test_the_training_images_serve_the_test_images():
    normalizer = fit("standard", np.array([0, 100], np.uint8).reshape(2, 1, 1, 1))
    assert normalizer.apply(np.array([[[[150]]]], np.uint8)).item() == 2.0  # (150 - 50) / 50


def test_constant_images_become_zero_not_nan():
    for kind in ("standard", "mean_image"):
        assert not fit(kind, np.full((4, 1, 2, 2), 7, np.uint8)).apply(np.full((1, 1, 2, 2), 7, np.uint8)).any()
    half = np.full((4, 1, 2, 2), -0.5, np.float32)  # of no range of pictures
    assert not fit("unit", half).apply(half).any()


@pytest.mark.parametrize(
    ("images", "low", "high"),
    [
        ([0, 1], 0, 1), ([0, 16], 0, 16), ([3, 9], 0, 16), ([0, 200], 0, 255), ([0, 4e3], 0, 4095),
        ([0, 6e4], 0, 65535), ([0, 0.5], 0, 1), ([0.25, 1.0], 0, 1), ([-1, 1], -1, 1), ([-2.5, 4.5], -2.5, 4.5),
        ([0.5, 3.5], 0.5, 3.5),
    ],
)  # fmt: skip
def test_unit_is_0_to_1_from_the_range_of_the_data(images, low, high):
    for dtype in ("float32", "uint8")[: 1 + (np.array(images) % 1 == 0).all() * (0 <= min(images) < max(images) < 256)]:
        given = np.array(images, dtype).reshape(2, 1, 1, 1)
        expected = (np.array(images) - low) / (high - low)
        np.testing.assert_allclose(fit("unit", given).apply(given).ravel(), expected, rtol=1e-6)


def test_saved_and_made_again_it_is_the_same():
    normalizer = fit("mean_image", BYTES)
    again = Normalizer.from_arrays(normalizer.arrays(), BYTES.shape[1:])
    assert np.array_equal(again.apply(BYTES), normalizer.apply(BYTES))
    with pytest.raises(DataError, match=r"saved as 'shift' and 'scale'; here are \['weight'\]"):
        Normalizer.from_arrays({"weight": np.zeros(1)}, (1, 2, 2))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"shift": np.zeros((3, 1, 1)), "scale": np.ones((1, 1, 1))}, r"'shift' has shape \(3, 1, 1\), which does not"),
        ({"shift": np.zeros((1, 1, 1)), "scale": np.ones((1, 7, 1))}, r"'scale' has shape \(1, 7, 1\), which does not"),
        ({"shift": np.full((1, 1, 1), np.nan), "scale": np.ones((1, 1, 1))}, "'shift' holds numbers that are not fini"),
    ],
)
def test_arrays_that_do_not_fit_the_images_are_refused(arrays, words):
    with pytest.raises(DataError, match=words):
        Normalizer.from_arrays(arrays, (1, 28, 28))


def test_fitting_makes_no_float_copy_of_the_set():
    images = np.zeros((20_000, 1, 28, 28), np.uint8)
    with memory_below(images.nbytes // 2):
        fit("standard", images)
        fit("mean_image", images)


def test_an_unknown_kind_is_told():
    with pytest.raises(DataError, match="normalize is 'zca'; it can be none, unit, standard or mean_image"):
        fit("zca", BYTES)
