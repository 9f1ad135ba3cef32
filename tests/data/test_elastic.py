"""Elastic distortion: its fields by their distribution, its pixels against a loop."""

import math

import numpy as np
import pytest

from gpucnn.data import Augment
from gpucnn.data.augment import apply
from gpucnn.data.elastic import displacements, smoothing
from gpucnn.kernels.interface import Changes


@pytest.mark.parametrize(("alpha", "sigma"), [(34.0, 4.0), (8.0, 1.5)])
def test_fields_have_the_width_and_the_smoothness_of_the_formula(alpha, sigma):
    fields = displacements(4000, 20, 12, alpha, sigma, np.random.default_rng(0))
    assert fields.shape == (4000, 2, 20, 12) and fields.dtype == np.float32
    width = alpha / math.sqrt(12 * math.pi) / sigma
    assert np.allclose(fields.std(axis=(0, 1)), width, rtol=0.03)  # everywhere, at the borders too
    assert abs(fields.mean(axis=(0, 1))).max() < 5 * width / math.sqrt(8000)
    for distance in (1, 3):  # two values of smoothed noise have the correlation exp(-d² / 4σ²)
        near, far = fields[:, :, 9, 4].ravel(), fields[:, :, 9, 4 + distance].ravel()
        assert np.corrcoef(near, far)[0, 1] == pytest.approx(math.exp(-(distance**2) / (4 * sigma**2)), abs=0.05)
    down, across = fields[:, 0, 9, 4], fields[:, 1, 9, 4]
    assert abs(np.corrcoef(down, across)[0, 1]) < 0.06


def test_smoothing_is_a_gaussian_by_a_loop():
    matrix = smoothing(9, 1.2)
    total = math.sqrt(sum(math.exp(-((j / 1.2) ** 2)) for j in range(-12, 13)))
    for i in range(9):
        weights = [math.exp(-(((i - j) / 1.2) ** 2) / 2) for j in range(9)]
        norm = math.sqrt(sum(weight**2 for weight in weights))
        whole = sum(math.exp(-((j / 1.2) ** 2) / 2) for j in range(-12, 13))
        for j in range(9):
            assert matrix[i, j] == pytest.approx(weights[j] / norm * total / whole, rel=1e-5)


def sampled(image, row, column):
    """The mean of the four pixels about a point, by their nearness; 0 outside."""
    height, width = image.shape
    value = 0.0
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < height and 0 <= c < width:
                value += (1 - abs(row - r)) * (1 - abs(column - c)) * image[r, c]
    return value


def test_pixels_are_those_of_a_loop(rng):
    images = rng.uniform(0, 1, (3, 2, 7, 9)).astype(np.float32)
    changes = Augment(elastic=20.0, elastic_sigma=2.0, shift=1.0).draw(3, (2, 7, 9), rng)
    found = apply(images, changes)
    for n, c, i, j in np.ndindex(images.shape):
        down, right = changes.maps[n, 2:]
        row = i - down + changes.displacements[n, 0, i, j]
        column = j - right + changes.displacements[n, 1, i, j]
        assert found[n, c, i, j] == pytest.approx(sampled(images[n, c], row, column), abs=2e-5)


def test_a_displacement_of_whole_pixels_moves_them(rng):
    images = rng.integers(0, 256, (1, 1, 5, 6), dtype=np.uint8)
    maps, fields = np.array([[1, 0, 0, 0]], np.float32), np.zeros((1, 2, 5, 6), np.float32)
    fields[:, 0], fields[:, 1] = 1, 2
    moved = apply(images, Changes(maps, fields))
    assert np.array_equal(moved[0, 0, :4, :4], images[0, 0, 1:, 2:])
    assert not moved[0, 0, 4].any() and not moved[0, 0, :, 4:].any()
