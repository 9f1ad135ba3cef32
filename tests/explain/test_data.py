"""What is told of data: planted duplicates and planted label errors are found, means are means."""

import numpy as np
import pytest

from gpucnn.data import Dataset
from gpucnn.errors import ShapeError
from gpucnn.explain import mean_images, near_duplicates, suspects
from gpucnn.explain.duplicates import LIKENESS


def pictures(rng, count, shape) -> np.ndarray:
    """Smooth bytes, as pictures are: (count, *shape)."""
    noise = rng.normal(size=(count, *shape))
    for axis in range(2, noise.ndim):
        noise = noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)
    low, high = noise.min(), noise.max()
    return np.rint(255 * (noise - low) / (high - low)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 12, 9), (1, 4, 4), (2, 300), (1, 6, 7, 5)])
def test_planted_duplicates_are_found_and_nothing_else(shape, rng) -> None:
    training, test = pictures(rng, 1500, shape), pictures(rng, 600, shape)
    test[7] = training[1203]
    test[300] = np.rint(training[4] * 0.8 + 20)  # darker, and with less contrast
    test[301] = (training[40] + rng.normal(0, 0.05 * training[40].std(), shape)).round().clip(0, 255)
    test[599] = 255 - training[9]  # a negative is another picture
    test[5] = training[1499] = 128  # and pictures of one colour are like none
    found = near_duplicates(test, training)
    assert dict(zip(found.images.tolist(), found.twins.tolist(), strict=True)) == {7: 1203, 300: 4, 301: 40}
    assert found.images[0] == 7 and found.likeness[0] == pytest.approx(1)
    assert (np.diff(found.likeness) <= 0).all() and found.likeness.min() >= LIKENESS


@pytest.mark.parametrize("least", [0.995, 0.9, 0.6])
def test_no_pair_is_missed(least, rng) -> None:
    """Against all pairs, compared in full: a low bound, so that there are many."""
    training, test = pictures(rng, 800, (1, 8, 8)), pictures(rng, 500, (1, 8, 8))
    test[::50] = training[:10]
    rows = [each.reshape(len(each), -1).astype(np.float64) for each in (test, training)]
    correlation = np.corrcoef(*rows)[: len(test), len(test) :]
    expected = np.flatnonzero(correlation.max(axis=1) >= least)
    found = near_duplicates(test, training, least)
    assert sorted(found.images.tolist()) == expected.tolist()
    np.testing.assert_array_equal(found.twins, correlation[found.images].argmax(axis=1))
    np.testing.assert_allclose(found.likeness, correlation[found.images].max(axis=1), rtol=1e-5)


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"given \(1, 8, 8\) and \(1, 9, 8\)"):
        near_duplicates(np.zeros((2, 1, 8, 8)), np.zeros((2, 1, 9, 8)))


def test_wrong_labels_have_the_largest_loss(rng) -> None:
    labels = rng.integers(0, 4, 200)
    probabilities = 0.1 + rng.random((200, 4)) * 0.1
    probabilities[np.arange(200), labels] += 1 + rng.random(200)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels[[3, 77, 150]] = (labels[[3, 77, 150]] + 1) % 4
    probabilities[77] = np.eye(4)[(labels[77] - 1) % 4]  # sure of another: an infinite loss
    found = suspects(labels, probabilities, 24)
    assert set(found) == {3, 77, 150} and found[0] == 77
    own = probabilities[found, labels[found]]
    assert (np.diff(own) >= 0).all() and suspects(labels, probabilities, 1).tolist() == [77]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_mean_image_of_a_class_is_the_mean_of_its_images(dtype, rng) -> None:
    images, labels = rng.integers(0, 256, (90, 2, 5, 4)).astype(dtype), rng.integers(0, 3, 90)
    means = mean_images(Dataset(images, labels, ("a", "b", "c", "none")))
    for label in range(3):
        np.testing.assert_allclose(means[label], images[labels == label].mean(axis=0), rtol=1e-5)
    assert np.isnan(means[3]).all()
