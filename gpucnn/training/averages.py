"""Averages of a network's weights while it trains, which are validated and kept in place of the last weights."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gpucnn.backend import Array
from gpucnn.data.loader import Batches
from gpucnn.errors import ConfigError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import Scales, StepScales
from gpucnn.nn import Module
from gpucnn.optim import Optimizer
from gpucnn.optim.flat import FlatParameters
from gpucnn.training.swa_utils import renew_statistics


@dataclass(frozen=True)
class EMA:
    """An exponential moving average over all updates, which keeps the share `decay` of itself.

    The n-th keeps min(decay, (n - 1) / (n + 8)), so that weights of the beginning are soon forgotten. Running
    statistics of batch norm are averaged as well. Raises ConfigError for a decay that is not from 0 to less than 1.
    """

    decay: float = 0.999
    name: ClassVar[str] = "ema"
    each_update: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ConfigError(f"ema: decay is {self.decay}; expected at least 0, less than 1")

    def moves(self, count: int) -> float:
        """How far an average of `count` goes towards the weights that are added."""
        return 1 - min(self.decay, count / (count + 9))

    def takes(self, epoch: int, epochs: int) -> bool:
        """Whether the weights at the end of an epoch, which counts from 1, are added."""
        return False


@dataclass(frozen=True)
class SWA:
    """Stochastic weight averaging: the mean of the weights after each epoch, once the share `start` of them is over.

    P. Izmailov et al., 2018, arXiv:1803.05407. The running statistics of batch norm are renewed by a pass over the
    training images after each of these epochs. Raises ConfigError for a start that is not from 0 to less than 1.
    """

    start: float = 0.75
    name: ClassVar[str] = "swa"
    each_update: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise ConfigError(f"swa: start is {self.start}; expected at least 0, less than 1")

    def moves(self, count: int) -> float:
        """How far an average of `count` goes towards the weights that are added."""
        return 1 / (count + 1)

    def takes(self, epoch: int, epochs: int) -> bool:
        """Whether the weights at the end of an epoch, which counts from 1, are added."""
        return epoch > math.floor(self.start * epochs)


AVERAGES: dict[str, type[EMA] | type[SWA]] = {"ema": EMA, "swa": SWA}


class Average:
    """The average, by a rule, of the weights of `net`, which `optimizer` moves: `averaged` is a network like it.

    On flat memory, so that adding the weights is one kernel for each group of parameters, which can be captured.
    """

    def __init__(self, net: Module, optimizer: Optimizer, rule: EMA | SWA) -> None:
        self._net, self.rule, self.count = net, rule, 0
        self.epoch = 0  # the last that was added by `close_epoch`
        self.averaged = copy.deepcopy(net)
        own = dict(zip(map(id, net.parameters()), self.averaged.parameters(), strict=True))
        groups = ([p for p in flat.parameters if id(p) in own] for flat in optimizer.flat)
        self._flat = [FlatParameters([own[id(p)] for p in group]) for group in groups if group]
        self._of = [flat for flat in optimizer.flat if any(id(p) in own for p in flat.parameters)]
        buffers = list(zip(self.averaged.buffers(), net.buffers(), strict=True))
        self._running = [pair for pair in buffers if pair[0].dtype.kind == "f"]
        self._counters = [pair for pair in buffers if pair[0].dtype.kind != "f"]

    def update(self) -> None:
        """Add the weights as they are now."""
        self.add(StepScales(-self.rule.moves(self.count)))
        self.counted(1)

    def add(self, scales: Scales) -> None:
        """Move the average towards the weights by -size of `scales`, which may be a row of `plan` on the device.

        That is a step of gradient descent along weights - average.
        """
        pairs = [(mine.values, theirs.values) for mine, theirs in zip(self._flat, self._of, strict=True)]
        pairs += [(mine.memory.reshape(-1), theirs.memory.reshape(-1)) for mine, theirs in self._running]
        for mine, theirs in pairs:
            kernels_of(type(mine)).update.sgd(mine, theirs, scales, -1.0)

    def close_epoch(self, epoch: int, epochs: int, batches: Batches) -> None:
        """Add the weights after an epoch of `epochs`, which counts from 1, if the rule takes them; once."""
        if self.epoch < epoch and self.rule.takes(epoch, epochs):
            if self.count:
                self.update()
            else:  # the first, to the bit
                self.averaged.load_state_dict(self._net.state_dict())
                self.counted(1)
            renew_statistics(batches, self.averaged, epoch - 1)
            self.epoch = epoch

    def plan(self, steps: int) -> np.ndarray:
        """StepScales of the next `steps` updates: (steps, 1, 3) float64."""
        return np.array([[StepScales(-self.rule.moves(self.count + ahead))] for ahead in range(steps)], np.float64)

    def counted(self, steps: int) -> None:
        """Count `steps` that were added by scales from `plan`; counters of batches become the network's."""
        self.count += steps
        for mine, theirs in self._counters:
            mine.memory[...] = theirs.memory
        for parameter in self.averaged.parameters():
            parameter._version += steps

    def arrays(self) -> Iterator[Array]:
        """The arrays that `add` reads and changes beside the network's; views after what they are of."""
        for flat in self._flat:
            yield flat.values
        for parameter in self.averaged.parameters():
            yield parameter.memory
        for mine, _ in self._running:
            yield mine.memory
