"""Images as lines of comma-separated numbers, plain or gzip: one label and C * H * W pixels a line."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from gpucnn.data.dataset import Dataset, Source, compact, numbered_classes
from gpucnn.data.split import hold_out
from gpucnn.data.untrusted import check_size, naming, open_data
from gpucnn.errors import DataError

MAX_LINE = 2**22  # bytes: more than 1,000 x 1,000 one-digit pixels
MAX_BLANK = 1000  # empty lines; gzip packs thousands of them into a byte
_CHUNK = 2**22  # bytes of text parsed at a time

Shape = tuple[int, int, int]


def load(
    train: Path,
    test: Path | float = 0.2,
    label: int | str = 0,
    header: bool | None = None,
    shape: Shape | None = None,
    class_names: tuple[str, ...] | None = None,
    seed: int = 0,
) -> Source:
    """Read training images from `train`; test images from the file `test`, or hold that fraction out.

    label: the label's column, a number from 0 (negative: from the end) or a name of the header line. header:
    whether the first line is one; by default it is if it holds anything but numbers. shape: (C, H, W) of an
    image, channel by channel; by default one channel and a square. Classes without `class_names` are
    numbered. Raises DataError that names the line; OSError where reading fails.
    """
    table = read_csv(train, label, header, shape)
    if isinstance(test, float):
        rest, held = hold_out(_dataset(train, table, class_names), test, seed, what="test")
        return Source(rest, held)
    test_table = read_csv(test, label, header, shape)
    names = class_names or numbered_classes(table[1], test_table[1])
    return Source(_dataset(train, table, names), _dataset(test, test_table, names))


def peek(
    train: Path,
    label: int | str = 0,
    header: bool | None = None,
    shape: Shape | None = None,
    class_names: tuple[str, ...] | None = None,
    **others: object,
) -> tuple[Shape, int | None]:
    """Image shape (C, H, W) from the first line; the number of classes only where they are named."""
    with open_data(train) as file:
        layout = _read_layout(file, train, label, header, shape)
    return layout.shape, len(class_names) if class_names else None


def read_csv(
    path: Path | str, label: int | str = 0, header: bool | None = None, shape: Shape | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, C, H, W), uint8 where all pixels are whole and 0..255, else float32; labels (N,) int64."""
    with open_data(path) as file:
        layout = _read_layout(file, path, label, header, shape)
        parsed = [_parse(lines, layout, path) for lines in _chunks(_lines(file, path), layout)]
    if not parsed:
        raise DataError(f"{path} holds no line of numbers.")
    dtype = np.result_type(*(pixels.dtype for pixels, _ in parsed))
    pixels = np.concatenate([part.astype(dtype, copy=False) for part, _ in parsed])
    labels = np.concatenate([part for _, part in parsed])
    return pixels.reshape(-1, *layout.shape), labels  # (N, C*H*W) -> (N, C, H, W)


@dataclass(frozen=True)
class _Line:
    number: int  # from 1, as editors count
    text: bytes


@dataclass(frozen=True)
class _Layout:
    columns: int
    label: int
    shape: Shape
    first: tuple[_Line, ...]  # the line read to find this out, where it holds numbers


def _dataset(path: Path, table: tuple[np.ndarray, np.ndarray], class_names: tuple[str, ...] | None) -> Dataset:
    images, labels = table
    with naming(path):
        return Dataset(images, labels, class_names or numbered_classes(labels))


def _read_layout(
    file: IO[bytes], path: Path | str, label: int | str, header: bool | None, shape: Shape | None
) -> _Layout:
    """Read the first line, and from it the number of columns, the label's column and the images' shape."""
    first = _Line(1, file.readline(MAX_LINE + 1).removeprefix(b"\xef\xbb\xbf").strip())
    _check_length(first, path)
    fields = [field.strip().strip(b'"') for field in first.text.split(b",")]
    if len(fields) < 2:
        raise DataError(f"{path}, line 1: expected a label and pixels, separated by commas; it has one field only.")
    named = not all(map(_is_number, fields)) if header is None else header
    column = _label_column(path, label, fields, named)
    pixels = len(fields) - 1
    if shape is not None and math.prod(shape) != pixels:
        raise DataError(
            f"{path}: {pixels} pixels a line do not make images of shape {list(shape)}, which need {math.prod(shape)}."
        )
    return _Layout(len(fields), column, shape or _square(path, pixels), () if named else (first,))


