"""Folders of pictures by class."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from gpucnn.data import folder, select_classes
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
    assert source.train.class_names == ("cat", "dog") and source.from_files
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
    (tmp_path / "pictures.zip").write_bytes(b"PK")
    with pytest.raises(
        DataError, match="pictures.zip is not a folder. If it is an archive, unpack it. Give the folder"
    ):
        folder.load(tmp_path / "pictures.zip")
    with pytest.raises(DataError, match="holds 0 subfolders; expected one per class, at least two"):
        folder.load(tmp_path)
    fill(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match=r"c holds no pictures \(PNG, JPEG, .*\). Every class needs some"):
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
    with pytest.raises(DataError, match="test holds .* not trained: 'z'; those of training are 'a', 'b'. Call"):
        folder.load(tmp_path)


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_class_may_be_missing_where_nothing_is_trained_and_it_is_said(tmp_path, part):
    fill(tmp_path / "train", {"a": 3, "b": 3, "c": 3})
    fill(tmp_path / part, {"a": 2, "c": 1})
    if part == "val":
        (tmp_path / part / "b").mkdir()
        fill(tmp_path / "test", {"a": 1, "b": 1, "c": 1})
    source = folder.load(tmp_path, channels=1)
    held = source.test if part == "test" else source.validation
    assert held.class_counts.tolist() == [2, 0, 1] and source.train.class_names == ("a", "b", "c")
    assert source.notes == (f"{tmp_path / part} holds no pictures of 'b'",)
    shutil.rmtree(tmp_path / "train/c")
    (tmp_path / "train/c").mkdir()
    with pytest.raises(DataError, match="train/c holds no pictures"):
        folder.load(tmp_path)


def test_a_part_without_any_pictures_is_told(tmp_path):
    fill(tmp_path / "train", {"a": 3, "b": 3})
    (tmp_path / "test/a").mkdir(parents=True)
    with pytest.raises(DataError, match="test/a holds no pictures"):
        folder.load(tmp_path)


def test_more_than_the_memory_for_images_stays_on_disk_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUCNN_MEMORY", "1M")
    source = folder.load(fill(tmp_path, {"a": 2, "b": 2}), size=800, cache=False)
    assert source.train.images[:1].shape == (1, 3, 800, 800)
    assert "more than the 1.0 MiB of memory for images (GPUCNN_MEMORY), and are decoded when" in source.notes[-1]


def test_all_kinds_of_pictures_are_read_and_what_is_left_out_is_counted_once(tmp_path):
    suffixes = ("png", "jpg", "jpeg", "jfif", "bmp", "gif", "webp", "tif", "tiff", "pgm", "ppm", "pbm", "pnm", "dib")
    for name in "ab":
        (tmp_path / name).mkdir()
        for k, suffix in enumerate(suffixes):
            kind = {"jfif": "JPEG", "dib": "BMP"}.get(suffix)
            Image.new("1" if suffix == "pbm" else "L", (4, 3)).save(tmp_path / name / f"{k}.{suffix.upper()}", kind)
        (tmp_path / name / "notes.txt").write_text("no picture")
    (tmp_path / "a" / "photo.heic").write_bytes(b"heic")
    (tmp_path / "loose.png").write_bytes(b"in no class")
    source = folder.load(tmp_path, channels=1)
    assert len(source.train) + len(source.test) == 2 * len(suffixes)
    (note,) = source.notes
    assert note == (f"{tmp_path}: 4 files are left out (2 .txt, 1 .heic, 1 pictures outside the folders of classes)")


def test_hidden_files_and_those_of_a_system_are_skipped_without_a_word(tmp_path):
    path = fill(tmp_path, {"a": 5, "b": 5})
    for name in ("a/._0.png", "b/.DS_Store", "b/Thumbs.db", "a/desktop.ini", "__MACOSX/a/._0.png", ".git/a/1.png"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"no picture")
    source = folder.load(path, channels=1)
    assert (len(source.train) + len(source.test), source.notes) == (10, ())
    assert folder.peek(path, channels=1) == ((1, 3, 4), 2)


def test_folders_within_a_class_and_around_all_are_read(tmp_path):
    top = tmp_path / "archive" / "pictures"
    fill(top, {"a": 3, "b": 3})
    fill(top / "a", {"more": 4})
    (top / "a" / "more" / "deep").mkdir()
    Image.new("L", (4, 3)).save(top / "a" / "more" / "deep" / "x.png")
    (top / "a" / "back").symlink_to(top)  # a circle of links ends
    assert folder.load(tmp_path, channels=1, size=3).train.class_names == ("a", "b")
    (top / "a" / "back").unlink()
    source = folder.load(tmp_path, channels=1, test=0.5)
    assert (source.train.class_counts + source.test.class_counts).tolist() == [8, 3]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val", "dev"])
def test_validation_images_of_its_own(tmp_path, name):
    for part, count in (("train", 4), ("test", 2), (name, 3)):
        fill(tmp_path / part, {"a": count, "b": count})
    source = folder.load(tmp_path, channels=1)
    assert [len(part) for part in source.parts.values()] == [8, 4, 6]
    assert source.notes == ()


def test_without_a_test_folder_the_validation_images_are_tested_on_and_it_is_said(tmp_path):
    fill(tmp_path / "training_set", {"a": 4, "b": 4})
    fill(tmp_path / "val", {"a": 3, "b": 3})
    source = folder.load(tmp_path, channels=1)
    assert [len(part) for part in source.parts.values()] == [8, 6]
    (note,) = source.notes
    assert "holds no test/: the images of val/ are the test images" in note


def test_validation_pictures_without_classes_are_left_out(tmp_path):
    fill(tmp_path / "train", {"a": 5, "b": 5})
    fill(tmp_path, {"val": 3})
    source = folder.load(tmp_path, channels=1)
    assert source.parts.keys() == {"train", "test"} and len(source.train) + len(source.test) == 10
    assert source.notes[0].startswith(f"{tmp_path / 'val'} holds pictures without folders of classes")


def test_test_pictures_without_classes_are_left_for_predict(tmp_path):
    fill(tmp_path / "train", {"a": 5, "b": 5})
    fill(tmp_path, {"test": 3, "other": 1})
    source = folder.load(tmp_path, channels=1)
    assert len(source.train) + len(source.test) == 10 and source.test.class_counts.min() > 0
    assert "test holds pictures without folders of classes: it is left out" in source.notes[0]
    assert source.notes[1].endswith("left out: other")


def test_a_class_may_be_called_as_a_part(tmp_path):
    assert folder.load(fill(tmp_path, {"train": 5, "test": 5, "car": 5})).train.class_names == ("car", "test", "train")


def test_numbers_sort_as_numbers(tmp_path):
    path = fill(tmp_path, dict.fromkeys(("10", "2", "1", "b", "11", "a"), 5))
    source = folder.load(path, channels=1)
    assert source.train.class_names == ("1", "2", "10", "11", "a", "b")
    chosen = select_classes(source, [1, "2", 11])
    assert chosen.train.class_names == ("1", "2", "11")


def test_a_name_that_is_not_utf_8_can_be_written_down(tmp_path):
    path = fill(tmp_path, {"a": 5, "b": 5})
    (path / "b").rename(path / os.fsdecode(b"caf\xe9"))
    source = folder.load(path, channels=1)
    assert source.train.class_names == ("a", "caf\\xe9")
    assert "".join(source.train.class_names).encode()


def test_a_class_without_pictures_is_told_before_anything_of_the_network(tmp_path):
    path = fill(tmp_path, {"a": 5, "b": 5})
    (path / "c").mkdir()
    (path / "c" / "photo.HEIC").write_bytes(b"")
    for read in (folder.load, folder.peek):
        with pytest.raises(DataError, match="c holds no pictures .*; it holds 1 .heic. Every class needs some"):
            read(path)
