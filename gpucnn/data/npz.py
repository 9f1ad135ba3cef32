"""NumPy's .npz archives and .npy arrays, read without pickle, with sizes checked before unpacking."""

import contextlib
import errno
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np

from gpucnn.data.dataset import (
    ClassNames,
    Dataset,
    Source,
    check_scales,
    checked_names,
    compact,
    number_classes,
    with_defaults,
)
from gpucnn.data.label_maps import VOID, channel_names
from gpucnn.data.label_rows import LabelKind, are_numbers, label_rows, row_names
from gpucnn.data.pictures import sorted_names
from gpucnn.data.ranges import full_scale
from gpucnn.data.room import image_memory
from gpucnn.data.split import hold_out
from gpucnn.data.stored import Rows, Stored, pieces
from gpucnn.data.untrusted import MAX_BYTES, check_size, naming
from gpucnn.errors import DataError

Layout = Literal["channels_first", "channels_last"]
Axes = Literal[1, 2, 3]
MapKind = Literal["pixels", "pictures"]  # labels that are as large as the images
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


# Names of arrays: a word for the part and one for the contents, in either order, or the second alone.
_PARTS = {"train": ("train", "training"), "validation": ("val", "valid", "validation", "dev"), "test": ("test",)}
_NPY = b"\x93NUMPY"
_ORDER = ("train", "test", "validation")
_LOCAL = struct.Struct("<26xHH")  # a member's own header: it ends in the lengths of its name and of extra fields
_IMAGES, _LABELS = ("x", "images", "image", "imgs", "data"), ("y", "labels", "label", "targets", "target")
AUTO = "auto"


def load(
    path: Path,
    train_images: str = AUTO,
    train_labels: str = AUTO,
    test_images: str | None = AUTO,
    test_labels: str = AUTO,
    validation_images: str | None = AUTO,
    validation_labels: str = AUTO,
    test: float = 0.2,
    layout: Layout | None = None,
    axes: Axes = 2,
    shape: tuple[int, ...] | None = None,
    class_names: ClassNames | None = None,
    labels: LabelKind | MapKind | None = None,
    seed: int = 0,
) -> Source:
    """Read images and labels from the arrays of these names.

    auto: found by their names, as Keras (x_train), MedMNIST (train_images, val_images) and others call them. Images are
    (N, H, W), (N, C, H, W) or (N, H, W, C): of the last two, the one whose C is 1 or 3 unless `layout` says which. With
    `axes` 1 they are signals, (N, W), (N, C, W) or (N, W, C); with 3, volumes. Rows of any number of values become
    images of `shape` (C, H, W). Labels are whole numbers or words, (N,) or (N, 1), or one-hot rows (N, K). With
    `labels` "several" they are rows (N, L) of 0 and 1, with "numbers" (N,) or rows (N, K) of any numbers, with "auto"
    numbers if they are not whole; `class_names` then name the columns. "pixels" are a class per pixel, (N, H, W), 255
    for none; "pictures" have the shape of the images. Without test images, or with
    `test_images: null`, the fraction `test` of the training images is held out, stratified, by `seed`.
    Classes without `class_names` are numbered. Images that take more than the memory for images stay in the archive,
    if it is not compressed. Raises DataError; OSError where reading fails.
    """
    with _archive(path) as archive:
        given = {"train": (train_images, train_labels), "test": (test_images, test_labels)}
        arrays, notes = _choose(archive, given | {"validation": (validation_images, validation_labels)})
        if labels == "pictures":
            written = [_images(archive, name, layout, axes, shape) for _, name in arrays.values()]
            names = channel_names(written[0].shape[1])
        else:
            written, names = _labelled(archive, arrays, labels, class_names)
        images = [_images(archive, name, layout, axes, shape) for name, _ in arrays.values()]
        white = full_scale(written[0]) if labels == "pictures" else 1.0
        parts = {part: Dataset(x, y, names, white=white) for part, x, y in zip(arrays, images, written, strict=True)}
        check_scales(parts)
        if "test" not in parts:
            parts["train"], parts["test"] = hold_out(parts["train"], test, seed, what="test")
        named = tuple(f"{path}: {note}" for note in notes)
        return Source(parts["train"], parts["test"], parts.get("validation"), named)


def peek(path: Path, **options: Any) -> tuple[tuple[int, ...], int]:
    """Image shape (C, H, W) from a header, and the number of classes from the labels; options as for `load`."""
    given = with_defaults(load, options)
    with _archive(path) as archive:
        names = {part: (getattr(given, f"{part}_images"), getattr(given, f"{part}_labels")) for part in _ORDER}
        arrays, _ = _choose(archive, names)
        with _member(archive, arrays["train"][0]) as (_, announced, dtype):
            stand_in = np.broadcast_to(np.zeros((), dtype), announced)  # an array of that shape, without its memory
            image_shape = _shaped(arrays["train"][0], stand_in, given.layout, given.axes, given.shape).shape[1:]
        if given.labels == "pictures":
            return image_shape, image_shape[0]
        classes = len(_labelled(archive, arrays, given.labels, given.class_names)[1])
    return image_shape, classes


