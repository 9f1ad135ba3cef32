"""Images as lines of a table: one label and C * H * W pixels a line, or one label and the name of a picture file."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gpucnn.data import listing
from gpucnn.data.dataset import ClassNames, Dataset, Source, check_scales, compact, with_defaults
from gpucnn.data.label_rows import LabelKind
from gpucnn.data.labels import Labels, labels_of, number_labels, parse_numbers
from gpucnn.data.split import hold_out
from gpucnn.data.table import Column, Line, Table, is_number, open_table, square
from gpucnn.data.untrusted import naming
from gpucnn.errors import DataError

_CHUNK = 2**22  # bytes of text parsed at a time

Shape = tuple[int, int, int]


def load(
    train: Path,
    test: Path | float = 0.2,
    label: Column | None = None,
    header: bool | None = None,
    shape: Shape | None = None,
    class_names: ClassNames | None = None,
    labels: LabelKind | None = None,
    pictures: Path | None = None,
    size: int | tuple[int, int] | None = None,
    channels: Literal[1, 3] = 3,
    seed: int = 0,
) -> Source:
    """Read training images from the table `train`; test images from the table `test`, or hold that fraction out.

    Fields are separated by commas, semicolons, tabs or blanks, and may stand in quotes; files may be gzip. label: the
    label's column, a number from 0 (negative: from the end) or a name of the header line, or several; by default a
    column that the header calls so (label, class, target, ...), else the only one that holds words, else the first.
    Labels are whole numbers, or words, which are then the classes' names, sorted. header: whether the first line is
    one; by default it is if it holds other things than the lines below it. With `labels` "several" each column of
    labels says with 0 or 1 whether its label is there, with "numbers" they hold any numbers, with "auto" numbers if
    they are not whole or in several columns; their names are the header's, or `class_names`. shape: (C, H, W) of an
    image, channel by channel; by default one channel and a square.

    A table of names of picture files is read too: below the folder `pictures`, by default the table's own, stretched
    to `size`, a side or (H, W), with `channels`. Raises DataError that names the line; OSError where reading fails.
    """
    tables = _tables(train, test, label, header)
    listed = listing.find(tables, pictures)
    if listed is None:
        image_shape = _image_shape(tables[0], shape)
        images, written = zip(*(_read(table, _image_shape(table, image_shape)) for table in tables), strict=True)
    else:
        images, written = listing.read(listed, size, channels), [part.labels for part in listed]
    numbered, names = labels_of(written, labels, class_names)
    datasets = []
    for pixels, numbers, table in zip(images, numbered, tables, strict=True):
        with naming(table.path):
            datasets.append(Dataset(pixels, numbers, names))
    if isinstance(test, float):
        datasets = list(hold_out(datasets[0], test, seed, what="test"))
    else:
        check_scales(dict(zip(("train", "test"), datasets, strict=True)))
    notes = tuple(f"{table.path}: {note}" for table in tables for note in table.notes)
    return Source(datasets[0], datasets[1], notes=notes, from_files=listed is not None)


def peek(train: Path, test: Path | float = 0.2, **options: Any) -> tuple[Shape, int]:
    """Image shape (C, H, W) from the first lines, and the number of classes from all labels; options as for `load`."""
    given = with_defaults(load, options)
    tables = _tables(train, test, given.label, given.header)
    listed = listing.find(tables, given.pictures)
    if listed is None:
        image_shape = _image_shape(tables[0], given.shape)
        for table in tables[1:]:
            _image_shape(table, image_shape)
        written = [_labels_alone(table) for table in tables]
    else:
        image_shape = (given.channels, *listing.picture_size(listed, given.size))
        written = [part.labels for part in listed]
    return image_shape, len(labels_of(written, given.labels, given.class_names)[1])


def read_csv(
    path: Path | str, label: int | str | None = None, header: bool | None = None, shape: Shape | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Images (N, C, H, W), uint8 where all pixels are whole and 0..255, else float32; labels (N,); class names."""
    table = open_table(path, label, header)
    images, labels = _read(table, _image_shape(table, shape))
    (numbers,), names = number_labels([labels], None)
    return images, numbers, names


