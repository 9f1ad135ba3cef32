"""Batches: sizes, order, memory, resuming."""

import numpy as np
import pytest

from gpucnn.data import Augment, Dataset, Loader, Normalizer
from gpucnn.errors import ConfigError

pytestmark = pytest.mark.usefixtures("device")

PLAIN = Normalizer(np.zeros((1, 1, 1)), np.ones((1, 1, 1)))


def make(n, shape=(2, 3, 4)):
    images = np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)
    return Dataset(images, np.arange(n), tuple(map(str, range(n))))


def labels(loader, epoch=0, first=0):
    return [batch.labels.tolist() for batch in loader.batches(epoch, first)]


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [(10, 5, [5, 5]), (12, 5, [5, 5, 2]), (11, 5, [5, 6]), (3, 5, [3]), (1, 5, [1]), (3, 1, [1, 1, 1]), (6, 5, [6])],
)
def test_sizes_of_batches(n, batch_size, sizes):
    loader = Loader(make(n), batch_size, PLAIN)
    assert [len(batch) for batch in labels(loader)] == sizes
    assert len(loader) == len(sizes)
    assert sum(labels(loader), []) == list(range(n))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_images_are_normalised_and_batch_last(dtype):
    dataset = make(7)
    normalizer = Normalizer(np.full((1, 1, 1), 8.0), np.array([0.5, 0.25]).reshape(2, 1, 1))
    for batch in Loader(dataset, 3, normalizer, shuffle=True, dtype=dtype).batches(0):
        chosen = dataset.images[batch.labels].astype(float)  # an image's label is its number
        expected = (chosen - 8) * np.array([0.5, 0.25]).reshape(1, 2, 1, 1)
        assert batch.images.dtype == dtype
        assert batch.images.flags.c_contiguous
        assert batch.images.shape == (2, 3, 4, len(batch.labels))
        assert np.array_equal(batch.images.transpose(3, 0, 1, 2), expected)


def test_shuffling_depends_on_seed_and_epoch_and_takes_every_image_once():
    loader = Loader(make(20), 6, PLAIN, shuffle=True, seed=4)
    assert sorted(sum(labels(loader, 3), [])) == list(range(20))
    assert labels(loader, 3) == labels(Loader(make(20), 6, PLAIN, shuffle=True, seed=4), 3)
    assert labels(loader, 3) != labels(loader, 2)
    assert labels(loader, 3) != labels(Loader(make(20), 6, PLAIN, shuffle=True, seed=5), 3)


def test_a_resumed_epoch_goes_on_with_the_same_batches():
    loader = Loader(make(20), 6, PLAIN, Augment(shift=1, flip=True), shuffle=True, seed=4)
    whole = list(loader.batches(1))
    rest = list(Loader(make(20), 6, PLAIN, loader.augment, shuffle=True, seed=4).batches(1, first=2))
    assert len(rest) == 2
    for ours, theirs in zip(rest, whole[2:], strict=True):
        assert np.array_equal(ours.images, theirs.images)
        assert np.array_equal(ours.labels, theirs.labels)
    assert list(loader.batches(1, first=len(loader))) == []


def test_augmentation_is_drawn_anew_for_every_epoch_and_batch():
    same = Dataset(np.tile(make(1).images, (8, 1, 1, 1)), np.zeros(8, int), ("a", "b"))
    loader = Loader(same, 4, PLAIN, Augment(shift=2))
    images = [batch.images for epoch in (0, 1) for batch in loader.batches(epoch)]
    assert len({array.tobytes() for array in images}) == 4


def test_batches_do_not_share_memory():
    dataset = make(6)
    first, second = Loader(dataset, 3, PLAIN).batches(0)
    assert not np.shares_memory(first.images, second.images)
    assert not np.shares_memory(first.images, dataset.images)


@pytest.mark.parametrize(
    ("options", "words"), [({"batch_size": 0}, "batch_size is 0"), ({"batch_size": 1, "seed": -1}, "seed is -1")]
)
def test_impossible_options_are_told(options, words):
    with pytest.raises(ConfigError, match=words):
        Loader(make(2), normalizer=PLAIN, **options)
