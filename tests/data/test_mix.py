"""Mixup and cutmix: images and labels against a loop, shares by their distributions, and batches of a loader."""

import numpy as np
import pytest

from gpucnn import functional as F
from gpucnn.data import Augment, Dataset, Loader
from gpucnn.data.mix import draw_mixture, mixed
from gpucnn.tensor import Tensor
from gpucnn.training.answers import class_numbers


def by_a_loop(images, rows, mixture):
    """Images (C, H, W, N) and rows (N, K): inside the rectangle the share, outside the own pixel."""
    share, top, left, bottom, right = mixture
    out, labels = np.empty_like(images), np.empty_like(rows)
    height, width, count = images.shape[1:]
    for c, y, x, n in np.ndindex(images.shape):
        own = share if top <= y < bottom and left <= x < right else 1.0
        out[c, y, x, n] = own * images[c, y, x, n] + (1 - own) * images[c, y, x, (n - 1) % count]
    covered = sum(top <= y < bottom and left <= x < right for y, x in np.ndindex(height, width)) / (height * width)
    for n in range(count):
        own = 1 - (1 - share) * covered
        labels[n] = own * rows[n] + (1 - own) * rows[(n - 1) % count]
    return out, labels


@pytest.mark.parametrize("mixture", [[0.3, 0, 0, 6, 5], [0, 1, 2, 4, 5], [0, 3, 3, 3, 3]], ids=str)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_images_and_labels_are_those_of_a_loop(mixture, count, rng):
    images, numbers = rng.standard_normal((2, 6, 5, count)), rng.integers(0, 4, count)
    expected = by_a_loop(images, np.eye(4)[numbers], mixture)
    found = mixed(images, numbers, np.array(mixture, float), 4)
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-12)
    assert np.allclose(found[1].sum(axis=1), 1)
    soft = rng.dirichlet(np.ones(4), count)
    np.testing.assert_allclose(mixed(images, soft, np.array(mixture, float), 0)[1], by_a_loop(images, soft, mixture)[1])
    numbers = rng.standard_normal(count)  # no classes
    found = mixed(images, numbers, np.array(mixture, float), 0)[1]
    rows = by_a_loop(images, numbers[:, None], mixture)[1]
    np.testing.assert_allclose(found, rows[:, 0], atol=1e-12)


def drawn(mixup, cutmix, count=4000):
    rng = np.random.default_rng(0)
    return np.array([draw_mixture(mixup, cutmix, 28, 20, rng) for _ in range(count)])


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_of_mixup_are_beta_distributed(alpha):
    mixtures = drawn(alpha, 0.0)
    assert (mixtures[:, 1:] == [0, 0, 28, 20]).all()
    assert mixtures[:, 0].mean() == pytest.approx(0.5, abs=0.02)
    assert mixtures[:, 0].var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.06)  # of Beta(α, α)


def test_rectangles_of_cutmix():
    mixtures = drawn(0.0, 1.0)
    assert (mixtures[:, 0] == 0).all() and (mixtures[:, 1:] == mixtures[:, 1:].astype(int)).all()
    top, left, bottom, right = mixtures[:, 1:].T
    assert top.min() >= 0 and left.min() >= 0 and bottom.max() <= 28 and right.max() <= 20
    whole = (top > 0) & (left > 0) & (bottom < 28) & (right < 20)  # not cut off
    rows, columns = (bottom - top)[whole], (right - left)[whole]
    assert abs(rows / 28 - columns / 20).max() < 0.1  # the image's proportions, rounded to two pixels
    rng = np.random.default_rng(1)
    expected = []
    for _ in range(4000):  # as torchvision's reference draws them
        r, y, x = 0.5 * np.sqrt(1 - rng.beta(1, 1)), rng.integers(28), rng.integers(20)
        half, across = int(r * 28), int(r * 20)
        expected.append((min(y + half, 28) - max(y - half, 0)) * (min(x + across, 20) - max(x - across, 0)) / 560)
    areas = (bottom - top) * (right - left) / 560
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.quantile(areas, quantile) == pytest.approx(np.quantile(expected, quantile), abs=0.03)


def test_where_both_are_given_each_is_half_of_the_batches():
    assert 0.46 < (drawn(1.0, 1.0)[:, 0] > 0).mean() < 0.54


def batches(**options):
    rng = np.random.default_rng(3)
    data = Dataset(rng.integers(0, 256, (30, 1, 6, 5), dtype=np.uint8), rng.integers(0, 3, 30), ("a", "b", "c", "d"))
    return Loader(data, 8, shuffle=True, seed=1, **options)


@pytest.mark.parametrize("ways", [{"mixup": 0.5}, {"cutmix": 1.0}])
def test_a_loader_mixes_what_it_would_give_and_says_so_in_the_labels(ways):
    plain, loader = batches(augment=Augment(flip=True)), batches(augment=Augment(flip=True, **ways))
    for number, (own, other) in enumerate(zip(loader.batches(2), plain.batches(2), strict=True)):
        expected = by_a_loop(other.images, np.eye(4)[other.labels], loader.mixture(2, number))
        np.testing.assert_allclose(own.images, expected[0], atol=1e-6)
        np.testing.assert_allclose(own.labels, expected[1], atol=1e-6)
        assert own.images.flags.c_contiguous and own.labels.dtype == np.float32


def test_a_part_of_a_mixed_batch_is_that_of_the_whole():
    loader = batches(augment=Augment(shift=1, mixup=0.5, cutmix=0.5))
    whole, part = (list(loader.batches(0, 1, given)) for given in (None, lambda n: slice(n // 2, n)))
    for all_of_it, own in zip(whole, part, strict=True):
        half = len(all_of_it.labels) // 2
        assert np.array_equal(own.images, all_of_it.images[..., half:])
        assert np.array_equal(own.labels, all_of_it.labels[half:])


def test_the_loss_of_mixed_labels_is_that_of_both_mixed(rng):
    """λ · l(a) + (1 - λ) · l(b), and an answer is right if it is the class of the larger share."""
    outputs, labels = rng.standard_normal((6, 3)), np.array([0, 1, 2, 2, 1, 0])
    images = rng.standard_normal((1, 4, 4, 6))
    for share in (0.8, 0.3):
        _, rows = mixed(images, labels, np.array([share, 0, 0, 4, 4]), 3)
        logits = Tensor(outputs)
        one, other = (F.cross_entropy(logits, given).item() for given in (labels, np.roll(labels, 1)))
        assert F.cross_entropy(logits, rows).item() == pytest.approx(share * one + (1 - share) * other, rel=1e-12)
        assert np.array_equal(class_numbers(rows), labels if share > 0.5 else np.roll(labels, 1))
