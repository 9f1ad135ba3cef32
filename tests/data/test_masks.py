"""Folders of pictures with masks: what is read of them, and what is told of faults."""

import numpy as np
import pytest
from PIL import Image

from gpucnn.data import load_source, peek
from gpucnn.data.masks import read_mask
from gpucnn.errors import DataError

COLOURS = [0, 0, 0, 255, 0, 0, 0, 255, 0]  # of a palette


def write(folder, name, mask=None, size=(6, 4), mode="L", suffix=".png"):
    """A picture and a mask of (width, height) `size`, whose pixels count 0, 1, 2, 0, 1, ... unless given."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(name))
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(folder / "images" / f"{name}.jpg")
    values = (np.arange(size[0] * size[1]) % 3).astype(np.uint8).reshape(size[1], size[0]) if mask is None else mask
    picture = Image.fromarray(values)
    if mode == "P":
        picture.putpalette(COLOURS)
    picture.save(folder / "masks" / f"{name}{suffix}")


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "bb", "ccc", "dddd", "eeeee"):
        write(tmp_path, name)
    return tmp_path


def load(path, **options):
    return load_source("masks", {"path": path, **options}).source


def test_masks_are_read_with_their_pictures(folder):
    source = load(folder, test=0.4, cache=False)
    every = [*source.train.labels, *source.test.labels]
    assert len(every) == 5 and source.train.kind == "pixels" and source.train.class_names == ("0", "1", "2")
    assert all(np.array_equal(mask, np.arange(24).reshape(4, 6) % 3) for mask in every)
    assert source.train.image_shape == (3, 4, 6) and source.from_files
    assert peek("masks", {"path": folder}) == ((3, 4, 6), 3)
    assert peek("masks", {"path": folder, "size": 8, "channels": 1, "class_names": list("abcd")}) == ((1, 8, 8), 4)


def test_parts_of_their_own_and_names(tmp_path):
    for part in ("train", "val", "test"):
        write(tmp_path / part, part)
    source = load(tmp_path, class_names=["ground", "cat", "dog"], size=(8, 12))
    assert {name: len(part) for name, part in source.parts.items()} == {"train": 1, "test": 1, "validation": 1}
    assert source.train.class_names == ("ground", "cat", "dog")
    nearest = np.repeat(np.repeat(np.arange(24).reshape(4, 6) % 3, 2, axis=0), 2, axis=1)
    assert np.array_equal(source.train.labels[0], nearest)


def test_palettes_and_grey_colours_are_numbers(tmp_path):
    write(tmp_path, "a", mode="P")
    write(tmp_path, "b", np.repeat((np.arange(24).reshape(4, 6) % 3).astype(np.uint8)[..., None], 3, axis=2))
    assert np.array_equal(*map(read_mask, sorted((tmp_path / "masks").iterdir())))


def test_black_and_white_masks_are_two_classes(tmp_path):
    for name in "ab":
        write(tmp_path, name, np.where(np.arange(24) % 2, 255, 0).astype(np.uint8).reshape(4, 6))
    source = load(tmp_path, test=0.5)
    assert source.train.class_names == ("0", "1") and source.train.labels.max() == 1
    assert "the masks hold 0 and 255 alone, which are taken as classes 0 and 1" in source.notes


def test_files_that_are_left_out_are_told(folder):
    (folder / "images" / "notes.txt").write_text("x")
    Image.new("L", (6, 4)).save(folder / "masks" / "unused.png")
    assert "left out are 1 .txt, 1 masks without a picture" in load(folder).notes[0]


def fault(path, **options):
    with pytest.raises(DataError) as caught:
        load(path, **options)
    return str(caught.value)


def test_faults_are_told_with_what_mends_them(folder):
    assert "1 of 6 pictures, such as lone; expected lone.png there" in _with(folder, "lone", no_mask=True)
    assert "the mask is 4 x 7 (H x W), and its picture" in _with(folder, "lone", np.zeros((4, 7), np.uint8))
    colours = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    assert "the mask's pixels are colours (RGB); expected one number a pixel" in _with(folder, "lone", colours)
    assert "JPEG changes pixels, and with them class numbers" in _with(folder, "lone", suffix=".jpg")
    assert "the masks hold class 2, and class_names are 2" in fault(folder, class_names=["a", "b"])
    assert "holds no folder images/. Expected images/ and masks/" in fault(folder / "masks")
    assert "is not a folder" in fault(folder / "none")
    Image.new("RGB", (6, 4)).save(folder / "images" / "a.png")
    assert "'a' is the name of several pictures" in fault(folder)


def _with(folder, name, mask=None, no_mask=False, **options):
    """What is told while the folder holds one pair more."""
    write(folder, name, mask, **options)
    (written,) = (folder / "masks").glob(f"{name}.*")
    if no_mask:
        written.unlink()
    told = fault(folder)
    written.unlink(missing_ok=True)
    (folder / "images" / f"{name}.jpg").unlink()
    return told


def test_one_class_alone_and_an_empty_folder(tmp_path):
    for name in "ab":
        write(tmp_path, name, np.zeros((4, 6), np.uint8))
    assert "All pixels of the masks are '0': there is nothing to tell apart" in fault(tmp_path)
    for file in (tmp_path / "images").iterdir():
        file.unlink()
    assert "images holds no pictures" in fault(tmp_path)


def test_deep_masks_hold_class_numbers_below_256(tmp_path):
    (tmp_path / "mask.png").parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((2, 2), 300, np.uint16)).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="a pixel of the mask is 300; expected class numbers from 0 to 254"):
        read_mask(tmp_path / "mask.png")
