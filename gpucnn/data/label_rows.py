"""Labels that are no classes: rows of 0 and 1 for labels that are there or not, or rows of numbers."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from gpucnn.data.dataset import ClassNames, checked_names
from gpucnn.errors import DataError

# classes: one of several; several: each is there or not; numbers: to be predicted; auto: numbers that are not whole,
# or several columns of them, are numbers, all else is classes.
LabelKind = Literal["classes", "several", "numbers", "auto"]

_MEND = "Say what they are: data.labels: classes or data.labels: numbers."


def label_rows(values: np.ndarray, kind: LabelKind, where: object, lines: Sequence[int] | None = None) -> np.ndarray:
    """Labels (N,) or (N, L) as rows: for `several` 0 and 1, uint8, else float64.

    Raises DataError, which begins with `where` and names the line, for anything else.
    """
    rows = values[:, None] if values.ndim == 1 else values
    if rows.ndim != 2 or not rows.size or rows.dtype.kind not in "buif":
        raise DataError(
            f"{where}: labels are {values.dtype} of shape {values.shape}; expected numbers, (N,) or (N, L)."
        )
    good = (rows == 0) | (rows == 1) if kind == "several" else np.isfinite(rows)
    wrong = np.flatnonzero(~good.all(axis=1))
    if wrong.size:
        at = int(wrong[0])
        place = f"row {at}" if lines is None else f"line {lines[at]}"
        value = rows[at][~good[at]][0]
        expected = "0 or 1 for each label" if kind == "several" else "finite numbers"
        raise DataError(f"{where}, {place}: a label is {value:g}; expected {expected}.")
    return rows.astype(np.uint8 if kind == "several" else np.float64)


def are_numbers(values: np.ndarray, where: object) -> bool:
    """Whether labels (N,) or (N, L) of unknown kind are numbers to be predicted, and not classes.

    Raises DataError for floating numbers that are all whole, which may be either.
    """
    if values.dtype.kind != "f":
        return values.ndim == 2 and values.shape[1] > 1 and values.dtype.kind in "ui" and not _one_hot(values)
    if values.ndim == 2 and values.shape[1] > 1:
        return not _one_hot(values)
    if not np.array_equal(values, np.rint(values)):
        return True
    raise DataError(f"{where}: labels are floating, and all are whole: they may be classes or numbers. {_MEND}")


def row_names(class_names: ClassNames | None, header: Sequence[str] | None, columns: int) -> tuple[str, ...]:
    """The names of the columns: those given, else those of a table's header, else their numbers."""
    if class_names is not None and len(class_names) != columns:
        raise DataError(f"class_names are {len(class_names)}, and labels have {columns} columns; name each column.")
    if class_names is not None:
        return checked_names(class_names)
    if header is not None and all(header):
        return checked_names(header)
    return tuple(map(str, range(columns)))


def _one_hot(rows: np.ndarray) -> bool:
    return bool(((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all())
