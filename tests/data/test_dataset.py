"""Data sets: what fits together, parts of them, classes."""

import numpy as np
import pytest

from gpucnn.data import Dataset, Source
from gpucnn.data.dataset import compact, numbered_classes
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
    with pytest.raises(DataError, match="pixels are uint8, but test pixels are float32"):
        Source(train, make([0, 1], images=np.zeros((2, 1, 2, 2), np.float32)))
    with pytest.raises(DataError, match="classes are"):
        Source(train, make([0, 1], class_names=("x", "y")))


def test_compact_chooses_the_smallest_exact_type():
    assert compact(np.array([0.0, 255.0])).dtype == np.uint8
    assert compact(np.array([0, 256])).dtype == np.float32
    assert compact(np.array([-1, 5])).dtype == np.float32
    half = compact(np.array([0.5, 1.0]))
    assert half.dtype == np.float32
    assert half.tolist() == [0.5, 1.0]


def test_numbered_classes_reach_the_highest_label_of_all():
    assert numbered_classes(np.array([0, 1]), np.array([3])) == ("0", "1", "2", "3")
    with pytest.raises(DataError, match="The highest label is 70000"):
        numbered_classes(np.array([70000]))


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
