"""Folders of pictures: one subfolder per class, or train/, val/ and test/ that hold such subfolders."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gpucnn.data.dataset import Dataset, Source, checked_names, listed
from gpucnn.data.decoded import Pictures, decode
from gpucnn.data.image import FORMATS, Background, read_image, read_size
from gpucnn.data.pictures import (
    Found,
    as_text,
    counts_as_text,
    find_pictures,
    is_hidden,
    is_picture,
    sides,
    total,
    visible_folders,
)
from gpucnn.data.split import hold_out
from gpucnn.errors import DataError

PARTS = {
    "train": ("train", "training", "training_set", "train_set"),
    "validation": ("val", "valid", "validation", "validation_set", "dev"),
    "test": ("test", "testing", "test_set"),
}
Drawn = Literal["name", "position"]  # what decides whether a picture is held out
_LAST_NUMBER = re.compile(rb"([0-9]{1,18})([^0-9]*)$")
_DEEPEST = 8  # folders that hold nothing but one folder, as archives leave them


def load(
    path: Path,
    size: int | tuple[int, int] | None = None,
    channels: Literal[1, 3] = 3,
    test: float = 0.2,
    invert: bool = False,
    background: Background = "white",
    held_out_by: Drawn = "name",
    seed: int = 0,
    cache: bool = True,
) -> Source:
    """Read the pictures of every class; classes are the subfolders' names, sorted, numbers by their value.

    A class's pictures may lie in folders of its own. size: one side, or (H, W), that all are stretched to; without it
    all must have one size. channels: 1 (grey) or 3. Where `path` holds train/ and test/ or val/, these are the parts;
    without a test/ the images of val/ are the test images. Otherwise `test` of the images, stratified and drawn by
    `seed`, are held out: about so many where held_out_by is name, as every picture is then drawn by its path and stays
    in its part when others are added; or exactly so many by position, as version 0.1.0 drew. invert: black becomes
    white. background: what shows through transparent parts. cache: whether many decoded pictures are kept in a file for
    the next time. Those that take more than the memory for images stay on disk. Raises DataError; OSError where reading
    fails.
    """
    layout = _layout(path, held_out_by)
    height, width = _size(layout, size)

    def read(file: Path) -> np.ndarray:
        return read_image(file, channels, None if size is None else (height, width), invert, background)

    notes = list(layout.notes)
    options = f"{size is None} {invert} {background}"

    def part(name: str) -> Dataset:
        by_class = layout.parts[name]
        pictures = Pictures([file for files in by_class for file in files], (channels, height, width), read)
        images, more = decode(pictures, f"{options} {name}", Path(path), cache)
        notes.extend(more)
        labels = np.repeat(np.arange(len(by_class)), [len(files) for files in by_class])
        return Dataset(images, labels, layout.names, layout.keys(name) if held_out_by == "name" else None)

    parts = {name: part(name) for name in layout.parts}
    if "test" not in parts:
        parts["train"], parts["test"] = hold_out(parts["train"], test, seed, what="test")
    return Source(**parts, notes=tuple(notes), from_files=True)


def peek(
    path: Path, size: int | tuple[int, int] | None = None, channels: int = 3, **others: object
) -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W) and number of classes, from the listing and at most one picture's header."""
    layout = _layout(path)
    return (channels, *_size(layout, size)), len(layout.names)


def files(path: Path) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """The picture files of each part that there is (train, validation, test), and the classes. Raises as `load`."""
    layout = _layout(path)
    return {part: [file for files in classes for file in files] for part, classes in layout.parts.items()}, layout.names


@dataclass(frozen=True)
class _Layout:
    """The names of the classes, and for each part that exists the files of every class."""

    names: tuple[str, ...]
    folders: dict[str, Path]
    parts: dict[str, list[list[Path]]]
    notes: tuple[str, ...]

    def keys(self, part: str) -> np.ndarray:
        """The keys of a part's pictures (N, 2), uint64, from their paths below its folder."""
        return keys_of([file for files in self.parts[part] for file in files], self.folders[part])


def keys_of(files: Sequence[Path], folder: Path) -> np.ndarray:
    """The keys of pictures (N, 2), uint64, from their paths below a folder."""
    return np.array([_key(os.fsencode(file.relative_to(folder).as_posix())) for file in files], np.uint64)


def _key(path: bytes) -> tuple[int, int]:
    """A path as a key: a hash of it without its last number, and that number."""
    found = _LAST_NUMBER.search(path)
    name, number = (path, 0) if found is None else (path[: found.start()] + b"\0" + found[2], int(found[1]))
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little"), number


