"""The IDX format of MNIST and its relatives: images and labels of unsigned bytes, plain or gzip.

A file is: two zero bytes, one byte for the type, one for the number of dimensions, each dimension as four
bytes (big-endian), then the values, the last dimension running fastest. Source:
http://yann.lecun.com/exdb/mnist/.
"""

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpucnn.data.dataset import ClassNames, Dataset, Source, number_classes, with_defaults
from gpucnn.data.untrusted import check_size, naming, open_data, read_up_to
from gpucnn.errors import DataError

TYPES = {
    0x08: "unsigned bytes",
    0x09: "signed bytes",
    0x0B: "16-bit integers",
    0x0C: "32-bit integers",
    0x0D: "32-bit floats",
    0x0E: "64-bit floats",
}
UNSIGNED_BYTES = 0x08
CONTENTS = {3: "images", 1: "labels"}  # by number of dimensions


def load(
    path: Path,
    train_images: str = "train-images-idx3-ubyte",
    train_labels: str = "train-labels-idx1-ubyte",
    test_images: str = "t10k-images-idx3-ubyte",
    test_labels: str = "t10k-labels-idx1-ubyte",
    class_names: ClassNames | None = None,
) -> Source:
    """Read the four files of these names in the folder `path`, or in raw/ below it as torchvision keeps them.

    A name may also end in .gz, and have a dot before idx. Without `class_names` the classes are named by their
    numbers, from the lowest label to the highest.
    Raises DataError for a file that is missing, damaged or of another kind, and OSError where reading fails.
    """
    files = [_pair(path, train_images, train_labels), _pair(path, test_images, test_labels)]
    labels, names = _number([file for _, file in files], class_names)

    def part(images: Path, numbers: np.ndarray) -> Dataset:
        pixels = read_images(images)
        with naming(images):
            return Dataset(pixels, numbers, names)

    train, test = (part(images, numbers) for (images, _), numbers in zip(files, labels, strict=True))
    return Source(train, test)


def peek(path: Path, **options: Any) -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W) and number of classes, from one header and the labels; options as for `load`."""
    given = with_defaults(load, options)
    files = [_pair(path, given.train_images, given.train_labels), _pair(path, given.test_images, given.test_labels)]
    height, width = read_shape(files[0][0], 3)[1:]
    return (1, height, width), len(_number([labels for _, labels in files], given.class_names)[1])


def find(folder: Path | str, name: str) -> Path:
    """The file `name` in `folder`; see `look_for`. Raises DataError if there is none."""
    found = look_for(Path(folder), name)
    if found is None:
        raise DataError(
            f"{folder} holds neither {name} nor {name}.gz. Give the folder and the names of the four files."
        )
    return found


def look_for(folder: Path, name: str) -> Path | None:
    """The file `name` in `folder`, or in the one raw/ below it, where torchvision keeps it, or in a folder of its name.

    It may end in .gz, and have a dot, as in train-images.idx3-ubyte.
    """
    inside = [folder, folder / "raw"]
    of_several = list(folder.glob("*/raw"))
    inside += of_several if len(of_several) == 1 else []
    for place in inside:
        for spelling in dict.fromkeys((name, name.replace("-idx", ".idx"))):
            for path in (place / spelling, place / f"{spelling}.gz", place / spelling / spelling):
                if path.is_file():
                    return path
    return None


def _number(files: Sequence[Path], class_names: ClassNames | None) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The labels in these files from 0, and the names of the classes."""
    return number_classes([read_labels(file) for file in files], class_names, files)


def _pair(folder: Path | str, images: str, labels: str) -> tuple[Path, Path]:
    """The paths of images and labels. Raises DataError if the counts in their headers differ."""
    files = find(folder, images), find(folder, labels)
    n_images, n_labels = read_shape(files[0], 3)[0], read_shape(files[1], 1)[0]
    if n_images != n_labels:
        raise DataError(
            f"{files[0]} holds {n_images:,} images, but {files[1]} {n_labels:,} labels: every image needs one label. "
            "Give the files that belong together."
        )
    return files


def read_images(path: Path | str) -> np.ndarray:
    """Grey images, (N, 1, H, W) uint8. Raises DataError."""
    images = _read(path, 3)
    return images[:, None]  # (N, H, W) -> (N, 1, H, W)


def read_labels(path: Path | str) -> np.ndarray:
    """Labels, (N,) uint8. Raises DataError."""
    return _read(path, 1)


def read_shape(path: Path | str, ndim: int) -> tuple[int, ...]:
    """The dimensions that the header of an `ndim`-dimensional IDX file of unsigned bytes states."""
    with open_data(path) as file:
        return _read_header(file, path, ndim)


def _read(path: Path | str, ndim: int) -> np.ndarray:
    with open_data(path) as file:
        shape = _read_header(file, path, ndim)
        size = math.prod(shape)
        values = read_up_to(file, size + 1)  # one more than expected: enough to see that there is more
    if len(values) != size:
        held = f"only {len(values):,}" if len(values) < size else "more"
        raise DataError(
            f"{path}: its header announces {' x '.join(map(str, shape))} = {size:,} bytes of "
            f"{CONTENTS[ndim]}, "
            f"but it holds {held}. The file is truncated or damaged; give another copy."
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _read_header(file: IO[bytes], path: Path | str, ndim: int) -> tuple[int, ...]:
    """Check the magic number and return the dimensions; the file then stands at the first value."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise DataError(
            f"{path} is not an IDX file: it starts with the bytes {magic.hex(' ') or '(none)'}; "
            f"IDX {CONTENTS[ndim]} start with 00 00 08 {ndim:02x}. Give another file."
        )
    if magic[2] != UNSIGNED_BYTES:
        raise DataError(
            f"{path}: its values are {TYPES[magic[2]]} (type {magic[2]:#04x}); expected unsigned bytes (0x08)."
        )
    if magic[3] != ndim:
        raise DataError(
            f"{path}: it has {magic[3]} dimensions, but {CONTENTS[ndim]} have {ndim}. "
            "Are the files of images and labels exchanged?"
        )
    dimensions = file.read(4 * ndim)
    if len(dimensions) < 4 * ndim:
        raise DataError(
            f"{path}: the file ends inside its header, after {4 + len(dimensions)} bytes. "
            "It is truncated; give another copy."
        )
    shape = struct.unpack(f">{ndim}I", dimensions)
    if 0 in shape:
        raise DataError(
            f"{path}: its header announces {' x '.join(map(str, shape))} values: it is empty. Give another file."
        )
    check_size(path, math.prod(shape))
    return shape
