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
TITLE, NAME, EDGE = 0.45, 0.35, 0.15  # inches: for the title, for the name of an axis with its ticks, round the whole
BAR, BESIDE_BAR = 0.22, 0.8  # inches: of the bar of colours, and for its figures and its name
HEADING = 12.0  # points
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
    shown = [short(name) for name in names[:: math.ceil(0.15 / cell)]]
    right, total = int(np.trace(matrix)), int(matrix.sum())
    heading = f"{title}{right:,} of {total:,} test images classified correctly"
    figure = new_figure(LARGEST, LARGEST)
    longest = figure.width_of(shown, 10)
    left, below = (0.15 + NAME + room for room in (longest, longest if _upright(shown) else 0.15))
    width = left + side + 0.3 + BAR + BESIDE_BAR
    figure.set_size_inches(max(width, figure.width_of([heading], HEADING) + 2 * EDGE), TITLE + side + below)
    panel = figure.panel(left, TITLE, side, side)
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # (C, C), percent
    picture = panel.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    bar = figure.panel(left + side + 0.3, TITLE + 0.1 * side, BAR, 0.8 * side)
    figure.colorbar(picture, cax=bar, label="share of the true class's images (%)")
    if cell >= LEGIBLE:
        _write_counts(panel, matrix, shares, cell)
    _name_classes(panel, shown, every=math.ceil(0.15 / cell))
    figure.suptitle(heading, y=1 - 0.1 / figure.get_figheight(), fontsize=HEADING, parse_math=False)
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


def _name_classes(panel: "Axes", shown: Sequence[str], every: int) -> None:
    """Name every `every`-th class on both axes."""
    at = [every * place for place in range(len(shown))]
    panel.set_xticks(at, shown, rotation=90 if _upright(shown) else 0, parse_math=False)
    panel.set_yticks(at, shown, parse_math=False)
    panel.set_xlabel("predicted class")
    panel.set_ylabel("true class")


def _upright(shown: Sequence[str]) -> bool:
    """Whether names below the matrix are too long to stand side by side."""
    return max(map(len, shown)) > 3
