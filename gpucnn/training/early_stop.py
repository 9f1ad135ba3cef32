"""Early stopping: which epoch was the best, and when to stop waiting for a better one."""

from dataclasses import dataclass, field
from typing import Literal

from gpucnn.errors import ConfigError
from gpucnn.optim.schedules import Monitor, Monitored
from gpucnn.training.records import EpochRecord

ADDED = {"added": True}  # marks a field that checkpoints of version 0.1.0 lack: it takes its default then


@dataclass
class Best:
    """The best epoch so far (0: none yet), by early stopping's figure, then validation accuracy, then validation loss.

    Without early stopping there is no such figure. Without validation data `loss` is that of training, and `accuracy`
    stays 0.
    """

    epoch: int = 0
    accuracy: float = 0.0
    loss: float = 0.0
    figure: float | None = field(default=None, metadata=ADDED)  # higher is better

    def offer(self, record: EpochRecord, rule: "EarlyStop | None" = None) -> None:
        """Take over `record`'s epoch if it is better."""
        accuracy, loss = record.validation_accuracy, record.validation_loss
        if loss is None:
            loss = record.train_loss
        offered = Best(record.epoch, accuracy or 0.0, loss, None if rule is None else rule.figure(record))
        if not self.epoch or offered._rank(self) > self._rank(offered):
            vars(self).update(vars(offered))

    def _rank(self, other: "Best") -> tuple[float, ...]:
        """What is compared with another's; the figure if both have one."""
        figures = () if self.figure is None or other.figure is None else (self.figure,)
        return (*figures, self.accuracy, -self.loss)


@dataclass(frozen=True)
class EarlyStop(Monitored):
    """Stop after `patience` epochs in a row in which `monitor` did not improve by more than `min_delta`.

    `monitor` is a figure of EpochRecord: a loss, which should fall, or an accuracy, which should rise. `keep`: whether
    a run ends with the weights of the epoch in which it was best, or with the last.
    Raises ConfigError for values out of range.
    """

    patience: int
    min_delta: float = 0.0
    monitor: Monitor = "validation_loss"
    keep: Literal["best", "last"] = "best"

    def __post_init__(self) -> None:
        self.check("early_stop")
        if self.keep not in ("best", "last"):
            raise ConfigError(f"early_stop: keep is {self.keep!r}; it can be best or last")


@dataclass
class Waiting:
    """The state of a Monitored rule: the best figure (higher is better), and the number of epochs since."""

    figure: float | None = None
    epochs: int = 0

    def see(self, rule: Monitored, record: EpochRecord) -> bool:
        """Count an epoch; returns whether `patience` epochs have passed without improvement."""
        figure = rule.figure(record)
        if self.figure is None or figure > self.figure + rule.min_delta:
            self.figure, self.epochs = figure, 0
        else:
            self.epochs += 1
        return self.epochs >= rule.patience
