"""A logger of CSV files: a row for each epoch, and hyperparameters with results."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gpucnn.files import atomic_write
from gpucnn.loggers.logger import Figures, Logger, scalars
from gpucnn.training import EpochRecord

EPOCHS, SUMMARY = "epochs.csv", "summary.csv"


class CSV(Logger):
    """Writes `epochs.csv`, a row for each epoch, and `summary.csv`, rows of name and value, in `folder`.

    Rows that are there already are kept, but for those of epochs that are trained again.
    """

    def __init__(self, folder: Path | str, steps_per_epoch: int | None = None) -> None:
        super().__init__(steps_per_epoch)
        self._folder = Path(folder)
        self._rows: list[dict[str, Any]] | None = None  # None until the first epoch
        self._summary: dict[str, Any] = {}

    def describe(self, hyperparameters: Figures, table: str = "") -> None:
        """Keep the hyperparameters for summary.csv."""
        self._summary |= hyperparameters

    def epoch(self, record: EpochRecord) -> None:
        """Add the epoch's row."""
        if self._rows is None:
            self._rows = [row for row in self._read() if int(row["epoch"]) < record.epoch]
        self._rows.append({"epoch": record.epoch, "step": self.step, **scalars(record)})
        self._write(EPOCHS, self._rows)

    def finish(self, results: Figures, pictures: Mapping[str, bytes]) -> None:
        """Write summary.csv."""
        self._write(SUMMARY, [{"name": k, "value": v} for k, v in {**self._summary, **results}.items()])

    def _read(self) -> Iterable[dict[str, Any]]:
        path = self._folder / EPOCHS
        return csv.DictReader(io.StringIO(path.read_text(), newline="")) if path.exists() else ()

    def _write(self, name: str, rows: list[dict[str, Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic_write(self._folder / name, text.getvalue().encode())
