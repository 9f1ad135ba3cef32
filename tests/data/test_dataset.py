"""Data sets: what fits together, parts of them, classes."""

import contextlib

import numpy as np
import pytest

from gpucnn.data import Dataset, Source
from gpucnn.data.dataset import check_scales, checked_names, compact, number_classes
from gpucnn.data.strata import shares
from gpucnn.errors import DataError


def make(numbers, **changes):
    """Images of 2 x 2 pixels numbered through, with these labels, but for the changes."""
    n = len(numbers)
    images = np.arange(n * 4, dtype=np.uint8).reshape(n, 1, 2, 2)
    return Dataset(**{"images": images, "labels": np.array(numbers), "class_names": ("a", "b", "c"), **changes})


def test_take_keeps_the_order_asked_for():
    part = make([0, 1, 2, 1]).take([2, 0])
    assert part.images[:, 0, 0, 0].tolist() == [8, 0]
    assert part.labels.tolist() == [2, 0]
    assert (len(part), part.image_shape, part.class_names) == (2, (1, 2, 2), ("a", "b", "c"))


def test_labels_become_int64():
    assert make(np.array([0, 2], dtype=np.uint8)).labels.dtype == np.int64


def test_limit_keeps_the_proportions_of_a_set_sorted_by_label():
    part = make([0] * 6 + [1] * 4 + [2] * 2).limit(6)
    assert part.labels.tolist() == [0, 0, 0, 1, 1, 2]
    assert part.images[:, 0, 0, 0].tolist() == [0, 4, 8, 24, 28, 40]
    assert len(part.limit(100)) == 6


def test_limit_of_nothing_is_refused():
    with pytest.raises(DataError, match="limit is 0: keep at least 1"):
        make([0, 1]).limit(0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((2, 2), np.uint8)}, r"shape \(2, 2\); expected \(N, C, H, W\)"),
        ({"images": np.zeros((2, 1, 1, 1, 2, 2), np.uint8)}, r"\(N, C, W\) for signals or \(N, C, D, H, W\)"),
        ({"images": np.zeros((0, 1, 2, 2), np.uint8)}, "at least one image"),
        ({"images": np.zeros((2, 1, 2, 2))}, "Pixels are float64; expected uint8"),
        ({"images": np.full((2, 1, 2, 2), np.nan, np.float32)}, "Image 0 holds pixels that are not finite"),
        ({"labels": np.array([0, 1, 1])}, "2 images but 3 labels"),
        ({"labels": np.array([0.0, 1.0])}, "expected one integer per image"),
        ({"labels": np.array([[0], [1]])}, "expected one integer per image"),
        ({"labels": np.array([0, 3])}, "Label 3 of image 1 is out of range: 3 classes are labelled 0 to 2"),
        ({"labels": np.array([-1, 0])}, "Label -1 of image 0 is out of range"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, words):
    with pytest.raises(DataError, match=words):
        make([0, 1], **changes)


def test_signals_and_volumes_are_data_too():
    assert make([0, 1], images=np.zeros((2, 3, 9), np.uint8)).image_shape == (3, 9)
    assert make([0, 1], images=np.zeros((2, 1, 3, 4, 5), np.float32)).image_shape == (1, 3, 4, 5)
    late = np.zeros((2, 1, 4), np.float32)
    late[1, 0, 3] = np.inf
    with pytest.raises(DataError, match="Image 1 holds pixels that are not finite"):
        make([0, 1], images=late)


def test_parts_of_a_source_are_alike():
    train = make([0, 1])
    with pytest.raises(DataError, match=r"Training images are \(1, 2, 2\), but test images are \(1, 2, 3\)"):
        Source(train, make([0, 1], images=np.zeros((2, 1, 2, 3), np.uint8)))
    with pytest.raises(DataError, match="classes are"):
        Source(train, make([0, 1], class_names=("x", "y")))


def test_compact_chooses_the_smallest_exact_type():
    assert compact(np.array([0.0, 255.0])).dtype == np.uint8
    assert compact(np.array([0, 256])).dtype == np.float32
    assert compact(np.array([-1, 5])).dtype == np.float32
    half = compact(np.array([0.5, 1.0]))
    assert half.dtype == np.float32
    assert half.tolist() == [0.5, 1.0]


def test_pixels_of_two_types_become_floats_unless_only_one_part_was_scaled():
    train, floats = make([0, 1]), make([0, 1], images=np.full((2, 1, 2, 2), 2.5, np.float32))
    source = Source(train, train, floats)
    assert {part.images.dtype for part in source.parts.values()} == {np.dtype("float32")}
    assert np.array_equal(source.test.images, train.images)
    with pytest.raises(
        DataError, match=r"Training pixels reach 7, but test pixels 0.5: one of them was scaled to 0..1"
    ):
        Source(train, make([0, 1], images=np.full((2, 1, 2, 2), 0.5, np.float32)))


