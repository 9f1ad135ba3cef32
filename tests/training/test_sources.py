"""Arrays as batches: nothing lost, nothing twice, the same order for the same seed and epoch."""

import numpy as np
import pytest

from gpucnn.errors import DataError
from gpucnn.training.sources import ArrayBatches, as_batches
from tests.training import examples

F32 = np.dtype(np.float32)


def numbered(n, batch_size, **options):
    """Batches of n images (1,) whose pixel and label are their number."""
    return ArrayBatches(np.arange(n, dtype=np.float64)[:, None], np.arange(n), batch_size, F32, **options)


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (1, 4, [1]), (3, 1, [1, 1, 1]), (2, 5, [2])],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_image_once_and_no_last_batch_of_one(n, batch_size, sizes, shuffle):
    data = numbered(n, batch_size, shuffle=shuffle)
    batches = list(data.batches(0))
    assert [len(batch.labels) for batch in batches] == sizes
    assert len(data) == len(sizes)
    assert sorted(np.concatenate([batch.labels for batch in batches])) == list(range(n))
    for batch in batches:
        assert batch.images.shape == (1, len(batch.labels))
        assert batch.images.flags.c_contiguous
        np.testing.assert_array_equal(batch.images[0], batch.labels)


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch, first=0):
        batches = numbered(20, 4, shuffle=True, seed=seed).batches(epoch, first)
        return np.concatenate([batch.labels for batch in batches]).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert order(0, 3)[8:] == order(0, 3, first=2)


def test_memory_is_batch_last_and_bytes_become_fractions():
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    batch = next(ArrayBatches(images, np.zeros(2, int), 2, F32).batches(0))
    assert batch.images.shape == (3, 4, 5, 2)
    assert batch.images.dtype == F32
    np.testing.assert_allclose(batch.images[1, 2, 3, 1], images[1, 1, 2, 3] / 255, rtol=1e-6)


def test_a_loader_stays_itself():
    loader = examples.loaders().train
    assert as_batches(loader, 999, F32) is loader


@pytest.mark.parametrize("data", [None, "mnist", 3, (1, 2, 3), np.zeros((3, 2))])
def test_what_is_no_data(data):
    with pytest.raises(DataError, match="data to train on is a Loader, a Dataset or"):
        as_batches(data, 2, F32)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((3, 2)), np.zeros(2)),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((0, 2)), np.zeros(0)),
        (np.zeros((1, 2)), 0),
    ],
)
def test_arrays_that_do_not_fit(images, labels):
    with pytest.raises(DataError, match=r"expected \(N, \.\.\.\) and \(N,\), N at least 1"):
        as_batches((images, labels), 2, F32)
