"""What the live page tells of a training: read from the run's folder, but for the mistakes of the last validation."""

from pathlib import Path
from typing import Any

import numpy as np

from gpucnn.data import Dataset
from gpucnn.geometry import Sizes
from gpucnn.live.mistakes import Mistakes
from gpucnn.report.facts import duration, palettes, percent
from gpucnn.report.health import forming_inside, health_inside
from gpucnn.report.history import BATCH, batches_in, read_epochs
from gpucnn.report.pixels import Viewer, packed
from gpucnn.report.series import curves_of_records
from gpucnn.runs.folder import BATCHES, METRICS, RunFolder
from gpucnn.runs.health import read_health
from gpucnn.training.records import BatchRecord, EpochRecord


class Watch:
    """The facts of a run that trains on images of `shape` for `epochs` of so many `steps`.

    The training calls it with every record, which it only keeps; all else is done when the page asks. `mistakes`, where
    labels are classes, are those of `validation`.
    """

    def __init__(
        self,
        folder: RunFolder,
        name: str,
        shape: Sizes,
        epochs: int,
        steps: int,
        class_names: tuple[str, ...],
        mistakes: Mistakes | None,
        validation: Dataset | None,
    ) -> None:
        self._folder, self._epochs, self._steps = folder, epochs, steps
        self._mistakes, self._validation = mistakes, validation
        self._steady = {
            "title": f"{name}, {folder.path.resolve().name}",
            "path": str(folder.path),
            "notes": [],
            "input": list(shape),
            "names": list(class_names),
            "palettes": palettes(),
        }
        self._batches = _NewLines(folder.path / BATCHES)
        self._last: BatchRecord | EpochRecord | None = None
        self.ended: str | None = None  # what the training ended with

    def __call__(self, record: BatchRecord | EpochRecord) -> None:
        """Keep the training's last record."""
        self._last = record
        if isinstance(record, EpochRecord) and self._mistakes is not None:
            self._mistakes.close()

    @property
    def version(self) -> str:
        """Another for each epoch that was written to disk."""
        found = (self._folder.path / METRICS).stat()
        return f"{found.st_size}-{found.st_mtime_ns}"

    def progress(self) -> dict[str, Any]:
        """How far the training is: the version of the facts, and the last minibatch in words."""
        last, told = self._last, "The first steps are being taken."
        if self.ended is not None:
            told = self.ended
        elif isinstance(last, EpochRecord):
            told = f"Epoch {last.epoch} of {self._epochs} is done."
        elif last is not None:
            accuracy = "" if last.accuracy is None else f", accuracy {percent(last.accuracy)}"
            of = f" of {self._steps}" if last.split == "train" else ""
            what = "minibatch" if last.split == "train" else "validation, minibatch"
            told = f"Epoch {last.epoch} of {self._epochs}, {what} {last.step}{of}: loss {last.loss:.4g}{accuracy}."
        return {"version": self.version, "told": told, "ended": self.ended is not None}

    def facts(self, version: str) -> dict[str, Any]:
        """All that the page shows, as of `version`. Raises CheckpointError where a file of the run is damaged."""
        facts = {**self._steady, "version": version, "headline": [], "told": self.progress()["told"]}
        kept, batches = read_health(self._folder), self._batches.read()
        facts |= {"health": health_inside(kept), "forming": forming_inside(kept), "worst": self._worst()}
        if not version.startswith("0-"):
            epochs = read_epochs(self._folder)
            done = batches[batches["epoch"] <= epochs[-1].epoch]
            facts["headline"] = self._headline(epochs)
            facts["runs"] = [{"name": facts["title"], **curves_of_records(epochs, done)}]
        return facts

    def _headline(self, epochs: list[EpochRecord]) -> list[list[str]]:
        last = epochs[-1]
        seconds = sum(each.seconds for each in epochs)
        left = self._epochs - last.epoch
        more = f", about {duration(seconds / len(epochs) * left)} left" if left else ""
        watched = ["validation accuracy", percent(last.validation_accuracy), f"after epoch {last.epoch}"]
        if last.validation_score is not None:
            watched = ["validation score", f"{last.validation_score:.4f}", f"after epoch {last.epoch}"]
        loss = "none" if last.validation_loss is None else f"{last.validation_loss:.4f}"
        return [
            ["epochs", f"{last.epoch} of {self._epochs}", f"{duration(seconds)} of training{more}"],
            [*watched[:2], f"{watched[2]}, loss {loss}"],
            ["training accuracy", percent(last.train_accuracy), f"while learning, loss {last.train_loss:.4f}"],
            ["speed", f"{last.images_per_second:,.0f} images/s", f"learning rate {last.lr:.3g}"],
        ]

    def _worst(self) -> dict[str, Any] | None:
        """The surest mistakes of the last validation; None where there was none."""
        found = None if self._mistakes is None else self._mistakes.last
        if found is None or self._validation is None:
            return None
        viewer = Viewer(self._validation)
        rows = [[row.image, row.true, row.predicted, row.share_of_true, row.share] for row in found.worst]
        numbers = np.array([row.image for row in found.worst], np.int64)
        pictures = packed(viewer.thumbnails(numbers)) if rows else {"shape": [1, 1, 1, 1], "bytes": ""}
        return {"pictures": pictures, "images": rows, "wrong": found.wrong, "of": found.of, "note": viewer.note}


class _NewLines:
    """The minibatches of batches.csv, of which each is read once."""

    def __init__(self, path: Path) -> None:
        self._path, self._read, self._known = path, 0, [np.empty(0, BATCH)]

    def read(self) -> np.ndarray:
        """All of them so far, (n,); a line that is still being written does not count."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        lines = whole.decode().splitlines()
        if not self._read:
            lines = lines[1:]  # without the heading
        self._read += len(whole)
        self._known = [np.concatenate([*self._known, batches_in(lines)])]
        return self._known[0]
