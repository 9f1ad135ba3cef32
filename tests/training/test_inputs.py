"""A trainer sees pictures as its training saw them, whatever their type and range."""

import numpy as np
import pytest

import gpucnn
from gpucnn import nn, optim
from gpucnn.data import Dataset, Loader, Normalizer
from gpucnn.errors import DataError


def pictures(n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """(N, 1, 6, 6) uint8 of 0 to 255, each with a white pixel, and labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 1, 6, 6), dtype=np.uint8)
    images[:, :, 0, 0] = 255
    return images, np.arange(n) % 3


def trainer(lr: float = 0.01) -> gpucnn.Trainer:
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    net[1].weight.data[:] *= 0.01  # so that raw pixels saturate no answer
    return gpucnn.Trainer(net, optim.SGD(net.parameters(), lr=lr))


def trained_on(which: str) -> gpucnn.Trainer:
    images, labels = pictures()
    data = Dataset(images, labels, ("a", "b", "c"))
    ways = {
        "uint8": (images, labels),
        "raw floats": (images.astype(np.float32), labels),
        "int64": (images.astype(np.int64), labels),
        "fractions": ((images / 255).astype(np.float32), labels),
        "a data set": data,
        "a loader": Loader(data, 8, Normalizer.fit("standard", data)),
    }
    made = trainer()
    made.fit(ways[which])
    return made


@pytest.mark.parametrize("which", ["uint8", "raw floats", "int64", "fractions", "a data set", "a loader"])
def test_the_same_pictures_give_the_same_answers(which) -> None:
    made, (images, labels) = trained_on(which), pictures()
    expected = made.predict(images)
    for same in (images.astype(np.int64), images.astype(np.float32), images.astype(np.float64), images / 255):
        np.testing.assert_allclose(made.predict(same), expected, atol=1e-6)
        np.testing.assert_allclose(made.evaluate((same, labels)).probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(
        made.evaluate(Dataset(images, labels, ("a", "b", "c"))).probabilities, expected, atol=1e-6
    )
    assert expected.max() < 1  # else all of them could be alike


def test_a_network_learns_the_same_from_any_type_of_the_same_numbers() -> None:
    images, _ = pictures()
    expected = trained_on("uint8").predict(images)
    for which in ("raw floats", "int64"):
        assert np.array_equal(trained_on(which).predict(images), expected)
    np.testing.assert_allclose(trained_on("fractions").predict(images), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int64", "uint16", "float32", "float64"])
def test_without_a_training_the_numbers_tell_alike(dtype) -> None:
    images, labels = pictures()
    net = trainer().net
    net[1].weight.data[:] *= 100  # as drawn
    expected = gpucnn.training.predict(net, images)
    assert np.array_equal(gpucnn.training.predict(net, images.astype(dtype)), expected)
    evaluated = gpucnn.training.evaluate(net, (images.astype(dtype), labels))
    assert np.array_equal(evaluated.probabilities, gpucnn.training.evaluate(net, (images, labels)).probabilities)
    np.testing.assert_allclose(evaluated.probabilities, expected, atol=1e-6)
    assert np.ptp(expected) > 0.05


def test_raw_numbers_that_a_normalizer_leaves_stay_as_they_are() -> None:
    images, labels = pictures()
    data = Dataset(images, labels, ("a", "b", "c"))
    made = trainer(lr=1e-7)
    made.fit(Loader(data, 8, Normalizer.fit("none", data)))
    scores = made.net(gpucnn.Tensor(images.astype(np.float32)))
    expected = gpucnn.functional.softmax(scores, dim=1).numpy()
    np.testing.assert_allclose(made.predict(images), expected, atol=1e-6)


def test_validation_images_are_seen_as_the_training_images() -> None:
    images, labels = pictures()
    made = trainer()
    (epoch,) = made.fit((images, labels), validation=(images.astype(np.int64), labels))
    assert epoch.validation_loss == pytest.approx(made.evaluate((images, labels)).loss, rel=1e-6)


def test_images_that_were_normalised_before_are_refused() -> None:
    made, (images, _) = trained_on("a loader"), pictures()
    with pytest.raises(DataError, match="The pixels go from -1.7.* expected 0 to 1"):
        made.predict((images - 128.0) / 73)


def test_numbers_that_are_no_pictures_are_taken_as_they_are() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((20, 36)), np.arange(20) % 3
    made = trainer()
    made.fit((features, labels))
    scores = made.net(gpucnn.Tensor(features[:4].astype(np.float32)))
    expected = gpucnn.functional.softmax(scores, dim=1).numpy()
    np.testing.assert_allclose(made.predict(features[:4]), expected, atol=1e-6)
    np.testing.assert_allclose(made.predict(features[:4].astype(np.float32)), expected, atol=1e-6)
