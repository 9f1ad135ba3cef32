"""The curves of a run as a page draws them, reduced to few enough points."""

import math
from typing import Any

import numpy as np

from gpucnn.report.history import read_batches, read_epochs
from gpucnn.runs.folder import RunFolder
from gpucnn.training.records import EpochRecord

POINTS = 600  # in a curve of minibatches
MOST_EPOCHS = 2000  # in a curve of epochs; of more, every second, third, ... is kept
DIGITS = 5  # kept of a figure


def curves_of(folder: RunFolder) -> dict[str, Any]:
    """The run's curves, fit for JSON: `epochs` (a list for each figure) and `batches` (see `reduced`) by split.

    Raises InputError where no epoch is done, CheckpointError for damaged logs.
    """
    return curves_of_records(read_epochs(folder), read_batches(folder))


def curves_of_records(epochs: list[EpochRecord], batches: np.ndarray) -> dict[str, Any]:
    """The same of the epochs, at least one, and the minibatches (n,) of a run."""
    return {
        "epochs": {name: _figures(epochs, name) for name in vars(epochs[0]) if name not in ("metrics", "scores")},
        "batches": {
            split: reduced(chosen)
            for split in ("train", "validation")
            if len(chosen := batches[batches["split"] == split])
        },
    }


def reduced(batches: np.ndarray) -> dict[str, Any]:
    """Minibatches of one split in at most `POINTS` groups of `size` neighbours each, the last maybe of fewer.

    `x` is how many epochs were done, as a mean over the group; `loss` and `accuracy` have `mean`, `low` and `high`.
    """
    size = math.ceil(len(batches) / POINTS)
    starts = np.arange(0, len(batches), size)
    counts = np.diff(starts, append=len(batches))
    done = batches["epoch"].astype(np.float64)
    if batches["split"][0] == "train":  # validation follows the epoch
        done += batches["step"] / batches["step"].max() - 1
    grouped: dict[str, Any] = {"size": size, "x": rounded(np.add.reduceat(done, starts) / counts)}
    for quantity in ("loss", "accuracy"):
        values = batches[quantity]
        grouped[quantity] = {
            "mean": rounded(np.add.reduceat(values, starts) / counts),
            "low": rounded(np.minimum.reduceat(values, starts)),
            "high": rounded(np.maximum.reduceat(values, starts)),
        }
    return grouped


def rounded(values: np.ndarray) -> list[float | None]:
    """Values (n,) rounded to the digits that can be read off; None for numbers that are not finite."""
    return [short_number(value) for value in values.tolist()]


def short_number(value: float | None) -> float | None:
    """A figure rounded to the digits that can be read off; None for None and for numbers that are not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def _figures(epochs: list[EpochRecord], name: str) -> list[float | None]:
    every = math.ceil(len(epochs) / MOST_EPOCHS)
    last = (len(epochs) - 1) % every  # so that the last epoch is among them
    values = [getattr(record, name) for record in epochs[last::every]]
    return values if name == "epoch" else [short_number(value) for value in values]
