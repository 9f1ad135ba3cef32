"""The loggers that a configuration asks for, in a run's folder."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from gpucnn.loggers.csv import CSV
from gpucnn.loggers.logger import Figures, Logger, library
from gpucnn.loggers.mlflow import MLflow
from gpucnn.loggers.tensorboard import TensorBoard
from gpucnn.training import BatchRecord, EpochRecord

EVENTS = "tensorboard"  # the folder of event files in a run's
RESULTS = ("test_loss", "test_accuracy", "parameters", "train_seconds")  # of result.json
MODULES = {"tensorboard": "tensorboard.summary.writer.event_file_writer", "mlflow": "mlflow"}


def check_installed(names: Sequence[str]) -> None:
    """Import the libraries of these loggers. Raises InputError, with the command that installs it, for one missing."""
    for name in names:
        if name in MODULES:
            library(MODULES[name], name)


class RunLoggers:
    """The loggers called `names`, opened by the first record: a run that fails before leaves nothing behind.

    Call it with every record, then `finish`; it is a context.
    """

    def __init__(
        self, names: Sequence[str], folder: Path, steps_per_epoch: int, hyperparameters: Figures, table: str
    ) -> None:
        made: dict[str, Callable[[], Logger]] = {
            "csv": lambda: CSV(folder, steps_per_epoch),
            "tensorboard": lambda: TensorBoard(folder / EVENTS, steps_per_epoch),
            "mlflow": lambda: MLflow(
                folder, str(hyperparameters["name"]), folder.resolve().name, steps_per_epoch=steps_per_epoch
            ),
        }
        self._makers = [made[name] for name in dict.fromkeys(names)]
        self._described = hyperparameters, table
        self._loggers: list[Logger] = []
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "RunLoggers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def __call__(self, record: BatchRecord | EpochRecord) -> None:
        """Log a record."""
        if not self._loggers:
            for make in self._makers:
                self._loggers.append(self._open.enter_context(make()))
                self._loggers[-1].describe(*self._described)
        for logger in self._loggers:
            logger(record)

    def finish(self, result: Mapping[str, Any], pictures: Callable[[], Mapping[str, bytes]]) -> None:
        """Log the contents of result.json, and `pictures()`, which are drawn only if there is a logger."""
        if not self._loggers:
            return
        figures = {name: result[name] for name in RESULTS if result[name] is not None}
        drawn = pictures()
        for logger in self._loggers:
            logger.finish(figures, drawn)
