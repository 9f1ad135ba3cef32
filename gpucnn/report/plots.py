"""A run's pictures: its curves and its confusion matrix.

Figures are matplotlib's own objects on an Agg canvas: no pyplot, no window, nothing to close.
"""

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gpucnn.errors import InputError
from gpucnn.files import atomic_write
from gpucnn.report.history import read_batches, read_confusion, read_epochs
from gpucnn.training.records import EpochRecord
from gpucnn.training.run import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES, CONFUSION = "curves.png", "confusion.png"
RESOLUTION = 120  # pixels per inch
# Blue and vermilion stay apart for colour-blind readers (Okabe and Ito, "Color Universal Design", 2008).
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#444444"
TRAINING: dict[str, Any] = {"color": BLUE, "linestyle": "-", "marker": "o", "label": "training (mean while learning)"}
VALIDATION: dict[str, Any] = {"color": VERMILION, "linestyle": "--", "marker": "s", "label": "validation (afterwards)"}
POINTS = 500  # in a curve of minibatches, as many as a panel can show
MARKERS = 40  # in a curve of epochs

SMALLEST, LARGEST, CELL = 3.5, 16.0, 0.45  # inches: a confusion matrix, and one of its cells where there is room
LEGIBLE = 0.28  # inches: a cell that holds a count
LONGEST_NAME = 24  # characters


def plot_curves(run_folder: Path | str) -> "Figure":
    """Loss and accuracy per epoch and per minibatch, training beside validation; learning rate and speed.

    Raises InputError where there is no run or no whole epoch, CheckpointError where its logs are damaged.
    """
    folder = RunFolder.open(run_folder)
    epochs, batches = read_epochs(folder), read_batches(folder)
    figure = _figure(10, 9, layout="constrained")
    panels = figure.subplots(3, 2, sharex=True)
    for row, quantity in enumerate(("loss", "accuracy")):
        _plot_epochs(panels[row, 0], epochs, quantity)
        _plot_minibatches(panels[row, 1], batches, quantity)
    _plot_line(panels[2, 0], epochs, "lr", "learning rate")
    _plot_line(panels[2, 1], epochs, "images_per_second", "training speed (images/s)")
    panels[2, 1].yaxis.set_major_formatter("{x:,g}")
    for panel in panels.flat:
        panel.grid(color="0.9")
        panel.set_axisbelow(True)
        panel.xaxis.get_major_locator().set_params(integer=True)
    for panel in panels[2]:
        panel.set_xlabel("epochs done")
    figure.suptitle(f"Training of {_name(folder)}", parse_math=False)
    return figure


def plot_confusion(run_folder: Path | str) -> "Figure":
    """The confusion matrix of the test images: a row to each true class, counts in the cells, colours by share.

    A cell's colour is its share of its row. Beyond some 55 classes there is no room for the counts.
    Raises InputError where there is no run, it is not finished or had no test images, CheckpointError where
    result.json is damaged.
    """
    folder = RunFolder.open(run_folder)
    confusion = read_confusion(folder)
    if confusion is None:
        raise InputError(f"{folder.path} had no test images, so it has no confusion matrix; train with some")
    matrix, names = confusion
    classes = len(matrix)
    side = min(max(SMALLEST, CELL * classes), LARGEST)
    cell = side / classes
    figure = _figure(side + 2.5, side + 1.5, layout="compressed")
    panel = figure.add_subplot()
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # (C, C), percent
    picture = panel.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(picture, ax=panel, label="share of the true class's images (%)", shrink=0.8)
    if cell >= LEGIBLE:
        _write_counts(panel, matrix, shares, cell)
    _name_classes(panel, names, every=math.ceil(0.15 / cell))
    right, total = int(np.trace(matrix)), int(matrix.sum())
    figure.suptitle(f"{_name(folder)}: {right:,} of {total:,} test images told right", parse_math=False)
    return figure


def write_pictures(run_folder: Path | str) -> list[Path]:
    """Write curves.png and, where the run had test images, confusion.png into its folder; returns their paths.

    Each is whole or absent. Raises what `plot_curves` and `plot_confusion` raise, OSError where the folder cannot be
    written.
    """
    folder = RunFolder.open(run_folder)
    pictures = {CURVES: plot_curves}
    if folder.finished and read_confusion(folder) is not None:
        pictures[CONFUSION] = plot_confusion
    for name, plot in pictures.items():
        atomic_write(folder.path / name, _png(plot(folder.path)))
    return [folder.path / name for name in pictures]


