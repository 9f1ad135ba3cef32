"""Which images train, validate and test."""

import numpy as np
import pytest

from gpucnn.data import (
    Dataset,
    Source,
    draw_per_class,
    hold_out,
    resplit,
    select_classes,
    transposed,
    transposed_shape,
)
from gpucnn.errors import DataError


def make(labels, first=0):
    """Images of one pixel, numbered from `first`."""
    numbers = np.arange(first, first + len(labels), dtype=np.uint8)
    return Dataset(numbers[:, None, None, None], np.array(labels), ("ant", "bee", "cow"))


def numbers(dataset):
    return dataset.images[:, 0, 0, 0].tolist()


MANY = make([0] * 60 + [1] * 30 + [2] * 10)
SOURCE = Source(make([2, 0, 1, 0, 1, 2]), make([1, 0], first=6))


@pytest.mark.parametrize(("size", "count"), [(20, 20), (0.2, 20), (1 / 6, 17), (1, 1), (99, 99)])
def test_hold_out_by_number_or_fraction(size, count):
    rest, held = hold_out(MANY, size, seed=1)
    assert len(held) == count
    assert sorted(numbers(rest) + numbers(held)) == list(range(100))
    assert numbers(rest) == sorted(numbers(rest))


def test_hold_out_stratified_or_not():
    assert hold_out(MANY, 20)[1].class_counts.tolist() == [12, 6, 2]
    drawn = [tuple(hold_out(MANY, 20, seed, stratified=False)[1].class_counts) for seed in range(10)]
    assert len(set(drawn)) > 1


def test_hold_out_depends_on_the_seed_alone():
    one, same, other = (numbers(hold_out(MANY, 20, seed)[1]) for seed in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "validation is 0, which is 0 of 100 images"),
        (100, "validation is 100, which is 100 of 100 images: at least one must be taken and one be left"),
        (-3, "validation is -3"),
        (1.0, "validation is 1.0: a fraction lies between 0 and 1"),
        (0.001, "which is 0 of 100 images"),
        (float("nan"), "validation is nan: a fraction"),
    ],
)
def test_hold_out_leaves_and_takes_something(size, words):
    with pytest.raises(DataError, match=words):
        hold_out(MANY, size)


def test_resplit_by_label():
    source = resplit(SOURCE, 5, "all", "label")
    assert source.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert numbers(source.train) == [1, 3, 7, 2, 4]
    assert source.test.labels.tolist() == [1, 2, 2]
    alone = resplit(SOURCE, 4, "train", "label")
    assert (numbers(alone.train), numbers(alone.test)) == ([1, 3, 2, 4], [0, 5])


def test_resplit_at_random():
    source, same, other = (resplit(SOURCE, 0.75, seed=seed) for seed in (0, 0, 1))
    assert (len(source.train), len(source.test)) == (6, 2)
    assert sorted(numbers(source.train) + numbers(source.test)) == list(range(8))
    assert numbers(source.train) == numbers(same.train) != numbers(other.train)


def test_resplit_leaves_something_to_test():
    with pytest.raises(DataError, match="split.train is 8, which is 8 of 8 images"):
        resplit(SOURCE, 8)


@pytest.mark.parametrize("classes", [[2, 0], ["cow", "ant"], ["cow", 0]])
def test_classes_are_renumbered_in_the_order_given(classes):
    source = select_classes(SOURCE, classes)
    assert source.train.class_names == ("cow", "ant")
    assert source.train.labels.tolist() == [0, 1, 1, 0]
    assert numbers(source.train) == [0, 1, 3, 5]
    assert (source.test.labels.tolist(), numbers(source.test)) == ([1], [7])


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ([0, 3], r"There is no class 3; the classes are ant, bee, cow \(labels 0 to 2\)"),
        ([0, -1], "There is no class -1"),
        (["ant", "dog"], "There is no class 'dog'"),
        ([1], "name at least two classes, each once"),
        ([1, "bee"], "name at least two classes, each once"),
    ],
)
def test_classes_that_are_not_there_are_told(classes, words):
    with pytest.raises(DataError, match=words):
        select_classes(SOURCE, classes)
    with pytest.raises(DataError, match="No image belongs to the classes"):
        select_classes(Source(make([0, 1, 2]), make([1])), [0, 2])


def test_so_many_of_every_class_are_drawn_by_the_seed():
    drawn, same, other = (draw_per_class(MANY, 10, seed) for seed in (1, 1, 2))
    assert drawn.class_counts.tolist() == [10, 10, 10]
    assert numbers(drawn) == numbers(same) != numbers(other)
    assert numbers(drawn) == sorted(set(numbers(drawn)))
    assert numbers(drawn)[-10:] == list(range(90, 100))  # the third class has just ten
    assert numbers(drawn)[:10] != list(range(10))  # not the first ones


def test_a_class_with_too_few_images_is_told():
    with pytest.raises(DataError, match=r"per_class\.test is 11, but there are 10 such images of class 'cow'"):
        draw_per_class(MANY, 11, what="test")


def test_a_class_is_a_name_first_and_a_label_second():
    def named(labels):
        return Dataset(np.zeros((len(labels), 1, 1, 1), np.uint8), np.array(labels), ("1", "2", "10"))

    source = Source(named([0, 1, 2]), named([0, 1, 2]))
    assert select_classes(source, [1, 2]).train.class_names == ("1", "2")
    assert select_classes(source, [10, "1"]).train.class_names == ("10", "1")


def test_validation_images_and_notes_stay():
    source = Source(SOURCE.train, SOURCE.test, make([0, 2, 1], first=8), ("said",), from_files=True)
    chosen = select_classes(source, ["cow", "ant"])
    assert (numbers(chosen.validation), chosen.validation.labels.tolist()) == ([8, 9], [1, 0])
    alone = resplit(source, 4, "train")
    assert numbers(alone.validation) == [8, 9, 10]
    whole = resplit(source, 6)
    for part in (chosen, alone, whole, transposed(source)):
        assert part.notes == ("said",) and part.from_files
    assert whole.validation is None
    assert sorted(numbers(whole.train) + numbers(whole.test)) == list(range(11))


def test_rows_and_columns_are_exchanged_and_the_shape_with_them():
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    part = Dataset(images, np.array([0, 1]), ("a", "b"))
    turned = transposed(Source(part, part, part))
    for each in turned.parts.values():
        assert each.image_shape == (2, 3, 2) == transposed_shape((2, 2, 3))
        assert each.images.flags.c_contiguous
        assert each.images[1, 1].tolist() == images[1, 1].T.tolist()
    with pytest.raises(DataError, match=r"data.transpose turns pictures \(C, H, W\), and these are of shape \(1, 9\)"):
        transposed_shape((1, 9))
