"""Labels as large as the images: a class per pixel, pictures, and how they move with images."""

import numpy as np
import pytest

from gpucnn.data import Augment, Dataset, Loader, Normalizer, hold_out, transposed
from gpucnn.data.dataset import Source
from gpucnn.data.fingerprint import PartPrint
from gpucnn.data.label_changes import moved
from gpucnn.data.label_maps import VOID, channel_names
from gpucnn.errors import ConfigError, DataError
from gpucnn.kernels.interface import Changes

NAMES = ("ground", "cat", "dog")


def masked(n=6, names=NAMES, seed=0):
    rng = np.random.default_rng(seed)
    images, masks = (
        rng.integers(0, 256, (n, 1, 4, 5), np.uint8),
        rng.integers(0, len(names), (n, 4, 5)).astype(np.uint8),
    )
    masks[0, 0, 0] = VOID
    return Dataset(images, masks, names)


def test_a_class_per_pixel_is_a_kind_of_labels():
    data = masked()
    assert data.kind == "pixels" and data.strata_counts.tolist() == [6]
    assert data.class_counts.tolist() == [(data.labels == k).sum() for k in range(3)]
    assert data.class_counts.sum() == data.labels.size - 1  # without the pixel of no class
    assert len(data.limit(4)) == 4
    rest, held = hold_out(data, 2)
    assert (len(rest), len(held)) == (4, 2) and held.labels.shape == (2, 4, 5)
    with pytest.raises(DataError, match="data.classes goes by classes, and the labels are a class per pixel"):
        data.check_classes("data.classes")


def test_classes_of_pixels_are_matched_by_their_names():
    data = masked()
    again = data.renumbered(("dog", "ground", "cat"))
    for before, after in ((0, 1), (1, 2), (2, 0), (VOID, VOID)):
        assert np.array_equal(data.labels == before, again.labels == after)
    with pytest.raises(DataError, match="its labels are 'ground', 'cat', 'dog', the run's 'cat', 'cow'"):
        data.renumbered(("cat", "cow"))


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (
            np.zeros((6, 4, 4), np.uint8),
            r"\(6, 4, 4\), and images \(6, 1, 4, 5\); expected uint8 of shape \(6, 4, 5\)",
        ),
        (np.zeros((6, 4, 5), np.int64), "expected uint8 of shape"),
        (
            np.full((6, 4, 5), 3, np.uint8),
            "the mask of image 0 is 3; expected 0 to 2, the numbers of 3 classes",
        ),
        (np.zeros((6, 1, 4, 4), np.uint8), "expected uint8 or float32 of the same shape, pictures of 3 channels"),
    ],
)
def test_maps_that_do_not_fit_are_told(labels, told):
    with pytest.raises(DataError, match=told):
        Dataset(masked().images, labels, NAMES)


def test_pictures_may_be_the_images_themselves():
    data = masked().reproduced(255.0)
    assert data.kind == "pictures" and data.class_names == ("grey",) and data.labels is data.images
    taken = data.take([2, 0])
    assert taken.labels is taken.images and taken.white == 255.0
    assert channel_names(3) == ("red", "green", "blue") and channel_names(2) == ("0", "1")
    with pytest.raises(DataError, match="not finite"):
        Dataset(data.images, np.full(data.images.shape, np.nan, np.float32), ("grey",))
    other = Dataset(data.images, data.labels[::-1].copy(), ("grey",))
    assert PartPrint.of(other).digest != PartPrint.of(data).digest


def test_a_loader_gives_pictures_as_fractions_and_classes_as_they_are():
    data = masked()
    (batch,) = Loader(data, 6).batches(0)
    assert batch.labels.dtype == np.uint8 and np.array_equal(batch.labels, data.labels)
    (batch,) = Loader(data.reproduced(255.0), 6, Normalizer.of("standard", data.images)).batches(0)
    assert batch.labels.dtype == np.float32
    np.testing.assert_allclose(batch.labels, data.images / 255, rtol=1e-6)
    (batch,) = Loader((data.images / 255, data.images / 255), 6).batches(0)  # arrays of fractions stay as they are
    np.testing.assert_allclose(batch.labels, data.images / 255, rtol=1e-6)
    with pytest.raises(ConfigError, match="mixup and cutmix mix classes, and labels are as large as images"):
        Loader(data, 6, augment=Augment(mixup=0.2))


def test_rows_and_columns_of_labels_are_exchanged_too():
    data = masked()
    source = transposed(Source(data, data))
    assert np.array_equal(source.train.labels, data.labels.swapaxes(1, 2))


def changes(**fields):
    return Changes(**fields)


def test_labels_are_flipped_and_cut_out_as_pixels_are():
    masks = masked().labels
    flips = np.array([True, False, True, True, False, False])
    for place, flip in enumerate(flips):
        expected = masks[place, :, ::-1] if flip else masks[place]
        assert np.array_equal(moved(masks, changes(flips=flips))[place], expected)
    offsets = np.tile([2, 0], (6, 1))  # one down out of a border of one, one to the left
    cut = moved(masks, changes(offsets=offsets, border=1))
    assert np.array_equal(cut[:, :3, 1:], masks[:, 1:, :4]) and not cut[:, 3].any() and not cut[:, :, 0].any()


def test_a_turned_class_is_the_one_with_the_largest_share():
    """A quarter turn about the centre moves pixels onto pixels; half a pixel's shift keeps blocks of a class."""
    masks = np.random.default_rng(0).integers(0, 3, (4, 6, 6)).astype(np.uint8)
    quarter = np.tile(np.array([0, 1, 0, 0], np.float32), (4, 1))
    assert np.array_equal(moved(masks, changes(maps=quarter)), np.rot90(masks, axes=(1, 2)))
    masks = np.repeat(np.array([[[1] * 3 + [2] * 3]], np.uint8), 6, axis=1)  # (1, 6, 6): two upright halves
    shifted = moved(masks, changes(maps=np.array([[1, 0, 0, 0.4]], np.float32)))
    assert np.array_equal(shifted, masks)


def test_nothing_is_hidden_in_labels_and_pictures_move_as_images_do():
    masks = masked().labels
    boxes = np.tile([0, 0, 4, 5], (6, 1, 1))
    assert np.array_equal(moved(masks, changes(boxes=boxes)), masks)
    data = masked().reproduced(255.0)
    plain = Loader(data, 6, Normalizer.of_fractions(data.images), Augment(flip=True, shift=1, rotate=20), seed=3)
    (batch,) = plain.batches(1)
    np.testing.assert_allclose(np.moveaxis(batch.images, -1, 0), batch.labels, atol=1e-6)
    hidden = Loader(data, 6, Normalizer.of_fractions(data.images), Augment(cutout=3), seed=3)
    (batch,) = hidden.batches(1)
    np.testing.assert_allclose(batch.labels, data.images / 255, rtol=1e-6)
    assert (np.moveaxis(batch.images, -1, 0) != batch.labels).any()


def test_masks_of_a_batch_move_with_its_images():
    """A mask that is the picture's own pixels, of two levels, moves as they do."""
    rng = np.random.default_rng(1)
    masks = rng.integers(0, 2, (8, 6, 6)).astype(np.uint8)
    data = Dataset(255 * masks[:, None], masks, ("0", "1"))
    loader = Loader(data, 4, Normalizer.of_fractions(data.images), Augment(flip=True, crop=1), shuffle=True, seed=5)
    for batch in loader.batches(2):
        assert np.array_equal(np.moveaxis(batch.images, -1, 0)[:, 0], batch.labels)
