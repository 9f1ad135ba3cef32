"""Schedules: factors of the learning rate, step by step."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gpucnn.errors import ConfigError, InputError

__all__ = ["SCHEDULES", "Constant", "Cosine", "Linear", "OneCycle", "Plateau", "Schedule", "Step"]

Monitor = Literal["validation_loss", "validation_accuracy", "validation_score", "train_loss", "train_accuracy"]


class Schedule:
    """A rule for the learning rate. Steps count from 0; `total` is the whole run's number of them."""

    def factor(self, step: int, total: int, per_epoch: int) -> float:
        """The factor of the learning rate at step `step` of `total`; an epoch has `per_epoch` steps."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """Always 1."""

    def factor(self, step: int, total: int, per_epoch: int) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplied by `gamma` after every `epochs` epochs."""

    epochs: int = 10
    gamma: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"step: epochs is {self.epochs}; expected at least 1")

    def factor(self, step: int, total: int, per_epoch: int) -> float:
        """gamma to the power of (finished epochs // `epochs`)."""
        return self.gamma ** (step // per_epoch // self.epochs)


@dataclass(frozen=True)
class _Warmup(Schedule):
    """Base of schedules that rise linearly over the fraction `warmup` of the run, then fall to the factor `final`."""

    warmup: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        for option in ("warmup", "final"):
            if not 0 <= (value := getattr(self, option)) <= 1:
                name = type(self).__name__.lower()
                raise InputError(f"{name}: {option} is {value}; expected a fraction of 0 to 1")

    def factor(self, step: int, total: int, per_epoch: int) -> float:
        """The rise, which begins above 0 so that every step changes the weights; then the fall, which begins at 1."""
        rising = round(self.warmup * total)
        return (step + 1) / rising if step < rising else self._fall((step - rising) / (total - rising))

    def _fall(self, elapsed: float) -> float:
        """The factor once the share `elapsed` of the steps after the rise is over: less than 1 at the last step."""
        raise NotImplementedError


@dataclass(frozen=True)
class Cosine(_Warmup):
    """A linear rise over the fraction `warmup` of the run, then half a cosine down to the factor `final`.

    I. Loshchilov, F. Hutter, SGDR, 2016, arXiv:1608.03983.
    """

    def _fall(self, elapsed: float) -> float:
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * elapsed)) / 2


@dataclass(frozen=True)
class Linear(_Warmup):
    """A linear rise over the fraction `warmup` of the run, then a linear fall to the factor `final`."""

    def _fall(self, elapsed: float) -> float:
        return 1 - (1 - self.final) * elapsed


@dataclass(frozen=True)
class OneCycle(Linear):
    """A linear rise over the fraction `warmup` of the run, then a linear fall to 0.

    After L. Smith, N. Topin, Super-Convergence, 2017, arXiv:1708.07120, without its last, lower phase.
    """

    warmup: float = 0.2


class Monitored:
    """A rule that monitors a figure of EpochRecord: a loss, which should fall, or an accuracy, which should rise."""

    patience: int
    min_delta: float
    monitor: Monitor

    def check(self, name: str) -> None:
        """Raise ConfigError for values out of range, calling it by its `name`."""
        if self.patience < 1:
            raise ConfigError(f"{name}: patience is {self.patience}; it must be at least 1 epoch")
        if not 0 <= self.min_delta < math.inf:
            raise ConfigError(f"{name}: min_delta is {self.min_delta}; it must be 0 or more")
        if self.monitor not in (monitors := get_args(Monitor)):
            raise ConfigError(f"{name}: monitor is {self.monitor!r}; it can be {', '.join(monitors)}")

    @property
    def needs_validation(self) -> bool:
        """Whether the figure is one of validation."""
        return self.monitor.startswith("validation")

    def figure(self, record: Any) -> float:
        """The monitored figure of an EpochRecord, negated for a loss so that higher is better."""
        value = getattr(record, self.monitor)
        return -value if self.monitor.endswith("loss") else value


@dataclass(frozen=True)
class Plateau(Monitored, Constant):
    """Multiplied by `gamma` after `patience` epochs in a row without improvement, down to `final`.

    The Trainer keeps count: `factor` alone is 1.
    """

    patience: int = 10
    gamma: float = 0.1
    min_delta: float = 0.0
    monitor: Monitor = "validation_loss"
    final: float = 0.0

    def __post_init__(self) -> None:
        self.check("plateau")
        if not 0 < self.gamma < 1:
            raise InputError(f"plateau: gamma is {self.gamma}; expected a fraction between 0 and 1")
        if not 0 <= self.final <= 1:
            raise InputError(f"plateau: final is {self.final}; expected a fraction of 0 to 1")


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "cosine": Cosine,
    "linear": Linear,
    "one_cycle": OneCycle,
    "plateau": Plateau,
}
