"""Labels of tables, numbers or words, converted to class numbers and names."""

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gpucnn.data.dataset import ClassNames, checked_names, number_classes
from gpucnn.data.label_rows import LabelKind, are_numbers, label_rows, row_names
from gpucnn.data.pictures import sorted_names
from gpucnn.data.table import Table, better_label, is_number, likely_label
from gpucnn.errors import DataError

_MOST_DISTINCT = 20  # lines with a different label in each: that many or more hold no labels


class Labels(NamedTuple):
    """The labels of a table as they are written, and the numbers of their lines."""

    table: Table
    texts: list[bytes]
    lines: list[int]


def labels_of(
    parts: Sequence[Labels], kind: LabelKind | None, class_names: ClassNames | None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The labels of each part, class numbers (N,) or rows (N, L), and the names of the classes or columns."""
    table = parts[0].table
    if kind == "auto":
        values = as_numbers(_with_points(parts[0]))
        whole = values is None or not are_numbers(values, table.path)
        kind = "classes" if whole and not table.more else "numbers"
    if kind not in ("several", "numbers"):
        if table.more:
            raise DataError(
                f"{table.path}: label names {len(table.label_columns)} columns, and an image has one class; name one, "
                "or train on several labels or numbers (loss: {name: binary_cross_entropy_with_logits}, mse, ...)."
            )
        return number_labels(parts, class_names)
    rows = [label_rows(_columns(part), kind, part.table.path, part.lines) for part in parts]
    header = None if table.header is None else [table.header[column] for column in table.label_columns]
    return rows, row_names(class_names, header, rows[0].shape[1])


def _columns(part: Labels) -> np.ndarray:
    """The numbers (N, L) in the columns of labels. Raises DataError that names a line with anything else."""
    texts = _with_points(part)
    values = parse_numbers(b",".join(texts))
    columns = len(part.table.label_columns)
    if values is not None and values.size == len(part.texts) * columns:
        return values.reshape(-1, columns)
    for text, line in zip(texts, part.lines, strict=True):
        if not all(map(is_number, text.split(b","))):
            raise DataError(f"{part.table.path}, line {line}: the labels are {_shown(text)}; expected numbers.")
    raise DataError(f"{part.table.path}: the labels are no numbers.")


def _with_points(part: Labels) -> list[bytes]:
    """The texts of a single column with points for decimal commas; those of several have them already."""
    return part.texts if part.table.more else [text.replace(b",", b".") for text in part.texts]


def number_labels(
    parts: Sequence[Labels], class_names: Iterable[object] | None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The labels (N,) of each part from 0, int64, and the names of the classes.

    Whole numbers are numbered as `number_classes` says; words are the classes' names, sorted, or in the order of
    `class_names`. The first part is for training: the others may hold no further words. Raises DataError that
    names the line.
    """
    _check_several(parts[0])
    numbers = [as_numbers(part.texts) for part in parts]
    if all(values is not None for values in numbers):
        whole = [_whole(values, part) for values, part in zip(numbers, parts, strict=True) if values is not None]
        return number_classes(whole, class_names, [part.table.path for part in parts])
    words = [_words(part) for part in parts]
    names = sorted_names(words[0]) if class_names is None else checked_names(class_names)
    number = {name: k for k, name in enumerate(names)}
    for part, of_part in zip(parts, words, strict=True):
        _check_known(part, of_part, names)
    return [np.array([number[word] for word in of_part], np.int64) for of_part in words], names


def as_numbers(texts: Sequence[bytes]) -> np.ndarray | None:
    """Fields as an array of numbers (N,); None if one is not a number."""
    values = parse_numbers(b",".join(texts))
    return values if values is not None and values.size == len(texts) else None


def parse_numbers(text: bytes) -> np.ndarray | None:
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


def _check_several(part: Labels) -> None:
    """Raise DataError for a column with a single value, with a different one in every line, or with pixels."""
    table, distinct = part.table, len(set(part.texts))
    column = f"{table.path}: column {table.name(table.label)}"
    if distinct == 1:
        fault = f"{column}, taken as the label, holds {_shown(part.texts[0])} only: there is nothing to tell apart."
    elif distinct == len(part.texts) >= _MOST_DISTINCT:
        fault = (
            f"{column}, taken as the label, holds another value in each of {distinct:,} lines, so it names no classes."
        )
    elif better_label(table) is not None:
        fault = f"{column}, taken as the label, holds {distinct:,} different values (label: {table.label} keeps it)."
    else:
        return
    likely = likely_label(table)
    if likely is None:
        raise DataError(f"{fault} Give label: the number or name of the label's column.")
    name = table.header[likely] if table.header and table.header[likely] else likely
    raise DataError(f"{fault} Column {table.name(likely)} looks like the label: give label: {name}.")


def _whole(values: np.ndarray, part: Labels) -> np.ndarray:
    wrong = np.flatnonzero((values < 0) | (values >= 2**31) | (values != np.floor(values)))
    if wrong.size:
        at = int(wrong[0])
        raise DataError(
            f"{part.table.path}, line {part.lines[at]}: the label is {values[at]}; expected a whole number from 0. "
            "Is it the right column? Give label: its number or name."
        )
    return values.astype(np.int64)


def _words(part: Labels) -> list[str]:
    """The labels as words. Raises DataError where one is missing, or is the odd word among numbers."""
    numeric = 2 * sum(map(is_number, part.texts)) > len(part.texts)
    for text, line in zip(part.texts, part.lines, strict=True):
        if not text or (numeric and not is_number(text)):
            raise DataError(
                f"{part.table.path}, line {line}: the label (column {part.table.label}) is {_shown(text)}, where other "
                f"lines have a {'number' if numeric else 'word'}. Mend the line, or give label: another column."
            )
    try:
        return [text.decode() for text in part.texts]
    except UnicodeDecodeError as error:
        line = part.lines[part.texts.index(error.object)]
        raise DataError(
            f"{part.table.path}, line {line}: the label holds the byte 0x{error.object[error.start]:02x}, which is not "
            "UTF-8; save the table as UTF-8."
        ) from None


def _check_known(part: Labels, words: Sequence[str], names: Sequence[str]) -> None:
    known = set(names)
    for word, line in zip(words, part.lines, strict=True):
        if word not in known:
            some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise DataError(
                f"{part.table.path}, line {line}: the label is {word!r}, but the {len(names)} classes are {some}. "
                "Mend the label, or name all classes in class_names."
            )


def _shown(text: bytes) -> str:
    return repr(text[:40].decode(errors="replace"))