def _label_column(path: Path | str, label: int | str, fields: list[bytes], named: bool) -> int:
    if isinstance(label, int):
        if -len(fields) <= label < len(fields):
            return label % len(fields)
        raise DataError(f"{path}: label is column {label}, but a line has {len(fields)} columns, counted from 0.")
    if not named:
        raise DataError(f"{path}: label is {label!r}, but the file has no header line. Give the column's number.")
    if label.encode() not in fields:
        begin = b", ".join(fields[:5]).decode(errors="replace")
        raise DataError(f"{path}: no column is called {label!r}; the header begins {begin}.")
    return fields.index(label.encode())


def _square(path: Path | str, pixels: int) -> Shape:
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise DataError(f"{path}: {pixels} pixels a line are no square. Give shape: [C, H, W].")
    return 1, side, side


def _lines(file: IO[bytes], path: Path | str) -> Iterator[_Line]:
    """The lines after the first, without the empty ones."""
    total, number, blank = 0, 1, 0
    while text := file.readline(MAX_LINE + 1):
        number += 1
        total += len(text)
        check_size(path, total)
        line = _Line(number, text.strip())
        _check_length(line, path)
        if line.text:
            yield line
            continue
        blank += 1
        if blank > MAX_BLANK:
            raise DataError(
                f"{path}, line {number}: more than {MAX_BLANK:,} lines are empty; this is no table of images."
            )


def _chunks(lines: Iterator[_Line], layout: _Layout) -> Iterator[list[_Line]]:
    chunk: list[_Line] = []
    size = 0
    for line in chain(layout.first, lines):
        chunk.append(line)
        size += len(line.text)
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _parse(lines: list[_Line], layout: _Layout, path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, C*H*W) and labels (n,) of some lines."""
    for line in lines:
        if line.text.count(b",") + 1 != layout.columns:
            fields = line.text.count(b",") + 1
            raise DataError(f"{path}, line {line.number}: it has {fields} fields, but line 1 has {layout.columns}.")
    values = _numbers(b",".join(line.text for line in lines))
    if values is None or values.size != len(lines) * layout.columns:
        raise DataError(_complaint(lines, path))
    table = values.reshape(len(lines), layout.columns)
    return compact(np.delete(table, layout.label, axis=1)), _labels(table[:, layout.label], lines, path)


def _labels(values: np.ndarray, lines: list[_Line], path: Path | str) -> np.ndarray:
    wrong = np.flatnonzero((values < 0) | (values >= 2**31) | (values != np.floor(values)))
    if wrong.size:
        line = lines[int(wrong[0])]
        raise DataError(
            f"{path}, line {line.number}: the label is {values[wrong[0]]}; expected a whole number from 0. "
            "Is it the right column? Give label: its number or name."
        )
    return values.astype(np.int64)


def _numbers(text: bytes) -> np.ndarray | None:
    """Comma-separated numbers as integers where possible (six times as fast), else as floats, else None."""
    for dtype in (np.int64, np.float64):
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # older NumPy warns of unmatched text instead
            try:
                values = np.fromstring(text, dtype=dtype, sep=",")
            except (ValueError, DeprecationWarning):
                continue
        return values if np.isfinite(values).all() else None
    return None


def _complaint(lines: list[_Line], path: Path | str) -> str:
    """What is wrong with the first of `lines` that holds something else than numbers."""
    for line in lines:
        for column, field in enumerate(line.text.split(b",")):
            if not _is_number(field):
                shown = field[:40].decode(errors="replace")
                return f"{path}, line {line.number}: column {column} holds {shown!r}, not a finite number."
    return f"{path}, lines {lines[0].number} to {lines[-1].number}: they hold something else than numbers."


def _is_number(field: bytes) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False


def _check_length(line: _Line, path: Path | str) -> None:
    if len(line.text) > MAX_LINE:
        raise DataError(
            f"{path}, line {line.number}: it is longer than {MAX_LINE:,} bytes; this is no table of images."
        )
