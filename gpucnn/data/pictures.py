"""Files of pictures found below a folder, and read into one array."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gpucnn.data.decoded import Pictures
from gpucnn.data.untrusted import check_size

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff",
    ".pgm", ".ppm", ".pbm", ".pnm",
)  # fmt: skip
_OF_THE_SYSTEM = ("__macosx", "thumbs.db", "desktop.ini")  # skipped, like names that begin with a dot
_MOST_TOLD = 5  # kinds of files in one line


@dataclass(frozen=True)
class Found:
    """The pictures below a folder, sorted by path, and how many other files there are, by suffix."""

    pictures: list[Path]
    others: Counter[str] = field(default_factory=Counter)


def find_pictures(folder: Path) -> Found:
    """All pictures below a folder, at any depth, without hidden files and those of the operating system.

    Links are followed; a folder is entered once. Raises OSError where a folder cannot be read.
    """
    found, others = [], Counter[str]()
    seen: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not is_hidden(name)]
        for path in (Path(root, name) for name in files if not is_hidden(name)):
            if is_picture(path):
                found.append(path)
            else:
                others[path.suffix.lower() or "without a suffix"] += 1
    return Found(sorted(found), others)


def visible_folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted by name, numbers as numbers, without the hidden ones."""
    inside = [entry for entry in folder.iterdir() if not is_hidden(entry.name) and entry.is_dir()]
    return sorted(inside, key=lambda entry: number_key(entry.name))


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden or belongs to the operating system."""
    return name.startswith(".") or name.lower() in _OF_THE_SYSTEM


def is_picture(path: Path) -> bool:
    """Whether a file's suffix is that of a readable picture format."""
    return path.suffix.lower() in SUFFIXES


def number_key(name: str) -> tuple[bool, int, str]:
    """The sort key of names: whole numbers first, by value, then words."""
    return (False, int(name), name) if name.isdecimal() and len(name) < 20 else (True, 0, name)


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """The distinct names, sorted by `number_key`."""
    return tuple(sorted(set(names), key=number_key))


def counts_as_text(others: Counter[str]) -> str:
    """Counts of files that are no pictures as text, such as `3 .txt, 1 .csv`."""
    kinds = [f"{count:,} {suffix}" for suffix, count in others.most_common(_MOST_TOLD)]
    return ", ".join(kinds) + (", ..." if len(others) > _MOST_TOLD else "")


def read_pictures(
    files: Sequence[Path], shape: tuple[int, int, int], read: Callable[[Path], np.ndarray], where: Path | str
) -> np.ndarray:
    """Read the files as (N, C, H, W) uint8; `read` returns the picture of one, (C, H, W).

    Raises DataError for pictures of different sizes, and for more data than the limit; `where` is for the message.
    """
    check_size(where, len(files) * math.prod(shape))
    return Pictures(files, shape, read)(np.arange(len(files)))


def as_text(name: str) -> str:
    r"""The name of a file as text for messages and files: bytes that are not UTF-8 become \xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """(H, W) from the option `size`: a side, or (H, W)."""
    return (size, size) if isinstance(size, int) else size


def total(counters: Iterable[Counter[str]]) -> Counter[str]:
    """The sum of counters."""
    return sum(counters, Counter[str]())


def _raise(error: OSError) -> None:
    raise error
