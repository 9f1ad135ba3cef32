"""The train state: counters, sums and early stopping, all that a checkpoint holds beside arrays and generator."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, get_args

from gpucnn.errors import CheckpointError, ConfigError
from gpucnn.training.records import EpochRecord, StepResult

Monitor = Literal["validation_loss", "validation_accuracy", "train_loss", "train_accuracy"]
ADDED = {"added": True}  # marks a field that checkpoints of version 0.1.0 lack: it takes its default then


@dataclass
class Tally:
    """Sums over the minibatches done in an epoch."""

    batches: int = 0
    images: int = 0
    loss_sum: float = 0.0  # over images
    correct: int = 0

    def add(self, result: StepResult) -> None:
        """Count one more minibatch."""
        self.batches += 1
        self.images += result.images
        self.loss_sum += result.loss * result.images
        self.correct += result.correct

    @property
    def loss(self) -> float:
        """The mean per image."""
        return self.loss_sum / self.images

    @property
    def accuracy(self) -> float:
        """The share of images classified correctly."""
        return self.correct / self.images


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
        if accuracy is None or loss is None:
            accuracy, loss = 0.0, record.train_loss
        offered = Best(record.epoch, accuracy, loss, None if rule is None else rule.figure(record))
        if not self.epoch or offered._rank(self) > self._rank(offered):
            vars(self).update(vars(offered))

    def _rank(self, other: "Best") -> tuple[float, ...]:
        """What is compared with another's; the figure if both have one."""
        figures = () if self.figure is None or other.figure is None else (self.figure,)
        return (*figures, self.accuracy, -self.loss)


@dataclass(frozen=True)
class EarlyStop:
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
        if self.patience < 1:
            raise ConfigError(f"early_stop: patience is {self.patience}; it must be at least 1 epoch")
        if not 0 <= self.min_delta < math.inf:
            raise ConfigError(f"early_stop: min_delta is {self.min_delta}; it must be 0 or more")
        if self.monitor not in (monitors := get_args(Monitor)):
            raise ConfigError(f"early_stop: monitor is {self.monitor!r}; it can be {', '.join(monitors)}")
        if self.keep not in ("best", "last"):
            raise ConfigError(f"early_stop: keep is {self.keep!r}; it can be best or last")

    @property
    def needs_validation(self) -> bool:
        """Whether the figure is one of validation."""
        return self.monitor.startswith("validation")

    def figure(self, record: EpochRecord) -> float:
        """The monitored figure, negated for a loss so that higher is better."""
        value = getattr(record, self.monitor)
        return -value if self.monitor.endswith("loss") else value


@dataclass
class Waiting:
    """Early stopping's memory: the best figure (higher is better), and how many epochs have passed since."""

    figure: float | None = None
    epochs: int = 0

    def see(self, rule: EarlyStop, record: EpochRecord) -> bool:
        """Count an epoch; returns whether to stop."""
        figure = rule.figure(record)
        if self.figure is None or figure > self.figure + rule.min_delta:
            self.figure, self.epochs = figure, 0
        else:
            self.epochs += 1
        return self.epochs >= rule.patience


@dataclass
class TrainState:
    """How far training is, between two minibatches or two epochs."""

    epoch: int = 0  # epochs done
    step: int = 0  # updates of the weights, over all epochs
    steps_per_epoch: int = 0  # 0 until training begins
    train: Tally = field(default_factory=Tally)  # of the epoch that is under way
    validation: Tally = field(default_factory=Tally)
    seconds: float = 0.0  # of training, in the epoch that is under way
    train_seconds: float = 0.0  # of training, over all epochs
    best: Best = field(default_factory=Best)
    waiting: Waiting = field(default_factory=Waiting)
    stopped: bool = False  # by early stopping

    def advance(self, result: StepResult, seconds: float) -> None:
        """Count one update of the weights, which took `seconds`."""
        self.train.add(result)
        self.step += 1
        self.seconds += seconds
        self.train_seconds += seconds

    def close_epoch(self, record: EpochRecord, rule: EarlyStop | None) -> None:
        """Count an epoch as done, with what early stopping makes of it, and reset the sums for the next."""
        self.best.offer(record, rule)
        self.stopped = rule is not None and self.waiting.see(rule, record)
        self.epoch += 1
        self.train, self.validation, self.seconds = Tally(), Tally(), 0.0

    def as_dict(self) -> dict[str, Any]:
        """The values, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> "TrainState":
        """The state that `as_dict` gave. Raises CheckpointError for anything else."""
        state = _like(cls(), values, "position")
        for name in ("train", "validation"):
            _check_tally(getattr(state, name), f"position.{name}")
        if state.train.batches and state.seconds <= 0:
            raise CheckpointError("the checkpoint's position.seconds is damaged: no time for what was done")
        return state


def _check_tally(tally: Tally, where: str) -> None:
    if not tally.correct <= tally.images or (tally.images > 0) != (tally.batches > 0):
        raise CheckpointError(f"the checkpoint's {where} is damaged: {tally}")


def _like(example: Any, values: Any, where: str) -> Any:
    """`values` as a dataclass with the fields and kinds of `example`."""
    expected = vars(example)
    needed = {each.name for each in fields(example) if not each.metadata.get("added")}
    if not isinstance(values, Mapping) or not needed <= values.keys() <= expected.keys():
        raise CheckpointError(
            f"the checkpoint's {where} is damaged: expected {', '.join(expected)}; got {values!r:.200}"
        )
    return type(example)(**{name: _field(expected[name], values[name], f"{where}.{name}") for name in values})


def _field(example: Any, value: Any, where: str) -> Any:
    if is_dataclass(example):
        return _like(example, value, where)
    if isinstance(example, bool):
        fits = isinstance(value, bool)
    elif isinstance(example, int):
        fits = type(value) is int and value >= 0
    else:  # a float, or a float that is None at first
        fits = type(value) is float and math.isfinite(value) or value is example is None
    if not fits:
        raise CheckpointError(f"the checkpoint's {where} is damaged: {value!r:.80}")
    return value
