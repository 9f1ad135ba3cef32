"""Digits on noise and among clutter."""

import numpy as np
import pytest

from gpucnn.data import load_source
from gpucnn.data.scenes import INK, SIDE
from gpucnn.errors import DataError


def test_digits_on_noise_are_the_same_for_the_same_options():
    options = {"train": 20, "test": 10, "noise": 0.2}
    first, again = (load_source("noisy_digits", options).source for _ in range(2))
    assert first.train.images.shape == (20, 1, 28, 28) and len(first.test) == 10 and first.train.kind == "classes"
    assert np.array_equal(first.train.images, again.train.images)
    other = load_source("noisy_digits", options | {"seed": 1}).source
    assert not np.array_equal(first.train.images, other.train.images)
    corners = first.train.images[:, 0, :2, :2]  # where no digit reaches
    assert 0 < corners.max() <= round(0.2 * 255) and first.train.images.max() > 200


def test_digits_among_clutter_have_a_class_for_each_pixel():
    source = load_source("cluttered_digits", {"train": 30, "test": 5}).source
    images, masks = source.train.images[:, 0], source.train.labels
    assert images.shape == masks.shape == (30, SIDE, SIDE) and source.train.class_names[:2] == ("ground", "0")
    assert (images[masks > 0] >= INK).all()
    for mask in masks:  # one digit on the left, one on the right
        halves = [set(np.unique(half).tolist()) - {0} for half in (mask[:, : SIDE // 2], mask[:, SIDE // 2 :])]
        assert [len(half) for half in halves] == [1, 1]
    assert (images[masks == 0] > 200).any()  # clutter is as bright as digits


@pytest.mark.parametrize("name", ["noisy_digits", "cluttered_digits"])
def test_options_out_of_range_are_told(name):
    with pytest.raises(DataError, match=f"{name}: train 0, test 5, noise 0.2; expected at least 1 image of each"):
        load_source(name, {"train": 0, "test": 5, "noise": 0.2})