def read_unlabelled(path: Path | str, shape: tuple[int, ...], labels: Sequence[str] = ()) -> np.ndarray:
    """The images (N, C, H, W) of shape (C, H, W) of a table, whether or not it has a column of labels.

    Columns that the header calls by the names `labels` are labels. uint8 where all pixels are whole and 0..255, else
    float32. Raises DataError for another number of pixels; OSError.
    """
    table, pixels = open_table(path), math.prod(shape)
    if labels and table.header is not None and set(labels) <= set(table.header):
        table = open_table(path, tuple(labels))
    if table.values + 1 == pixels:
        return _read(table, shape, labelled=False)[0]
    if table.values != pixels:
        raise DataError(
            f"{path}: a line has {table.values + 1} values, but images of shape {list(shape)} need {pixels}, "
            "with a label or without."
        )
    return _read(table, shape)[0]


def read_ids(path: Path | str) -> list[str] | None:
    """What the first column calls the lines of a table, where it numbers them; else None."""
    table = open_table(path)
    if 0 not in table.removed:
        return None
    return [table.fields(line)[0].decode("utf-8", "backslashreplace") for line in table.lines()]


def _tables(train: Path, test: Path | float, label: Column | None, header: bool | None) -> list[Table]:
    paths = [train] if isinstance(test, float) else [train, test]
    return [open_table(path, label, header) for path in paths]


def _image_shape(table: Table, shape: Shape | None) -> Shape:
    """(C, H, W) from the option `shape`, or a square of one channel. Raises DataError if the values do not fit."""
    values = table.values
    if values == math.prod(shape) if shape else square(values):
        return shape or (1, math.isqrt(values), math.isqrt(values))
    of_colours = shape is None and values % 3 == 0 and square(values // 3)
    if not table.named and not of_colours and (values + 1 == math.prod(shape) if shape else square(values + 1)):
        raise DataError(
            f"{table.path}: all {values + 1} columns are pixels, so there is no column of labels, which training and "
            f"testing need. To ask a trained network for the classes: gpucnn predict RUN {table.path}"
        )
    if shape:
        raise DataError(
            f"{table.path}: {values} pixels a line do not make images of shape {list(shape)}, which need "
            f"{math.prod(shape)}."
        )
    mend = "Give shape: [C, H, W]"
    if of_colours:
        mend += f", as [3, {math.isqrt(values // 3)}, {math.isqrt(values // 3)}] for colours"
    elif square(values - 1):
        mend += ", or remove the column that is neither label nor pixel"
    raise DataError(f"{table.path}: {values} pixels a line are no square. {mend}.")


def _labels_alone(table: Table) -> Labels:
    """All labels of a table, without parsing pixels."""
    texts, lines = [], []
    for line in table.lines():
        texts.append(table.label_of(line))
        lines.append(line.number)
    return _several(Labels(table, texts, lines))


def _read(table: Table, shape: tuple[int, ...], labelled: bool = True) -> tuple[np.ndarray, Labels]:
    """The images (N, *shape) and labels of a table; unless `labelled`, the label's field is the first pixel."""
    images, texts, numbers = [], [], []
    for lines in _chunks(table.lines()):
        cut = [table.cut(line) for line in lines]
        values = [b",".join(part) for part in cut] if not labelled else [part[1] for part in cut]
        images.append(_pixels(table, lines, values, math.prod(shape)))
        texts += [part[0] for part in cut]
        numbers += [line.number for line in lines]
    labels = _several(Labels(table, texts, numbers))
    dtype = np.result_type(*images)
    joined = np.concatenate([part.astype(dtype, copy=False) for part in images])
    return joined.reshape(-1, *shape), labels  # (N, C*H*W) -> (N, C, H, W)


def _several(labels: Labels) -> Labels:
    if not labels.texts:
        raise DataError(f"{labels.table.path} holds no line of numbers.")
    return labels


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line.text)
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _pixels(table: Table, lines: list[Line], texts: list[bytes], pixels: int) -> np.ndarray:
    """Values (n, pixels) of some lines, from their texts. Raises DataError that names a field that is not a number."""
    values = parse_numbers(b",".join(texts))
    if values is None or values.size != len(lines) * pixels:
        raise DataError(_complaint(table, lines))
    return compact(values.reshape(len(lines), pixels))


def _complaint(table: Table, lines: list[Line]) -> str:
    """The message for the first of `lines` that holds anything but numbers."""
    for line in lines:
        for column, field in enumerate(table.fields(line)):
            if column != table.label and column not in table.removed and not is_number(field):
                shown = field[:40].decode(errors="replace")
                return f"{table.path}, line {line.number}: column {column} holds {shown!r}, not a finite number."
    return f"{table.path}, lines {lines[0].number} to {lines[-1].number}: they hold something else than numbers."
