"""Pictures of a run's curves: loss and accuracy, learning rate and speed."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpucnn.report.figures import BLUE, GREY, VERMILION, new_figure, short
from gpucnn.report.history import read_batches, read_epochs
from gpucnn.runs.folder import RunFolder
from gpucnn.training.records import EpochRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gpucnn.report.canvas import Picture

TRAINING: dict[str, Any] = {"color": BLUE, "linestyle": "-", "marker": "o", "label": "training (mean while learning)"}
VALIDATION: dict[str, Any] = {"color": VERMILION, "linestyle": "--", "marker": "s", "label": "validation (afterwards)"}
WIDTH, HEIGHT = 10.0, 9.0  # inches
MARGINS = {"left": 1.0, "right": 9.92, "bottom": 0.55, "top": 8.4}  # inches from the left and the bottom
BETWEEN = {"wspace": 1.1, "hspace": 0.4}  # inches between two panels: tick labels, names, titles
POINTS = 500  # in a curve of minibatches, as many as a panel can show
MARKERS = 40  # in a curve of epochs


def plot_curves(run_folder: Path | str) -> "Picture":
    """Loss and accuracy per epoch and per minibatch, training beside validation; learning rate and speed.

    Raises InputError where there is no run or no whole epoch, CheckpointError where its logs are damaged.
    """
    folder = RunFolder.open(run_folder)
    epochs, batches = read_epochs(folder), read_batches(folder)
    figure = new_figure(WIDTH, HEIGHT)
    panels = figure.subplots(3, 2, sharex=True, gridspec_kw=_grid(rows=3, columns=2))
    for row, quantity in enumerate(("loss", "accuracy")):
        if quantity == "accuracy" and epochs[0].train_accuracy is None:  # labels are no classes
            _plot_scores(panels[row, 0], epochs)
            panels[row, 1].set_axis_off()
            continue
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
    figure.suptitle(f"Training of {short(folder.path.resolve().name)}", parse_math=False)
    return figure


def _grid(rows: int, columns: int) -> dict[str, float]:
    """Margins and gaps as matplotlib takes them: shares of the figure, and of a panel."""
    sides = {"left": WIDTH, "right": WIDTH, "bottom": HEIGHT, "top": HEIGHT}
    across = (MARGINS["right"] - MARGINS["left"] - (columns - 1) * BETWEEN["wspace"]) / columns
    down = (MARGINS["top"] - MARGINS["bottom"] - (rows - 1) * BETWEEN["hspace"]) / rows
    shares = {side: inches / sides[side] for side, inches in MARGINS.items()}
    return {**shares, "wspace": BETWEEN["wspace"] / across, "hspace": BETWEEN["hspace"] / down}


def _plot_epochs(panel: "Axes", epochs: list[EpochRecord], quantity: str) -> None:
    """Means over each epoch's images; `quantity` is "loss" or "accuracy"."""
    numbers = [record.epoch for record in epochs]
    scale = _scale(panel, quantity)
    for split, style in (("train", TRAINING), ("validation", VALIDATION)):
        values = [getattr(record, f"{split}_{quantity}") for record in epochs]
        if None not in values:
            panel.plot(numbers, scale * np.asarray(values), markersize=4, markevery=_every(epochs), **style)
    panel.set_title(f"{quantity} per epoch", y=1.0)
    panel.legend(fontsize=9)


def _plot_scores(panel: "Axes", epochs: list[EpochRecord]) -> None:
    """What stands in the accuracy's place, where there are validation images."""
    scored = [(record.epoch, record.validation_score) for record in epochs if record.validation_score is not None]
    numbers, values = np.array(scored).reshape(-1, 2).T
    panel.plot(numbers, values, markersize=4, markevery=_every(epochs), **VALIDATION)
    panel.set_ylabel("share of images all right, or mean R²")
    panel.set_title("validation score per epoch", y=1.0)


def _plot_minibatches(panel: "Axes", batches: np.ndarray, quantity: str) -> None:
    """Minibatches of training as a line; those of validation, which follow an epoch, as dots.

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
    title = f"{quantity} per minibatch" if size == 1 else f"{quantity}, means of {size} minibatches"
    panel.set_title(title, y=1.0)  # a place that is given need not be looked for
    panel.legend(fontsize=9)


def _scale(panel: "Axes", quantity: str) -> int:
    """Label the vertical axis; returns the factor for its values."""
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