def _layout(path: Path | str, held_out_by: Drawn = "name") -> _Layout:
    top = _entered(Path(path))
    folders, notes = _part_folders(top)
    names = _class_names(folders["train"])
    if held_out_by == "position":  # which hangs on the order of the classes, and 0.1.0 took numbers as text
        names = tuple(sorted(names))
    found = {part: _found(folder, names, part) for part, folder in folders.items()}
    notes += [_lacking(folders[part], names, each) for part, each in found.items() if not all(f.pictures for f in each)]
    notes += _left_out(top, folders, total(each.others for part in found.values() for each in part))
    parts = {part: [each.pictures for each in classes] for part, classes in found.items()}
    return _Layout(names, folders, parts, tuple(notes))


def _entered(path: Path) -> Path:
    """The folder that holds the classes or the parts: `path`, or the innermost of folders that hold one folder only."""
    if not path.is_dir():
        hint = " If it is an archive, unpack it." if path.is_file() else ""
        raise DataError(
            f"{path} is not a folder.{hint} Give the folder that holds one subfolder of pictures per class."
        )
    for _ in range(_DEEPEST):
        inside = visible_folders(path)
        if len(inside) != 1 or _loose_pictures(path) or not visible_folders(inside[0]):
            break
        path = inside[0]
    return path


def _part_folders(top: Path) -> tuple[dict[str, Path], list[str]]:
    """The folder of each part: train alone where `top` holds the classes themselves. Also returns notes."""
    folders = visible_folders(top)
    named = {
        part: folder for part, names in PARTS.items() for folder in folders if folder.name.lower() in names
    }  # of two such names the later
    if len(named) < 2 or "train" not in named or not visible_folders(named["train"]):
        return {"train": top}, []
    notes = []
    unused = [folder.name for folder in folders if folder not in named.values()]
    no_test = "test" not in named
    for part in ("validation", "test"):
        if part in named and not visible_folders(named[part]) and _loose_pictures(named[part]):
            notes.append(
                f"{named.pop(part)} holds pictures without folders of classes: it is left out of training; "
                "ask for their classes afterwards (gpucnn predict)"
            )
    if no_test and "validation" in named:
        named["test"] = named.pop("validation")
        notes.append(
            f"{top} holds no test/: the images of {named['test'].name}/ are the test images, and data.validation "
            "holds validation images out of train/"
        )
    if unused:
        notes.append(f"{top}: these folders are no part of the data and are left out: {', '.join(unused)}")
    return named, notes


def _class_names(folder: Path) -> tuple[str, ...]:
    names = [entry.name for entry in visible_folders(folder)]
    if len(names) < 2:
        held = f" and {len(_loose_pictures(folder))} pictures" if _loose_pictures(folder) else ""
        raise DataError(
            f"{folder} holds {len(names)} subfolders{held}; expected one per class, at least two, or train/ and test/ "
            "(or val/) that hold these."
        )
    return checked_names(as_text(name) for name in names)


def _found(folder: Path, names: tuple[str, ...], part: str) -> list[Found]:
    """The contents of the folder of every class of one part. Raises DataError for classes that do not fit.

    Only training needs pictures of all of them.
    """
    folders = {as_text(entry.name): entry for entry in visible_folders(folder)}
    unknown = folders.keys() - set(names)
    if unknown:
        raise DataError(
            f"{folder} holds classes that are not trained: {listed(sorted(unknown))}; those of training are "
            f"{listed(names)}. Call their folders alike."
        )
    found = [find_pictures(folders[name]) if name in folders else Found([]) for name in names]
    for name, each in zip(names, found, strict=True):
        if not each.pictures and (part == "train" or not any(other.pictures for other in found)):
            others = f"; it holds {counts_as_text(each.others)}" if each.others else ""
            raise DataError(
                f"{folder / name} holds no pictures ({', '.join(FORMATS)}){others}. Every class needs some: "
                "put them there, save them as PNG or JPEG, or remove the folder."
            )
    return found


def _lacking(folder: Path, names: tuple[str, ...], found: list[Found]) -> str:
    """One line for the classes of which a part has no pictures."""
    lacking = [name for name, each in zip(names, found, strict=True) if not each.pictures]
    return f"{folder} holds no pictures of {listed(lacking)}"


def _left_out(top: Path, folders: dict[str, Path], others: Counter[str]) -> list[str]:
    """One line for the files that are not read, where there are any."""
    loose = sum(len(_loose_pictures(folder)) for folder in {top, *folders.values()})
    left_out = [counts_as_text(others)] if others else []
    left_out += [f"{loose:,} pictures outside the folders of classes"] if loose else []
    return [f"{top}: {others.total() + loose:,} files are left out ({', '.join(left_out)})"] if left_out else []


def _loose_pictures(folder: Path) -> list[Path]:
    """The pictures directly in a folder, not in its subfolders."""
    return [entry for entry in folder.iterdir() if is_picture(entry) and not is_hidden(entry.name) and entry.is_file()]


def _size(layout: _Layout, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(H, W) from the option `size`, or of the first picture."""
    return read_size(layout.parts["train"][0][0]) if size is None else sides(size)
