"""Pictures of confusion matrices."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from gpucnn.errors import InputError
from gpucnn.report.figures import new_figure, short
from gpucnn.report.history import read_confusion
from gpucnn.runs.folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gpucnn.report.canvas import Picture

SMALLEST, LARGEST, CELL = 3.5, 16.0, 0.45  # inches: of a matrix, and of a cell if there is room
LEGIBLE = 0.28  # inches: a cell that holds a count


def plot_confusion(run_or_matrix: Path | str | ArrayLike, names: Sequence[str] | None = None) -> "Picture":
    """The confusion matrix of the test images: a row to each true class, counts in the cells, colours by share.

    Takes a run's folder, or a matrix (C, C) of counts and, if they have any, the classes' C names; then numbers name
    them. A cell's colour is its share of its row. Beyond some 55 classes there is no room for the counts.
    Raises InputError where there is no run, it is not finished or had no test images, and for what is no such matrix,
    CheckpointError where result.json is damaged.
    """
    title, matrix, names = (
        _of_run(run_or_matrix) if isinstance(run_or_matrix, Path | str) else _checked(run_or_matrix, names)
    )
    classes = len(matrix)
    side = min(max(SMALLEST, CELL * classes), LARGEST)
    cell = side / classes
    figure = new_figure(side + 2.5, side + 1.5, layout="compressed")
    panel = figure.add_subplot()
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # (C, C), percent
    picture = panel.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(picture, ax=panel, label="share of the true class's images (%)", shrink=0.8)
    if cell >= LEGIBLE:
        _write_counts(panel, matrix, shares, cell)
    _name_classes(panel, names, every=math.ceil(0.15 / cell))
    right, total = int(np.trace(matrix)), int(matrix.sum())
    figure.suptitle(f"{title}{right:,} of {total:,} test images classified correctly", parse_math=False)
    return figure


def _of_run(path: Path | str) -> tuple[str, np.ndarray, Sequence[str]]:
    """The start of the title, the matrix and the class names of a run."""
    folder = RunFolder.open(path)
    confusion = read_confusion(folder)
    if confusion is None:
        raise InputError(f"{folder.path} had no test images, so it has no confusion matrix; train with some")
    return f"{short(folder.path.resolve().name)}: ", *confusion


def _checked(counts: ArrayLike, names: Sequence[str] | None) -> tuple[str, np.ndarray, Sequence[str]]:
    matrix = np.asarray(counts)
    if matrix.ndim != 2 or len(matrix) != matrix.shape[1] or not matrix.size or matrix.dtype.kind not in "iu":
        raise InputError(
            f"a confusion matrix is (classes, classes) of whole numbers; got {matrix.dtype} {matrix.shape}"
        )
    if names is not None and len(names) != len(matrix):
        raise InputError(f"{len(names)} class names for {len(matrix)} classes; name each, or none")
    return "", matrix, [str(i) for i in range(len(matrix))] if names is None else names


def _write_counts(panel: "Axes", matrix: np.ndarray, shares: np.ndarray, cell: float) -> None:
    """Counts in cells that are `cell` inches wide, white on dark; zeros are pale, so that the errors stand out."""
    size = min(12.0, 72 * 0.8 * cell / (0.62 * len(str(matrix.max()))))  # points; a digit is 0.62 of its height wide
    for (row, column), count in np.ndenumerate(matrix):
        colour = "0.75" if count == 0 else "white" if shares[row, column] > 55 else "black"
        panel.text(column, row, str(count), ha="center", va="center", fontsize=size, color=colour)


def _name_classes(panel: "Axes", names: Sequence[str], every: int) -> None:
    """Name every `every`-th class on both axes."""
    shown = [short(name) for name in names[::every]]
    upright = 90 if max(map(len, shown)) > 3 else 0
    at = range(0, len(names), every)
    panel.set_xticks(at, shown, rotation=upright, parse_math=False)
    panel.set_yticks(at, shown, parse_math=False)
    panel.set_xlabel("predicted class")
    panel.set_ylabel("true class")
