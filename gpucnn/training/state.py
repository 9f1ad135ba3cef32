"""The train state: counters, sums and early stopping, all that a checkpoint holds beside arrays and generator."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from gpucnn.errors import CheckpointError
from gpucnn.optim.schedules import Plateau
from gpucnn.training.early_stop import ADDED, Best, EarlyStop, Waiting
from gpucnn.training.records import EpochRecord, StepResult


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
    plateau: Waiting = field(default_factory=Waiting, metadata=ADDED)
    lowered: float = field(default=1.0, metadata=ADDED)  # what plateaus multiply the learning rate by

    def advance(self, result: StepResult, seconds: float) -> None:
        """Count one update of the weights, which took `seconds`."""
        self.train.add(result)
        self.step += 1
        self.seconds += seconds
        self.train_seconds += seconds

    def close_epoch(self, record: EpochRecord, rule: EarlyStop | None) -> None:
        """Count an epoch as done, update early stopping, and reset the sums for the next epoch."""
        self.best.offer(record, rule)
        self.stopped = rule is not None and self.waiting.see(rule, record)
        self.epoch += 1
        self.train, self.validation, self.seconds = Tally(), Tally(), 0.0

    def lower(self, rule: Plateau, record: EpochRecord) -> None:
        """Lower the learning rate if the epoch is the last of a plateau."""
        if self.plateau.see(rule, record):
            self.lowered = max(rule.final, self.lowered * rule.gamma)
            self.plateau.epochs = 0

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
