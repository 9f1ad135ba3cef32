"""Random erasing: how often, how large, in what proportions and where, as PyTorch's RandomErasing has it."""

import math
import random

import numpy as np
import pytest

from gpucnn.data import Augment
from gpucnn.data.boxes import PROPORTION, SHARE, erasing_boxes


def by_a_loop(height, width, rng):
    """One rectangle (top, left, bottom, right), drawn as torchvision's reference does; None where none fits."""
    for _ in range(10):
        area = height * width * rng.uniform(*SHARE)
        proportion = math.exp(rng.uniform(*(math.log(end) for end in PROPORTION)))
        rows, columns = round(math.sqrt(area * proportion)), round(math.sqrt(area / proportion))
        if rows < height and columns < width:
            top, left = rng.randint(0, height - rows), rng.randint(0, width - columns)
            return top, left, top + rows, left + columns
    return None


@pytest.mark.parametrize(("height", "width"), [(28, 28), (9, 21)])
def test_rectangles_are_distributed_as_those_of_a_loop(height, width):
    count = 20000
    found = erasing_boxes(count, height, width, 1.0, np.random.default_rng(0))
    rng = random.Random(0)
    expected = np.array([box for box in (by_a_loop(height, width, rng) for _ in range(count)) if box])
    assert len(expected) == count  # with ten tries one fits
    for own, other in zip(found.T, expected.T, strict=True):
        levels = np.arange(max(height, width) + 1)
        shares = [np.searchsorted(np.sort(each), levels, side="right") / count for each in (own, other)]
        assert abs(shares[0] - shares[1]).max() < 1.95 * math.sqrt(2 / count)  # Kolmogorov and Smirnov, 0.1 %
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).mean() / height / width for boxes in (found, expected)]
    assert areas[0] == pytest.approx(areas[1], rel=0.02)


def test_so_many_are_erased_and_the_rest_is_as_it_was():
    images = np.ones((2000, 2, 12, 10), np.uint8)
    changed = Augment(erase=0.3)(images, np.random.default_rng(0))
    erased = ~changed.all(axis=(1, 2, 3))
    assert 0.26 < erased.mean() < 0.34
    assert np.array_equal(changed[:, 0], changed[:, 1])  # all channels alike
    rows, columns = (~changed[:, 0].all(axis=axis) for axis in (2, 1))
    assert np.array_equal(changed[:, 0] == 0, rows[:, :, None] & columns[:, None, :])  # a rectangle


def test_an_image_of_one_pixel_is_not_erased():
    assert Augment(erase=1.0)(np.ones((50, 1, 1, 1), np.uint8), np.random.default_rng(0)).all()
