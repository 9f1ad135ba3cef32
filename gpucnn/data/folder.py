"""One's own pictures: a folder with a subfolder per class, or with train/ and test/ that hold these."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from gpucnn.data.dataset import Dataset, Source
from gpucnn.data.image import Background, read_image, read_size
from gpucnn.data.split import hold_out
from gpucnn.data.untrusted import check_size
from gpucnn.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg")


def load(
    path: Path,
    size: int | tuple[int, int] | None = None,
    channels: Literal[1, 3] = 3,
    test: float = 0.2,
    invert: bool = False,
    background: Background = "white",
    seed: int = 0,
) -> Source:
    """Read the PNG and JPEG files of every class; classes are the subfolders' names, sorted.

    size: one side, or (H, W), that all are stretched to; without it all must have one size. channels: 1
    (grey) or 3. Where `path` holds train/ and test/, these are the two parts; otherwise `test` of the images,
    stratified and drawn by `seed`, are held out. invert: black becomes white. background: what shows through
    transparent parts. Raises DataError; OSError where reading fails.
    """
    both = _parts(path)
    names = _class_names(both[0])
    height, width = _size(both[0], names, size)

    def read(file: Path) -> np.ndarray:
        return read_image(file, channels, None if size is None else (height, width), invert, background)

    datasets = [_read(part, names, (channels, height, width), read) for part in both]
    if len(datasets) == 1:
        datasets = list(hold_out(datasets[0], test, seed, what="test"))
    return Source(*datasets)


def peek(
    path: Path, size: int | tuple[int, int] | None = None, channels: int = 3, **others: object
) -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W) and number of classes, from the listing and at most one picture's header."""
    part = _parts(path)[0]
    names = _class_names(part)
    return (channels, *_size(part, names, size)), len(names)


def _parts(path: Path | str) -> list[Path]:
    """[train, test] where `path` holds both, else [path]."""
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path} is not a folder. Give the folder that holds one subfolder of pictures per class.")
    both = [path / "train", path / "test"]
    return both if all(part.is_dir() for part in both) else [path]


def _class_names(folder: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(names) < 2:
        raise DataError(f"{folder} holds {len(names)} subfolders; expected one per class, at least two.")
    return tuple(names)


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def _size(folder: Path, names: tuple[str, ...], size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(H, W) as the option says, or of the first picture."""
    if size is None:
        pictures = _pictures(folder / names[0])
        if not pictures:
            raise DataError(_empty(folder / names[0]))
        return read_size(pictures[0])
    return (size, size) if isinstance(size, int) else size


def _read(
    folder: Path, names: tuple[str, ...], shape: tuple[int, int, int], read: Callable[[Path], np.ndarray]
) -> Dataset:
    """All pictures of a part of the data, class by class; `read` gives one, of that shape (C, H, W)."""
    unknown = set(_class_names(folder)) - set(names)
    if unknown:
        raise DataError(f"{folder} holds classes that are not trained: {', '.join(sorted(unknown))}.")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        pictures = _pictures(folder / name) if (folder / name).is_dir() else []
        if not pictures:
            raise DataError(_empty(folder / name))
        files += pictures
        labels += [label] * len(pictures)
    check_size(folder, len(files) * math.prod(shape))
    images = np.empty((len(files), *shape), dtype=np.uint8)
    for image, file in zip(images, files, strict=True):
        pixels = read(file)
        if pixels.shape != shape:
            raise DataError(
                f"{file} is {pixels.shape[1]} x {pixels.shape[2]} (H x W), but the first picture is "
                f"{shape[1]} x {shape[2]}. Give size: a number or [H, W], and all are stretched to it."
            )
        image[:] = pixels
    return Dataset(images, np.array(labels), names)


def _empty(folder: Path) -> str:
    return f"{folder} holds no pictures ({', '.join(SUFFIXES)}); every class needs some."
