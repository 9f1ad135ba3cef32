"""What data of one's own hold, found by looking at them: for a first configuration."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpucnn.data import csv, folder, listing, npz
from gpucnn.data.dataset import Source
from gpucnn.data.image import read_image, read_size
from gpucnn.data.labels import labels_of
from gpucnn.data.table import open_table
from gpucnn.errors import InputError

LOOKED_AT = 60  # pictures, spread over all of them
NO_GREY = 12  # of 255: by so much JPEG may part the channels of a grey picture


class Survey(NamedTuple):
    """What data hold. `options` are those under `data:` that lead to them."""

    options: dict[str, Any]
    shape: tuple[int, int, int]  # (C, H, W) of an image: of picture files the median
    same_size: bool  # whether all images have it
    from_pictures: bool  # files, whose size and channels may be chosen
    classes: tuple[str, ...]
    images: int  # for training and what is held out of them
    parts: frozenset[str]  # validation and test, where the data are seen to have them of their own


def survey(path: Path) -> Survey:
    """Look at a folder of pictures, a table or an archive.

    Raises InputError for what is none of them, DataError as reading them does, OSError where that fails.
    """
    if path.is_dir():
        parts, names = folder.files(path)
        held_out = {} if "test" in parts else {"test": 0.2}
        return _of_pictures({"name": "folder", "path": str(path), **held_out}, parts, names)
    if not path.exists():
        raise InputError(f"{path}: there is no such folder or file; give a folder of pictures, a .csv or a .npz")
    if path.suffix.lower() == ".npz":
        return _of_arrays({"name": "npz", "path": str(path), "test": 0.2}, npz.load(path))
    if {".csv", ".tsv", ".txt"}.isdisjoint(suffix.lower() for suffix in path.suffixes):
        raise InputError(
            f"{path}: expected a folder with one subfolder of pictures per class, a table (.csv, .tsv, .txt, also with "
            ".gz behind it) or an archive (.npz)"
        )
    options: dict[str, Any] = {"name": "csv", "train": str(path), "test": 0.2}
    listed = listing.find([open_table(path)], None)
    if listed is None:
        return _of_arrays(options, csv.load(path))
    return _of_pictures(options, {"train": listed[0].files}, labels_of([listed[0].labels], None, None)[1])


def _of_arrays(options: dict[str, Any], source: Source) -> Survey:
    shape = source.train.image_shape
    if len(shape) != 3:
        raise InputError("signals and volumes need layers of their own; see docs/data.md")
    channels, height, width = shape
    parts = frozenset({"validation"} if source.validation else ())
    names = source.train.class_names
    return Survey(options, (channels, height, width), True, False, names, len(source.train), parts)


def _of_pictures(options: dict[str, Any], parts: dict[str, list[Path]], names: tuple[str, ...]) -> Survey:
    """The same of files: sizes and colours of some of them."""
    files = parts["train"]
    some = [files[k] for k in np.linspace(0, len(files) - 1, min(len(files), LOOKED_AT)).astype(int)]
    sizes = [read_size(file) for file in some]
    height, width = (int(np.median(sides)) for sides in zip(*sizes, strict=True))
    channels = 3 if any(_is_coloured(file) for file in some) else 1
    same = len(set(sizes)) == 1
    return Survey(options, (channels, height, width), same, True, names, len(files), frozenset(parts) - {"train"})


def _is_coloured(file: Path) -> bool:
    """Whether any pixel is of a colour that is no grey."""
    red, green, blue = read_image(file, channels=3).astype(int)  # each (H, W)
    return bool((abs(red - green) > NO_GREY).any() or (abs(green - blue) > NO_GREY).any())
