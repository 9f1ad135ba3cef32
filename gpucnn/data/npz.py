"""NumPy's .npz archives with Keras's names, read without pickle and measured before they are unpacked."""

import contextlib
import errno
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import numpy as np

from gpucnn.data.dataset import Dataset, Source, compact, numbered_classes
from gpucnn.data.split import hold_out
from gpucnn.data.untrusted import check_size, naming
from gpucnn.errors import DataError

Layout = Literal["channels_first", "channels_last"]
Axes = Literal[1, 2, 3]
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def load(
    path: Path,
    train_images: str = "x_train",
    train_labels: str = "y_train",
    test_images: str | None = "x_test",
    test_labels: str = "y_test",
    test: float = 0.2,
    layout: Layout | None = None,
    axes: Axes = 2,
    class_names: tuple[str, ...] | None = None,
    seed: int = 0,
) -> Source:
    """Read images and labels from the arrays of these names.

    Images are (N, H, W), (N, C, H, W) or (N, H, W, C): of the last two, the one whose C is 1 or 3 unless
    `layout` says which. With `axes` 1 they are signals, (N, W), (N, C, W) or (N, W, C); with 3, volumes.
    Labels are whole numbers, (N,) or (N, 1). With `test_images: null` the fraction `test` of the training
    images is held out, stratified, by `seed`. Classes without `class_names` are numbered. Raises DataError;
    OSError where reading fails.
    """
    with _archive(path) as archive:
        labels = [_labels(archive, train_labels)]
        images = [_channels_first(train_images, _array(archive, train_images), layout, axes)]
        if test_images is not None:
            labels.append(_labels(archive, test_labels))
            images.append(_channels_first(test_images, _array(archive, test_images), layout, axes))
        names = class_names or numbered_classes(*labels)
        parts = [Dataset(np.ascontiguousarray(compact(x)), y, names) for x, y in zip(images, labels, strict=True)]
        if len(parts) == 1:
            parts = list(hold_out(parts[0], test, seed, what="test"))
        return Source(*parts)


def peek(
    path: Path,
    train_images: str = "x_train",
    train_labels: str = "y_train",
    layout: Layout | None = None,
    axes: Axes = 2,
    class_names: tuple[str, ...] | None = None,
    **others: object,
) -> tuple[tuple[int, ...], int]:
    """Image shape (C, H, W) from a header, and the number of classes from the training labels."""
    with _archive(path) as archive, _member(archive, train_images) as (_, shape, dtype):
        stand_in = np.broadcast_to(np.zeros((), dtype), shape)  # an array of that shape, without its memory
        image_shape = _channels_first(train_images, stand_in, layout, axes).shape[1:]
        names = class_names or numbered_classes(_labels(archive, train_labels))
    return image_shape, len(names)


def read_arrays(path: Path | str, *names: str) -> list[np.ndarray]:
    """The arrays of these names. Raises DataError, OSError."""
    with _archive(path) as archive:
        return [_array(archive, name) for name in names]


@contextlib.contextmanager
def _archive(path: Path | str) -> Iterator[zipfile.ZipFile]:
    """Open the archive; whatever is wrong with it, also while it is read, is a DataError that names it."""
    with naming(path):
        try:
            with zipfile.ZipFile(path) as archive:
                yield archive
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError) as error:
            raise DataError(f"this is no npz archive, or it is damaged ({error}). Make it with np.savez.") from None
        except OSError as error:
            if error.errno != errno.EINVAL:  # not a seek to before the start, as a damaged directory asks
                raise
            raise DataError(f"this npz archive is damaged ({error.strerror}).") from None


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype[np.generic]]]:
    """The array `name`, whose header fits the size it takes: (file standing at the values, shape, type)."""
    names = [member.removesuffix(".npy") for member in archive.namelist()]
    if name not in names:
        raise DataError(f"it holds no array {name!r}; it holds {', '.join(sorted(names)[:20])}. Name the one you mean.")
    info = archive.infolist()[names.index(name)]
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"array {name!r} is encrypted or packed in a way that NumPy does not write.")
    check_size(name, info.file_size)
    with archive.open(info) as file:
        shape, dtype = _header(file, name)
        expected = math.prod(shape) * dtype.itemsize
        if file.tell() + expected != info.file_size:
            raise DataError(
                f"array {name!r} is {shape} of {dtype}, which takes {expected:,} bytes, "
                f"but the archive holds {info.file_size - file.tell():,}. Make it with np.savez."
            )
        yield file, shape, dtype


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    try:
        version = np.lib.format.read_magic(file)
        read = _HEADER_READERS[version]
        shape, columns_first, dtype = read(file)
    except KeyError:
        raise DataError(f"array {name!r} is of npy version {version}; expected 1.0 or 2.0.") from None
    except (ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise DataError(f"array {name!r} is damaged: {error}") from None
    if dtype.hasobject:
        raise DataError(f"array {name!r} holds pickled Python objects, which are never loaded. Save it as numbers.")
    if dtype.kind not in "buif":
        raise DataError(f"array {name!r} holds {dtype}; expected numbers.")
    if columns_first and len(shape) > 1:
        raise DataError(f"array {name!r} is saved in Fortran order. Save np.ascontiguousarray of it.")
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with _member(archive, name) as (file, shape, dtype):
        content = file.read()  # zipfile reads no more than the size checked, and compares the checksum
    return np.frombuffer(content, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _labels(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    labels = _array(archive, name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]  # (N, 1) -> (N,), as Keras ships CIFAR-10
    if labels.ndim != 1 or labels.dtype.kind not in "ui" or not labels.size:
        raise DataError(f"labels {name!r} are {labels.dtype} of shape {labels.shape}; expected whole numbers, (N,).")
    return labels


def _channels_first(name: str, images: np.ndarray, layout: Layout | None, axes: Axes) -> np.ndarray:
    """(N, H, W), (N, C, H, W) or (N, H, W, C) -> (N, C, H, W), whatever axes stand for H, W."""
    if images.ndim == axes + 1:
        return images[:, None]
    if images.ndim != axes + 2:
        sizes = ", ".join("DHW"[-axes:])
        raise DataError(
            f"images {name!r} have shape {images.shape}; expected (N, {sizes}), (N, C, {sizes}) or (N, {sizes}, C). "
            "Give axes: 1 for signals, 2 for images, 3 for volumes."
        )
    if layout is None:
        first, last = images.shape[1] in (1, 3), images.shape[-1] in (1, 3)
        if first == last:
            raise DataError(
                f"images {name!r} have shape {images.shape}, from which the channels cannot be told. "
                "Give layout: channels_first or channels_last."
            )
        layout = "channels_first" if first else "channels_last"
    return images if layout == "channels_first" else np.moveaxis(images, -1, 1)
