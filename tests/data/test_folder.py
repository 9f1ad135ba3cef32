"""Folders of pictures by class."""

import numpy as np
import pytest
from PIL import Image

from gpucnn.data import folder
from gpucnn.errors import DataError


def fill(path, counts, size=(4, 3)):
    """A subfolder per class; the k-th picture of class c has the grey value 10 c + k."""
    for c, (name, count) in enumerate(counts.items()):
        (path / name).mkdir(parents=True)
        for k in range(count):
            Image.new("L", size, 10 * c + k).save(path / name / f"{k}.{'jpeg' if c % 2 else 'PNG'}", quality=100)
    return path


def test_classes_are_subfolders_sorted_and_the_split_is_stratified(tmp_path):
    path = fill(tmp_path, {"dog": 10, "cat": 5})
    (path / ".cache").mkdir()
    (path / "cat" / "notes.txt").write_text("no picture")
    source = folder.load(path, channels=1, test=0.2)
    assert source.train.class_names == ("cat", "dog")
    assert source.train.class_counts.tolist() == [4, 8]
    assert source.test.class_counts.tolist() == [1, 2]
    assert source.train.images.shape == (12, 1, 3, 4)
    values = {int(v) for part in (source.train, source.test) for v in part.images[:, 0, 0, 0]}
    assert values == {*range(10), *range(10, 15)}  # every picture, once
    assert folder.peek(path, channels=1) == ((1, 3, 4), 2)


def test_the_split_depends_on_the_seed_alone(tmp_path):
    path = fill(tmp_path, {"a": 10, "b": 10})
    parts = [folder.load(path, seed=seed).test.images for seed in (1, 1, 2)]
    assert np.array_equal(parts[0], parts[1])
    assert not np.array_equal(parts[0], parts[2])


@pytest.mark.parametrize(("size", "shape"), [(8, (3, 8, 8)), ((2, 6), (3, 2, 6))])
def test_size_and_channels(tmp_path, size, shape):
    path = fill(tmp_path, {"a": 5, "b": 5})
    assert folder.load(path, size=size).train.image_shape == shape
    assert folder.peek(path, size=size) == (shape, 2)


def test_train_and_test_folders_are_taken_as_they_are(tmp_path):
    fill(tmp_path / "train", {"a": 2, "b": 3})
    fill(tmp_path / "test", {"a": 1, "b": 1})
    source = folder.load(tmp_path, channels=1, invert=True)
    assert source.train.class_counts.tolist() == [2, 3]
    assert source.test.labels.tolist() == [0, 1]
    assert source.test.images[0, 0, 0, 0] == 255


def test_faults_are_told(tmp_path):
    with pytest.raises(DataError, match="none is not a folder. Give the folder that holds one subfolder"):
        folder.load(tmp_path / "none")
    with pytest.raises(DataError, match="holds 0 subfolders; expected one per class, at least two"):
        folder.load(tmp_path)
    fill(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match=r"c holds no pictures \(.png, .jpg, .jpeg\)"):
        folder.load(tmp_path)
    (tmp_path / "c").rmdir()
    Image.new("L", (9, 9)).save(tmp_path / "b" / "9.png")
    with pytest.raises(DataError, match=r"9.png is 9 x 9 \(H x W\), but the first picture is 3 x 4. Give size"):
        folder.load(tmp_path)
    (tmp_path / "b" / "9.png").write_bytes(b"junk")
    with pytest.raises(DataError, match="9.png is not a picture"):
        folder.load(tmp_path, size=4)


def test_a_test_class_that_is_not_trained_is_told(tmp_path):
    fill(tmp_path / "train", {"a": 2, "b": 3})
    fill(tmp_path / "test", {"a": 1, "b": 1, "z": 1})
    with pytest.raises(DataError, match="test holds classes that are not trained: z"):
        folder.load(tmp_path)


def test_more_than_the_bound_is_not_read(tmp_path):
    path = fill(tmp_path, {"a": 1, "b": 1})
    with pytest.raises(DataError, match="at most 2,147,483,648 are read"):
        folder.load(path, size=40_000)
