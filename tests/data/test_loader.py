"""Batches of data sets and of arrays: sizes, order, memory, resuming."""

import numpy as np
import pytest

from gpucnn.data import Augment, Dataset, Loader, Normalizer
from gpucnn.data.loader import as_batches, to_batch_last
from gpucnn.errors import ConfigError, DataError

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


def test_a_data_set_and_arrays_come_in_the_same_order_and_to_the_same_numbers():
    dataset = make(20)
    given = (dataset.images, dataset.labels)
    fractions = (dataset.images / np.float32(255), dataset.labels)
    sets, arrays, floats = (
        list(as_batches(data, 6, "float32", shuffle=True, seed=4).batches(3)) for data in (dataset, given, fractions)
    )
    for ours, theirs, divided in zip(sets, arrays, floats, strict=True):
        assert np.array_equal(ours.images, theirs.images)
        assert ours.labels.tolist() == theirs.labels.tolist() == divided.labels.tolist()
        np.testing.assert_allclose(ours.images, divided.images, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", ["float16", "float32", "float64", "int64", "bool"])
def test_arrays_of_any_shape_and_type_of_number(given, dtype):
    images = np.random.default_rng(1).uniform(0, 3, (5, 7)).astype(given)
    rows = np.eye(5)
    (batch,) = Loader((images, rows), 8, shuffle=True, dtype=dtype).batches(0)
    assert batch.images.dtype == dtype
    assert batch.images.shape == (7, 5)
    assert np.array_equal(batch.images, images[batch.labels.argmax(axis=1)].astype(dtype).T)


@pytest.mark.parametrize(
    ("shape", "highest", "white"),
    [
        ((5, 2, 3, 3), 1, 1),  # black and white
        ((5, 2, 3, 3), 16, 1),  # which may be anything
        ((5, 2, 3, 3), 255, 255),
        ((5, 2, 3, 3), 65535, 65535),
        ((5, 7), 16, 1),
        ((5, 7), 255, 255),  # rows of pixels
        ((5, 7), 65535, 1),
        ((5, 4, 4), 200, 255),
    ],
)
def test_the_type_of_an_array_means_nothing(shape, highest, white):
    numbers = np.random.default_rng(2).integers(0, highest + 1, shape)
    numbers.flat[0] = highest
    for dtype in ("int64", "uint16", "float32", "float64", *(["uint8"] if highest < 256 else [])):
        (batch,) = Loader((numbers.astype(dtype), np.arange(5)), 8).batches(0)
        expected = np.moveaxis(numbers, 0, -1).astype(np.float32) * np.float32(1 / white)
        assert np.array_equal(batch.images, expected), dtype


def test_numbers_that_are_no_pixels_are_taken_as_they_are():
    rng = np.random.default_rng(3)
    for numbers in (
        rng.uniform(0, 200, (5, 7)),
        rng.integers(-9, 200, (5, 7)),
        rng.standard_normal((5, 1, 3, 3)),
        np.full((5, 1, 3, 3), np.nan),
        np.full((5, 1, 3, 3), np.inf),
        rng.uniform(0, 1, (5, 1, 3, 3)),
    ):
        (batch,) = Loader((numbers, np.arange(5)), 8).batches(0)
        assert np.array_equal(batch.images, np.moveaxis(numbers, 0, -1).astype(np.float32), equal_nan=True)


def test_inputs_are_brought_in_order_and_not_scaled():
    images = make(2).images
    turned = to_batch_last(images, "float32")
    assert turned.flags.c_contiguous and turned.dtype == np.float32
    assert np.array_equal(turned, np.moveaxis(images, 0, -1))


def test_a_loader_is_returned_as_it_is():
    loader = Loader(make(2), 2, PLAIN)
    assert as_batches(loader, 999, "float32") is loader


@pytest.mark.parametrize("data", [None, "mnist", 3, (1, 2, 3), np.zeros((3, 2))])
def test_other_objects_are_refused(data):
    with pytest.raises(DataError, match="data to train on is a Loader, a Dataset or"):
        as_batches(data, 2, "float32")


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
        Loader((images, labels), 2)


def test_arrays_of_text_are_refused():
    with pytest.raises(DataError, match="images are <U1; expected numbers"):
        Loader((np.array([["a"], ["b"]]), np.zeros(2, int)), 2)


@pytest.mark.parametrize("of_arrays", [True, False])
def test_images_in_fortran_order_are_copied_once_and_not_in_every_batch(of_arrays):
    images, numbers = np.asfortranarray(make(9).images), np.zeros(9, np.int64)
    loader = Loader((images, numbers) if of_arrays else Dataset(images, numbers, ("a",)), 4)
    assert loader.images.flags.c_contiguous and (loader.images == images).all()
