"""Captured steps of several processes: sums are a part of what is captured.

On CPUs a program is cut where they begin, and where they are waited for; on GPUs NCCL's are in the graph.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gpucnn.backend import Array, device
from gpucnn.data.loader import Batch, Loader
from gpucnn.nn import BatchNorm
from gpucnn.parallel import interlude, sharing
from gpucnn.tensor import Tensor
from gpucnn.training.captured import CapturedSteps
from gpucnn.training.gradient_sums import GradientSums
from gpucnn.training.losses import is_sum
from gpucnn.training.records import StepResult
from gpucnn.training.shared_steps import SharedSteps
from gpucnn.training.shares import Shares
from gpucnn.training.step import Step


class CapturedShares(CapturedSteps):
    """As CapturedSteps, of each batch a share. All processes look at the results after the same steps."""

    def __init__(self, step: Step, loader: Loader, shares: Shares, capturing: bool = True) -> None:
        super().__init__(step, loader, capturing, shares.part)
        self._parts = 1  # each process has a part of a batch anyway
        self._shares, self._gradients = shares, GradientSums(step.optimizer, shares.communicator)
        self._own_rates = device().xp.zeros_like(self._rates)  # where a loss of this share that is not finite is noted

    def _one_by_one(self, epoch: int, first: int, lr: Callable[[int], float]) -> Iterator[list[StepResult]]:
        return SharedSteps(self._step, self._loader, self._shares).results(epoch, first, lr)

    def _agreed(self, seconds: float) -> float:
        """How long steps took, on the mean of the processes."""
        return float(self._shares.communicator.sum(np.array([seconds]))[0]) / self._shares.communicator.size

    def _part_sizes(self, images: int) -> list[int]:
        return [images]

    def _tables(self) -> Sequence[Array]:
        return *super()._tables(), self._own_rates

    def _halts(self) -> Array:
        return self._own_rates

    def _work(self, images: int) -> None:
        with sharing(self._shares.among(images)):
            super()._work(images)


class CpuShares(CapturedShares):
    """Gradients and results are summed in interludes. Messages are those of SharedSteps, in the same order."""

    def __init__(self, step: Step, loader: Loader, shares: Shares) -> None:
        super().__init__(step, loader, shares)
        self._buffers: list[Tensor] = []
        self._whole: Callable[[], StepResult] | None = None  # waits for the result of the step under way
        self._results: list[StepResult] = []  # since the last look

    def _can_capture(self) -> bool:
        with sharing(self._shares.communicator):
            return super()._can_capture()

    def _capture(self, images: int) -> int:
        self._buffers = list(self._step.net.buffers())
        ran = super()._capture(images)
        if not ran:  # the step runs once more, by itself
            self._end_sums()
        return ran

    def _work(self, images: int) -> None:
        super()._work(images)
        interlude(self._halt_if_interrupted)

    def _backward(self, loss: Tensor, batch: Batch, images: int) -> None:
        """Compute the gradients by the loss of the whole batch, of `images`."""
        own = len(batch.labels)
        begin = functools.partial(self._begin, own, images)
        self._gradients.backward(loss, self._shares.weight(self._step.loss, own, images), begin)
        interlude(self._end)

    @np.errstate(all="ignore")  # as Step
    def _begin(self, own: int, images: int) -> None:
        """Begin to sum the results of the share, `own` images."""
        number = int(self._now[2])
        loss = float(self._losses[number]) / (own if is_sum(self._step.loss) else 1)
        self._whole = self._shares.sum(StepResult(own, loss, int(self._corrects[number])), images, self._buffers)

    @np.errstate(all="ignore")
    def _end(self) -> None:
        """Wait for all sums; where a process's loss is not finite, no weights are updated."""
        result = self._end_sums()
        self._results += result
        self._rates[:, 3] = not all(math.isfinite(each.loss) for each in result)

    def _end_sums(self) -> list[StepResult]:
        """Wait for the sums that have begun; the result of the step, where it is one."""
        results = [] if self._whole is None else [self._whole()]
        self._whole = None
        self._gradients.wait()
        return results

    def _halt_if_interrupted(self) -> None:
        """Run no more steps where a process was interrupted: all learned it with this step's result."""
        if self._shares.any_interrupted:
            self._rates[:, 3] = 1

    def _results_of(self, sizes: list[int]) -> list[StepResult]:
        done, self._results = self._results, []
        return done


class GpuShares(CapturedShares):
    """On GPUs: gradients, running statistics and whether to halt are summed there, results when the host looks."""

    def _can_capture(self) -> bool:
        synchronised = any(isinstance(module, BatchNorm) and module.sync for module in self._step.net.modules())
        if synchronised:
            self.reason = "the host reads of how many values synchronised statistics are"
        elif self._loader.mixes:
            self.reason = "the images of a batch are mixed, for which each process needs all of them"
        return not synchronised and not self._loader.mixes and super()._can_capture()

    def _backward(self, loss: Tensor, batch: Batch, images: int) -> None:
        """Compute the gradients by the loss of the whole batch, of `images`."""
        communicator = self._shares.communicator
        buffers = [buffer for buffer in self._step.net.buffers() if buffer.dtype.kind == "f"]
        joined = [buffer.memory.ravel().astype(np.float64) for buffer in buffers]
        sums = [self._own_rates, *([device().xp.concatenate(joined)] if joined else [])]
        begun = [communicator.start_sum(array) for array in sums]
        self._gradients.backward(loss, self._shares.weight(self._step.loss, len(batch.labels), images))
        for pending in begun:
            pending.wait()
        self._gradients.wait()
        self._rates[:, 3] = self._own_rates[:, 3]
        self._shares.spread(buffers, sums[-1])

    @np.errstate(all="ignore")  # as Step
    def _results_of(self, sizes: list[int]) -> list[StepResult]:
        own = super()._results_of(sizes)
        begun = [self._shares.sum(result, images) for result, images in zip(own, sizes, strict=True)]
        return [whole() for whole in begun]