def _choose(
    archive: zipfile.ZipFile, given: Mapping[str, tuple[str | None, str]]
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """The names of the arrays of images and labels for each part that exists, and notes on the choice."""
    held = _names(archive)
    chosen, notes = {}, []
    for part, (images, labels) in given.items():
        known = _known(held, part, _IMAGES) or ("x_train" if part == "train" else None)
        found = known if images == AUTO else images
        if found is None:
            continue
        of_labels = labels if labels != AUTO else _known(held, part, _LABELS)
        if of_labels is None and part != "train" and images == AUTO:
            notes.append(f"{found!r} has no labels and is left out")
            continue
        chosen[part] = (found, of_labels or f"y_{part}")
    if chosen["train"][0] != "x_train":
        notes.insert(0, "read as " + "; ".join(f"{part}: {', '.join(names)}" for part, names in chosen.items()))
    return chosen, notes


def _known(held: Sequence[str], part: str, words: Sequence[str]) -> str | None:
    """The array whose name matches `words` for a part of the data."""
    by_name = {name.lower().replace("_", ""): name for name in held}
    names = [name for word in words for called in _PARTS[part] for name in (word + called, called + word)]
    if part == "train":
        names += words
    return next((by_name[name] for name in names if name in by_name), None)


def _labelled(
    archive: zipfile.ZipFile,
    arrays: Mapping[str, tuple[str, str]],
    kind: LabelKind | MapKind | None,
    class_names: ClassNames | None,
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The labels of all parts, class numbers or rows, and the names of the classes or columns."""
    names = [of_labels for _, of_labels in arrays.values()]
    if kind == "pixels":
        maps = [_pixels(name, _array(archive, name)) for name in names]
        return maps, _pixel_names(maps, class_names)
    if kind == "auto":
        first = _array(archive, names[0])
        kind = "numbers" if first.size and are_numbers(first, f"labels {names[0]!r}") else "classes"
    if kind is None or kind not in ("several", "numbers"):
        return _number(archive, arrays, [_labels(archive, name) for name in names], class_names)
    rows = [label_rows(_array(archive, name), kind, f"labels {name!r}") for name in names]
    return rows, row_names(class_names, None, rows[0].shape[1])


def _pixels(name: str, labels: np.ndarray) -> np.ndarray:
    """A class per pixel (N, H, W) as uint8."""
    if labels.ndim == 4 and 1 in (labels.shape[1], labels.shape[3]):
        labels = labels.reshape(len(labels), *(labels.shape[2:] if labels.shape[1] == 1 else labels.shape[1:3]))
    if labels.ndim < 3 or labels.dtype.kind not in "bui" or not labels.size:
        raise DataError(
            f"labels {name!r} are {labels.dtype} of shape {labels.shape}; expected whole numbers, (N, H, W), a class "
            "per pixel."
        )
    if labels.min() < 0 or labels.max() > VOID:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(
            f"labels {name!r} hold {wrong}; expected classes from 0 to {VOID - 1}, and {VOID} where a pixel has none."
        )
    return labels.astype(np.uint8)


def _pixel_names(maps: Sequence[np.ndarray], class_names: ClassNames | None) -> tuple[str, ...]:
    """The names of the classes of pixels: those given, else their numbers, 0 to the highest."""
    if class_names is not None:
        return checked_names(class_names)
    return tuple(map(str, range(max(int(part[part != VOID].max(initial=0)) for part in maps) + 1)))


def _number(
    archive: zipfile.ZipFile,
    arrays: Mapping[str, tuple[str, str]],
    labels: Sequence[np.ndarray],
    class_names: ClassNames | None,
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The labels of all parts from 0, int64, and the names of the classes."""
    name = arrays["train"][1]
    if len(np.unique(labels[0])) == 1:
        others = sorted(set(_names(archive)) - {array for pair in arrays.values() for array in pair})
        mend = f" The archive also holds {', '.join(others[:20])}: give train_labels: its name." if others else ""
        raise DataError(f"labels {name!r} are all {labels[0][0]}: there is nothing to tell apart.{mend}")
    if all(part.dtype.kind in "iu" for part in labels):
        return number_classes(labels, class_names, [repr(of_labels) for _, of_labels in arrays.values()])
    words = [part.astype(str) for part in labels]
    classes = sorted_names(words[0].tolist()) if class_names is None else checked_names(class_names)
    unknown = sorted(set(map(str, np.concatenate(words))) - set(classes))
    if unknown:
        raise DataError(
            f"labels are {', '.join(unknown[:5])}, which are none of the classes {', '.join(classes[:20])}."
        )
    number = {word: k for k, word in enumerate(classes)}
    return [np.array([number[str(word)] for word in part], np.int64) for part in words], classes


def read_images(path: Path | str) -> np.ndarray:
    """The images to ask a network for: the test images of an archive, else its only images, or the array of a .npy.

    They are in any layout. Raises DataError for an archive that holds none, or several; OSError.
    """
    if _is_npy(path):
        return _read_npy(Path(path))
    with _archive(path) as archive:
        held = _names(archive)
        known = [_known(held, part, _IMAGES) for part in ("test", "train", "validation")]
        several = [name for name in held if name not in {_known(held, part, _LABELS) for part in _PARTS}]
        found = next((name for name in known if name), several[0] if len(several) == 1 else None)
        if found is None:
            raise DataError(
                f"it holds {', '.join(sorted(held)[:20])}, of which none is known to be images; call them x_test."
            )
        return _array(archive, found)


def read_arrays(path: Path | str, *names: str) -> list[np.ndarray]:
    """The arrays of these names. Raises DataError, OSError."""
    with _archive(path) as archive:
        return [_array(archive, name) for name in names]


def _is_npy(path: Path | str) -> bool:
    """Whether a file begins as a single array that np.save wrote."""
    with Path(path).open("rb") as file:
        return file.read(len(_NPY)) == _NPY


def _read_npy(path: Path) -> np.ndarray:
    """The array in a .npy file."""
    with naming(path), path.open("rb") as file:
        shape, dtype = _header(file, path.stem)
        expected = math.prod(shape) * dtype.itemsize
        _check_held(path.stem, shape, dtype, path.stat().st_size - file.tell())
        check_size(path.stem, expected)
        content = file.read(expected)
    return np.frombuffer(content, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


@contextlib.contextmanager
def _archive(path: Path | str) -> Iterator[zipfile.ZipFile]:
    """Open the archive; any damage, also found while reading, is raised as a DataError that names it."""
    with naming(path):
        if _is_npy(path):
            raise DataError(
                "this is a .npy file, which holds one array. Save images and labels in one archive: "
                "np.savez('data.npz', x_train=images, y_train=labels)."
            )
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
    """Open the array `name` and check its header against its size: (file at the values, shape, type)."""
    names = _names(archive)
    if name not in names:
        raise DataError(
            f"it holds no array {name!r}; it holds {', '.join(sorted(names)[:20])}. Name the one you mean, as in "
            "data: {train_images: ..., train_labels: ...}."
        )
    info = archive.infolist()[names.index(name)]
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"array {name!r} is encrypted or packed in a way that NumPy does not write.")
    if info.compress_type != zipfile.ZIP_STORED:
        check_size(name, info.file_size)
    with archive.open(info) as file:
        shape, dtype = _header(file, name)
        _check_held(name, shape, dtype, info.file_size - file.tell())
        yield file, shape, dtype


def _check_held(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic], held: int) -> None:
    """Raise DataError unless an array of that shape and type takes the `held` bytes."""
    expected = math.prod(shape) * dtype.itemsize
    if expected != held:
        raise DataError(
            f"array {name!r} is {shape} of {dtype}, which takes {expected:,} bytes, "
            f"but the file holds {held:,}. Make it with NumPy again."
        )


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [member.removesuffix(".npy") for member in archive.namelist()]


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
    if dtype.kind not in "buifUS":
        raise DataError(f"array {name!r} holds {dtype}; expected numbers.")
    if columns_first and len(shape) > 1:
        raise DataError(f"array {name!r} is saved in Fortran order. Save np.ascontiguousarray of it.")
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with _member(archive, name) as (file, shape, dtype):
        check_size(name, math.prod(shape) * dtype.itemsize)
        content = file.read()  # zipfile reads no more than the size checked, and compares the checksum
    return np.frombuffer(content, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _images(
    archive: zipfile.ZipFile, name: str, layout: Layout | None, axes: Axes, shape: tuple[int, ...] | None
) -> np.ndarray:
    """The images (N, C, H, W) of the array `name`, uint8 or float32; read when they are used if they are large."""
    with _member(archive, name) as (file, announced, dtype):
        start = file.tell()
    large = math.prod(announced) * dtype.itemsize > min(image_memory(), MAX_BYTES)
    if not large or not _in_place(archive, name, dtype):
        return np.ascontiguousarray(compact(_shaped(name, _array(archive, name), layout, axes, shape)))
    rows = Rows(Path(str(archive.filename)), announced[1:], dtype, _begin(archive, name) + start)
    first = _shaped(name, rows(np.arange(1)), layout, axes, shape)

    def read(numbers: np.ndarray) -> np.ndarray:
        if not len(numbers):
            return np.empty((0, *first.shape[1:]), dtype)
        return np.ascontiguousarray(_shaped(name, rows(numbers), layout, axes, shape))

    images = Stored(read, first.shape[1:], dtype, np.arange(announced[0]))
    if dtype != np.uint8 and all(compact(piece).dtype == np.uint8 for piece in pieces(images)):
        images = images.astype(np.uint8)
    return cast(np.ndarray, images)


def _in_place(archive: zipfile.ZipFile, name: str, dtype: np.dtype[np.generic]) -> bool:
    """Whether the numbers can be used as they lie in the archive: not compressed, and of a type that images have."""
    packed = archive.infolist()[_names(archive).index(name)].compress_type != zipfile.ZIP_STORED
    return not packed and dtype.isnative and dtype in (np.uint8, np.float32)


def _begin(archive: zipfile.ZipFile, name: str) -> int:
    """The place of a member's first byte in the archive's file."""
    place = archive.infolist()[_names(archive).index(name)].header_offset
    with Path(str(archive.filename)).open("rb") as file:
        file.seek(place)
        header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise DataError("this npz archive is truncated. Make it again with np.savez.")
    of_name, of_extra = _LOCAL.unpack(header)
    return place + _LOCAL.size + of_name + of_extra


def _labels(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Labels (N,), whole numbers or words; those of one-hot rows are numbered by the place of the 1."""
    labels = _array(archive, name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]  # (N, 1) -> (N,), as Keras ships CIFAR-10
    if labels.ndim == 2 and labels.size and labels.dtype.kind in "buif":
        return _from_one_hot(name, labels)
    if labels.ndim == 1 and labels.size and labels.dtype.kind in "US":
        return np.char.decode(labels, "utf-8", "backslashreplace") if labels.dtype.kind == "S" else labels
    whole = labels.dtype.kind in "bui" or (labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)))
    if labels.ndim != 1 or not labels.size or not whole:
        raise DataError(
            f"labels {name!r} are {labels.dtype} of shape {labels.shape}; expected whole numbers, (N,), or one-hot "
            "rows (N, K)." + (" A class per pixel is data.labels: pixels." if labels.ndim > 2 else "")
        )
    return labels.astype(np.int64)


def _from_one_hot(name: str, rows: np.ndarray) -> np.ndarray:
    """One-hot rows (N, K) -> labels (N,)."""
    wrong = np.flatnonzero((np.count_nonzero(rows, axis=1) != 1) | (rows.max(axis=1) != 1))
    if wrong.size:
        raise DataError(
            f"labels {name!r} are rows of {rows.shape[1]} numbers, and row {wrong[0]} is not one-hot (a single 1 among "
            "zeros); expected whole numbers, (N,), or one-hot rows."
        )
    return rows.argmax(axis=1)


def _shaped(
    name: str, images: np.ndarray, layout: Layout | None, axes: Axes, shape: tuple[int, ...] | None
) -> np.ndarray:
    """Images of any layout, or rows of their values -> (N, C, H, W), whatever axes stand for H, W."""
    if images.dtype.kind in "US":
        raise DataError(f"images {name!r} hold {images.dtype}; expected numbers.")
    if shape is None:
        return _channels_first(name, images, layout, axes)
    if len(shape) != axes + 1 or math.prod(images.shape[1:]) != math.prod(shape):
        raise DataError(
            f"images {name!r} have shape {images.shape}, which are no images of shape: {list(shape)}; with axes: "
            f"{axes} it is C and {axes} sides, whose product is the number of values of an image."
        )
    return images.reshape(len(images), *shape)  # (N, C*H*W) -> (N, C, H, W)


def _channels_first(name: str, images: np.ndarray, layout: Layout | None, axes: Axes) -> np.ndarray:
    """(N, H, W), (N, C, H, W) or (N, H, W, C) -> (N, C, H, W), whatever axes stand for H, W."""
    if images.ndim == axes + 1:
        return images[:, None]
    if images.ndim == 2:
        raise DataError(f"images {name!r} have shape {images.shape}: each is one row of values. {_told_shape(images)}")
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


def _told_shape(rows: np.ndarray) -> str:
    """The advice for images given as rows (N, values): the option `shape` to set."""
    values, side = rows.shape[1], math.isqrt(rows.shape[1])
    if values and side * side == values:
        shape = f"[1, {side}, {side}]"
    elif values and values % 3 == 0 and math.isqrt(values // 3) ** 2 == values // 3:
        shape = f"[3, {math.isqrt(values // 3)}, {math.isqrt(values // 3)}]"
    else:
        shape = "[C, H, W]"
    return f"Give shape: {shape}, reshape them before they are saved, or give axes: 1 where they are signals."
