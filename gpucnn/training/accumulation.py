"""Gradient accumulation: steps on batches several times as large, whose gradients are computed part by part."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from gpucnn.backend import module_of
from gpucnn.data.loader import Batch, Batches, Loader
from gpucnn.errors import InputError
from gpucnn.geometry import split
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.threads import one_blas_thread
from gpucnn.training.losses import is_sum
from gpucnn.training.records import StepResult
from gpucnn.training.step import Step, forward, measure

FEWEST = 2  # images of a part: batch normalisation needs more than one


@dataclass(frozen=True)
class AccumulatingStep(Step):
    """A step on a batch that is cut into `accumulate` parts of nearly equal size.

    The gradient is that of the whole batch's loss, and so is the result; batch normalisation sees each part by itself.
    """

    accumulate: int = 1

    @np.errstate(all="ignore")  # as Step
    def __call__(self, batch: Batch, lr: float) -> StepResult:
        """As Step."""
        sizes, results = part_sizes(self, len(batch.labels)), []
        with one_blas_thread():
            self.optimizer.zero_grad()
            for number, part in enumerate(_cut(batch, sizes)):
                output, loss = forward(self.net, self.loss, part)
                results.append(measure(self.loss, part, output, loss))
                if not math.isfinite(results[-1].loss):
                    return combined(results)
                loss.backward()
                weigh(self, sizes, number)
            self.update(lr)
        return combined(results)


def check_accumulate(accumulate: int) -> int:
    """The number of minibatches of an update. Raises InputError unless it is a whole number of at least 1."""
    if type(accumulate) is not int or accumulate < 1:
        raise InputError(f"accumulate is {accumulate!r}; expected a whole number of minibatches, at least 1")
    return accumulate


def part_sizes(step: Step, images: int) -> list[int]:
    """How many images each part of a batch has."""
    parts = min(getattr(step, "accumulate", 1), images // FEWEST)
    return [stop - start for start, stop in split(images, parts)]


def weigh(step: Step, sizes: Sequence[int], number: int) -> None:
    """Scale the gradients after the part of that number, so that in the end they are those of the whole batch.

    For means over images, they are kept as the sum so far of size · gradient, divided by the next part's size.
    """
    if len(sizes) == 1 or is_sum(step.loss):
        return
    factor = sizes[number] / (sizes[number + 1] if number + 1 < len(sizes) else sum(sizes))
    gradients = [parameter.grad.memory for parameter in step.net.parameters() if parameter.grad is not None]
    if gradients and factor != 1:
        kernels_of(type(gradients[0])).update.scale(gradients, factor)


def combined(results: Sequence[StepResult]) -> StepResult:
    """The result of a batch, of those of its parts up to the first whose loss is not finite."""
    finite = [math.isfinite(result.loss) for result in results]
    seen = results if all(finite) else results[: finite.index(False) + 1]
    if len(seen) == 1:
        return seen[0]
    images = sum(result.images for result in seen)
    loss = sum(result.loss * result.images for result in seen) / images
    return StepResult(images, loss, sum(result.correct for result in seen))


def joined(batches: Batches, count: int) -> Batches:
    """The same data in batches `count` times as large."""
    if isinstance(batches, Loader):
        return batches.in_batches_of(count * batches.batch_size)
    return cast(Batches, _Joined(batches, count))


@dataclass(frozen=True)
class _Joined:
    """`count` batches as one."""

    of: Batches
    count: int

    def __len__(self) -> int:
        return -(-len(self.of) // self.count)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `first` on."""
        each = iter(self.of.batches(epoch, first * self.count))
        while several := list(itertools.islice(each, self.count)):
            xp = module_of(several[0].images)
            yield Batch(
                xp.concatenate([batch.images for batch in several], axis=-1),  # (C, H, W, n)
                np.concatenate([batch.labels for batch in several]),
            )


def _cut(batch: Batch, sizes: Sequence[int]) -> Iterator[Batch]:
    """The parts of a batch, each in memory of its own."""
    if len(sizes) == 1:
        yield batch
        return
    start, xp = 0, module_of(batch.images)
    for size in sizes:
        part = slice(start, start + size)
        yield Batch(xp.ascontiguousarray(batch.images[..., part]), batch.labels[part])
        start += size
