"""The learning rate range test: which rates a network learns at."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from gpucnn.data.loader import Batches, Data
from gpucnn.errors import InputError
from gpucnn.training.records import StepResult
from gpucnn.training.trainer import Trainer

LOWEST, HIGHEST, UPDATES = 1e-6, 10.0, 140  # 20 rates in each power of 10
MEMORY = 0.9  # share of the running mean of losses that each keeps
DIVERGED = 4.0  # times the lowest mean so far, at which the test ends
BELOW = 3.0  # how many times lower than the rate of the lowest mean, which lags, the one named is: measured on digits
FALL = 0.02  # share of the first loss by which it must fall, or no rate is named


@dataclass(frozen=True)
class RangeTest:
    """What a range test found: at each rate the loss, of the update's own images before it, and the running mean.

    `suggestion` is a third of the rate at which the mean was lowest: the mean lags behind the loss, which begins to
    rise at about that rate. It is None where the loss did not fall by 2 % of the first. `diverged`: whether
    the loss rose until the test ended early.
    """

    rates: list[float]
    losses: list[float]
    means: list[float]
    diverged: bool
    seconds: float

    @property
    def lowest(self) -> int:
        """The number of the update before which the mean was lowest."""
        return min(range(len(self.means)), key=self.means.__getitem__)

    @property
    def suggestion(self) -> float | None:
        """The rate to begin with."""
        if not self.means or self.means[self.lowest] > self.means[0] * (1 - FALL):
            return None
        return self.rates[self.lowest] / BELOW


def find_lr(
    trainer: Trainer,
    train: Data,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    updates: int = UPDATES,
    batch_size: int = 64,
) -> RangeTest:
    """Train at rates that grow from `lowest` to `highest` by one factor, an update at each; then undo it all.

    `train` is what `Trainer.fit` takes. The test ends early where the loss is four times its lowest. It starts from
    the weights that the trainer has, which then has the weights, the state and the generator that it had before; the
    schedule takes no part. L. Smith, Cyclical Learning Rates, 2017, arXiv:1506.01186. Raises InputError for rates that
    do not grow.
    """
    if not (0 < lowest < highest < math.inf and updates > 1):
        raise InputError(
            f"find_lr: lowest {lowest}, highest {highest}, updates {updates}; expected rates that grow, from above 0, "
            "and at least 2 updates"
        )
    before, began = trainer.state(), time.perf_counter()
    factor = (highest / lowest) ** (1 / (updates - 1))
    rates = [lowest * factor**number for number in range(updates)]
    losses: list[float] = []
    means: list[float] = []
    diverged = False
    try:
        for result in _results(trainer, trainer.batches_of(train, batch_size), rates):
            mean = _running(losses, result.loss)
            if not math.isfinite(mean) or means and mean > DIVERGED * min(means):
                diverged = True
                break
            losses.append(result.loss)
            means.append(mean)
    finally:
        trainer.load_state(before)
    return RangeTest(rates[: len(losses)], losses, means, diverged, time.perf_counter() - began)


def _results(trainer: Trainer, batches: Batches, rates: list[float]) -> Iterator[StepResult]:
    """The results of updates at these rates, over as many epochs as it takes."""
    done, epoch, steps = 0, 0, trainer.steps_over(batches)
    trainer.net.train()
    while done < len(rates):
        of_epoch = rates[done:] + rates[-1:] * len(batches)  # captured steps are planned ahead
        for results in steps.results(epoch, 0, of_epoch.__getitem__):
            for result in results[: len(rates) - done]:
                done += 1
                yield result
            if done >= len(rates):
                return
        epoch += 1


def _running(losses: list[float], loss: float) -> float:
    """The running mean of all losses up to `loss`, as Adam's moments are: without the weight of what came before."""
    weight = total = 0.0
    for value in [*losses[-100:], loss]:
        weight, total = MEMORY * weight + 1, MEMORY * total + value
    return total / weight
