"""Logger: the base of what is called with every record of a training."""

import importlib
from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from gpucnn.errors import InputError
from gpucnn.training import BatchRecord, EpochRecord

Figures = Mapping[str, Any]  # names with numbers, texts or truth values


class Logger:
    """Call it with every record, as `Trainer.fit(on_record=logger)` does; use it as a context, or close it.

    `step` is the number of updates of the weights, over all epochs. `steps_per_epoch` is needed where the first record
    is not of a training's beginning, as after a resume; otherwise steps are counted.
    """

    def __init__(self, steps_per_epoch: int | None = None) -> None:
        self.step = 0
        self._steps_per_epoch, self._epoch, self._before = steps_per_epoch, 0, 0

    def __call__(self, record: BatchRecord | EpochRecord) -> None:
        """Log a record. Minibatches of validation are not logged by themselves."""
        if record.epoch != self._epoch:
            self._epoch = record.epoch
            self._before = self.step if self._steps_per_epoch is None else (record.epoch - 1) * self._steps_per_epoch
        if isinstance(record, EpochRecord):
            self.step = self.step if self._steps_per_epoch is None else record.epoch * self._steps_per_epoch
            self.epoch(record)
        elif record.split == "train":
            self.step = self._before + record.step
            self.batch(record)

    def describe(self, hyperparameters: Figures, table: str = "") -> None:
        """Log the hyperparameters, and the table of the network's layers, before training."""

    def batch(self, record: BatchRecord) -> None:
        """Log a minibatch of training."""

    def epoch(self, record: EpochRecord) -> None:
        """Log an epoch."""

    def finish(self, results: Figures, pictures: Mapping[str, bytes]) -> None:
        """Log the results of the trained network, and pictures (PNG) by name."""

    def close(self) -> None:
        """Write what is not written yet, and free the logger's files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def scalars(record: EpochRecord) -> dict[str, float]:
    """The numbers of an epoch by name, the trainer's own metrics among them; those that are None are left out."""
    values = asdict(record)
    values |= values.pop("metrics")
    for name, score in values.pop("scores").items():  # a number, or one for each output; those of labels have no place
        values |= {name: score} if isinstance(score, float) else {}
        values |= {f"{name}_{k}": each for k, each in enumerate(score)} if name in ("mae", "rmse", "r2") else {}
    return {name: value for name, value in values.items() if value is not None and name != "epoch"}


def library(name: str, extra: str) -> Any:
    """The module `name` of an optional library. Raises InputError, with the command that installs it, without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"logging: {extra} needs a library that cannot be imported ({error}); install it: "
            f"pip install 'gpucnn[{extra}]', or take {extra} out of logging"
        ) from None