SCALES = {"fractions": (0.9, "float32"), "16": (16, "uint8"), "bytes": (250, "uint8"), "wide": (60_000, "float32")}


@pytest.mark.parametrize("train", SCALES)
@pytest.mark.parametrize("other", SCALES)
def test_parts_of_two_scales_are_refused_whatever_their_type(train, other):
    parts = {
        name: make([0, 1], images=np.full((2, 1, 2, 2), *SCALES[which]))
        for name, which in (("train", train), ("validation", other))
    }
    words = r"Training pixels reach [\d.]+, but validation pixels [\d.]+: .* two scales"
    with contextlib.nullcontext() if train == other else pytest.raises(DataError, match=words):
        check_scales(parts)


def test_darker_parts_signals_and_numbers_below_0_are_left_alone():
    def parts(*images):
        return {name: make([0, 1], images=each) for name, each in zip(("train", "test"), images, strict=True)}

    bright = np.full((2, 1, 2, 2), 255, np.uint8)
    check_scales(parts(bright, bright // 10))
    check_scales(parts(bright, bright * 0))
    check_scales(parts(bright[:, 0], bright[:, 0] // 100))
    check_scales(parts(np.float32([[[[-1]]], [[[9]]]]), np.float32([[[[-1]]], [[[900]]]])))


def test_validation_images_are_alike_too():
    train = make([0, 1])
    assert list(Source(train, train).parts) == ["train", "test"]
    assert list(Source(train, train, train).parts) == ["train", "test", "validation"]
    with pytest.raises(DataError, match="but validation classes are"):
        Source(train, train, make([0, 1], class_names=("x", "y")))


@pytest.mark.parametrize(
    ("labels", "names", "numbers", "classes"),
    [
        ([0, 1, 3], None, [0, 1, 3], "0123"),  # most occur: the 2 is a class that the sample lacks
        ([1, 2, 3], None, [0, 1, 2], "123"),  # as EMNIST's letters: no class without images
        ([3, 7], None, [0, 1], "37"),
        ([0, 255], None, [0, 1], ("0", "255")),
        ([0, 2], ("a", "b", "c"), [0, 2], "abc"),
        ([1, 2], ("a", "b"), [0, 1], "ab"),
        ([1, 3], ("a", "b", "c"), [0, 2], "abc"),
        ([1, 2], ("none", "a", "b"), [1, 2], ("none", "a", "b")),
        ([3, 7], ("a", "b"), [0, 1], "ab"),
        ([0, 1], (10, 20), [0, 1], ("10", "20")),
    ],
)
def test_labels_are_numbered_from_0_and_name_their_classes(labels, names, numbers, classes):
    for dtype in (np.uint8, np.int64):
        parts = np.array(labels, dtype), np.array(labels[:1], dtype)
        renumbered, found = number_classes(parts, names)
        assert [part.tolist() for part in renumbered] == [numbers, numbers[:1]]
        assert found == tuple(classes)


@pytest.mark.parametrize(
    ("labels", "names", "words"),
    [
        ([4, 4], None, "All labels are 4: there is one class only"),
        ([0, 1, 2], ("a", "b"), "b.csv: Label 2 of image 2 is out of range: 2 classes are labelled 0 to 1"),
        ([-1, 0, 1], None, "b.csv: Label -1 of image 0 is out of range"),
        ([0, 1], ("a", "a"), "class_names holds 'a' more than once; every class needs its own name"),
        (range(70_000), None, "There are 70,000 different labels, up to 69999; at most 65,536"),
    ],
)
def test_labels_that_name_no_classes_are_refused(labels, names, words):
    train = np.array(labels) if len(set(labels)) < 3 or len(labels) > 9 else np.zeros(1, np.int64)
    with pytest.raises(DataError, match=words):
        number_classes([train, np.array(labels)], names, ["a.csv", "b.csv"])


def test_class_names_are_text_and_differ():
    assert checked_names([0, "a"]) == ("0", "a")
    with pytest.raises(DataError, match="holds '1' more than once"):
        make([0, 1], class_names=("1", 1, "2"))


@pytest.mark.parametrize(
    ("counts", "total", "expected"),
    [
        ([5, 5], 5, [3, 2]),  # a tie goes to the lower class
        ([90, 9, 1], 10, [9, 1, 0]),
        ([3, 3, 3], 9, [3, 3, 3]),
        ([10, 1, 1], 2, [2, 0, 0]),
        ([5923, 6742, 5958], 75, [24, 27, 24]),
    ],
)
def test_shares_keep_proportions(counts, total, expected):
    assert shares(np.array(counts), total).tolist() == expected
