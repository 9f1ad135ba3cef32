"""Images made on the fly."""

import numpy as np
import pytest

from gpucnn.data import synthetic
from gpucnn.errors import DataError

SMALL = {"train": 200, "test": 50, "shape": (3, 9, 10), "classes": 4}


def test_as_the_options_say():
    source = synthetic.load(**SMALL)
    assert source.train.images.shape == (200, 3, 9, 10)
    assert (len(source.test), source.test.class_names) == (50, ("0", "1", "2", "3"))
    assert set(source.train.labels.tolist()) == {0, 1, 2, 3}
    assert synthetic.peek(**SMALL) == ((3, 9, 10), 4)
    assert synthetic.peek() == ((1, 28, 28), 10)


def test_the_seed_decides():
    one, same, other = (synthetic.load(**SMALL, seed=seed).train.images for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_nearest_mean_of_the_training_images_knows_the_class():
    source = synthetic.load(**SMALL)
    means = np.stack([source.train.images[source.train.labels == k].mean(axis=0) for k in range(4)])
    distances = ((source.test.images[:, None] - means) ** 2).sum(axis=(2, 3, 4))
    assert (distances.argmin(axis=1) == source.test.labels).mean() > 0.95


@pytest.mark.parametrize("change", [{"train": 0}, {"test": -1}, {"shape": (1, 0, 4)}, {"classes": 1}])
def test_impossible_sizes_are_refused(change):
    with pytest.raises(DataError, match="expected at least 1 image, 1 pixel along each side, and 2 classes"):
        synthetic.load(**{**SMALL, **change})


def test_more_than_the_bound_is_refused():
    with pytest.raises(DataError, match="at most 2,147,483,648 are read"):
        synthetic.load(shape=(3, 1000, 1000))
