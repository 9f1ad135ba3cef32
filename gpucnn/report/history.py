"""Reading the files of a run: epochs, minibatches, confusion matrix."""

import numpy as np

from gpucnn.errors import CheckpointError, InputError
from gpucnn.runs.folder import BATCHES, METRICS, RESULT, RunFolder
from gpucnn.training.records import BATCH_HEADER, EpochRecord

BATCH_TYPES = ["U10", "i8", "i8", "i8", "f8", "f8"]
BATCH = np.dtype(list(zip(BATCH_HEADER.split(","), BATCH_TYPES, strict=True)))


def read_epochs(folder: RunFolder) -> list[EpochRecord]:
    """The epochs in metrics.jsonl, at least one; a line that is still being written does not count.

    Raises InputError where no epoch is done yet, CheckpointError where a line is damaged.
    """
    epochs = []
    for number, line in enumerate(_whole_lines(folder, METRICS), start=1):
        try:
            epochs.append(_epoch(line))
        except (ValueError, TypeError, RecursionError) as error:
            raise _damaged(folder, METRICS, f"line {number}: {error}") from None
    if not epochs:
        raise InputError(f"{folder.path} has no whole epoch yet; train it further: --resume {folder.path}")
    return epochs


def read_batches(folder: RunFolder) -> np.ndarray:
    """The minibatches in batches.csv: a structured array (n,) with the columns of its header, type `BATCH`.

    An accuracy that labels do not have is NaN.

    Raises CheckpointError where the file is damaged.
    """
    header, *lines = _whole_lines(folder, BATCHES) or [""]
    if header != BATCH_HEADER:
        raise _damaged(folder, BATCHES, f"line 1: expected {BATCH_HEADER}")
    try:
        return batches_in(lines)
    except ValueError as error:
        raise _damaged(folder, BATCHES, str(error)) from None


def batches_in(lines: list[str]) -> np.ndarray:
    """The minibatches in lines of batches.csv, as `read_batches` gives them. Raises ValueError for other lines."""
    if not lines:
        return np.empty(0, BATCH)
    return np.loadtxt(lines, BATCH, delimiter=",", ndmin=1, converters={5: lambda text: float(text or "nan")})


def read_confusion(folder: RunFolder) -> tuple[np.ndarray, list[str]] | None:
    """The confusion matrix (C, C) in result.json, int64, a row to each true class; and the C classes' names.

    None where the run had no test images. Raises InputError where it is not finished, CheckpointError for a
    damaged file.
    """
    if not folder.finished:
        raise InputError(f"{folder.path} is not finished; continue it first: --resume {folder.path}")
    result = folder.result()
    try:
        if result["confusion_matrix"] is None:
            return None
        names = [str(row["name"]) for row in result["classes"]]
        matrix = np.asarray(result["confusion_matrix"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, RESULT, repr(error)) from None
    if matrix.shape != (len(names), len(names)) or matrix.dtype != np.int64 or matrix.size == 0 or matrix.min() < 0:
        raise _damaged(folder, RESULT, f"confusion_matrix is no table of counts for {len(names)} classes")
    return matrix, names


def _epoch(line: str) -> EpochRecord:
    """The record of one line; TypeError or ValueError if it is not one."""
    record = EpochRecord.from_json(line)
    may_be_none = ("train_accuracy", "validation_loss", "validation_accuracy", "validation_score")
    for name, value in [
        *((n, v) for n, v in vars(record).items() if n not in ("metrics", "scores")),
        *record.metrics.items(),
    ]:
        if isinstance(value, bool) or not (isinstance(value, int | float) or value is None and name in may_be_none):
            raise ValueError(f"{name} is {value!r}, expected a number")
    return record


def _whole_lines(folder: RunFolder, name: str) -> list[str]:
    try:
        text = (folder.path / name).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise _damaged(folder, name, str(error)) from None
    return text[: text.rfind("\n") + 1].splitlines()


def _damaged(folder: RunFolder, name: str, what: str) -> CheckpointError:
    return CheckpointError(f"{folder.path / name} is damaged ({what}); restore it, or train again")