# --- curves -----------------------------------------------------------------------------------------------------------


def _plot_epochs(panel: "Axes", epochs: list[EpochRecord], quantity: str) -> None:
    """Means over each epoch's images; `quantity` is "loss" or "accuracy"."""
    numbers = [record.epoch for record in epochs]
    scale = _scale(panel, quantity)
    for split, style in (("train", TRAINING), ("validation", VALIDATION)):
        values = [getattr(record, f"{split}_{quantity}") for record in epochs]
        if None not in values:
            panel.plot(numbers, scale * np.asarray(values), markersize=4, markevery=_every(epochs), **style)
    panel.set_title(f"{quantity} per epoch")
    panel.legend()


def _plot_minibatches(panel: "Axes", batches: np.ndarray, quantity: str) -> None:
    """Training as it went; validation, which comes after an epoch, as a dot to each of its minibatches.

    Of more than `POINTS` minibatches, as many in a row are averaged as it takes.
    """
    train, validation = (batches[batches["split"] == split] for split in ("train", "validation"))
    scale = _scale(panel, quantity)
    size = math.ceil(len(train) / POINTS) or 1
    done = train["epoch"] - 1 + train["step"] / train["step"].max(initial=1)
    means = scale * _means(train[quantity], size)
    panel.plot(_means(done, size), means, color=BLUE, linewidth=0.8, label="training")
    if len(validation):
        means = scale * _means(validation[quantity], size)
        panel.plot(_means(validation["epoch"], size), means, ".", color=VERMILION, markersize=4, label="validation")
    panel.set_title(f"{quantity} per minibatch" if size == 1 else f"{quantity}, means of {size} minibatches")
    panel.legend()


def _scale(panel: "Axes", quantity: str) -> int:
    """Label the vertical axis; returns what its values are to be multiplied by."""
    panel.set_ylabel("mean loss per image" if quantity == "loss" else "accuracy (% of images)")
    return 1 if quantity == "loss" else 100


def _plot_line(panel: "Axes", epochs: list[EpochRecord], field: str, label: str) -> None:
    """A field of the epochs' records, from zero up."""
    values = [getattr(record, field) for record in epochs]
    numbers = [record.epoch for record in epochs]
    panel.plot(numbers, values, "o-", color=GREY, markersize=4, markevery=_every(epochs), clip_on=False, zorder=3)
    panel.set_ylabel(label)
    panel.set_ylim(bottom=0)


def _every(epochs: list[EpochRecord]) -> int:
    """The marker of every how many epochs is drawn."""
    return math.ceil(len(epochs) / MARKERS)


def _means(values: np.ndarray, size: int) -> np.ndarray:
    """The means of each `size` values in a row, (n,) -> (ceil(n / size),); the last may be of fewer."""
    starts = np.arange(0, len(values), size)
    return np.add.reduceat(values, starts) / np.diff(starts, append=len(values)) if len(values) else values


# --- confusion matrix -------------------------------------------------------------------------------------------------


def _write_counts(panel: "Axes", matrix: np.ndarray, shares: np.ndarray, cell: float) -> None:
    """Counts in cells that are `cell` inches wide, white on dark; zeros are pale, so that the errors stand out."""
    size = min(12.0, 72 * 0.8 * cell / (0.62 * len(str(matrix.max()))))  # points; a digit is 0.62 of its height wide
    for (row, column), count in np.ndenumerate(matrix):
        colour = "0.75" if count == 0 else "white" if shares[row, column] > 55 else "black"
        panel.text(column, row, str(count), ha="center", va="center", fontsize=size, color=colour)


def _name_classes(panel: "Axes", names: Sequence[str], every: int) -> None:
    """Name every `every`-th class on both axes."""
    shown = [_short(name) for name in names[::every]]
    upright = 90 if max(map(len, shown)) > 3 else 0
    at = range(0, len(names), every)
    panel.set_xticks(at, shown, rotation=upright, parse_math=False)
    panel.set_yticks(at, shown, parse_math=False)
    panel.set_xlabel("predicted class")
    panel.set_ylabel("true class")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


# --- figures ----------------------------------------------------------------------------------------------------------


def _figure(width: float, height: float, layout: Literal["constrained", "compressed"]) -> "Figure":
    """An empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=RESOLUTION, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a class named in such letters shows boxes
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _name(folder: RunFolder) -> str:
    return _short(folder.path.resolve().name)
