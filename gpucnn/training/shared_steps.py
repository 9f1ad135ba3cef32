"""Training steps of several processes, each on its share of every batch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gpucnn.data.loader import Batches
from gpucnn.parallel import sharing
from gpucnn.tensor import Tensor
from gpucnn.threads import one_blas_thread
from gpucnn.training.gradient_sums import GradientSums
from gpucnn.training.records import StepResult
from gpucnn.training.rollback import undone_if_it_fails
from gpucnn.training.shares import Share, Shares
from gpucnn.training.step import Step, forward, measure


@dataclass(frozen=True)
class SharedSteps:
    """Steps one by one, of each batch a share, whose gradients are summed over the processes."""

    step: Step
    batches: Batches
    shares: Shares

    def results(self, epoch: int, first: int, lr: Callable[[int], float]) -> Iterator[list[StepResult]]:
        """As HostSteps; the results are those of the whole batches."""
        buffers = list(self.step.net.buffers())
        gradients = GradientSums(self.step.optimizer, self.shares.communicator)
        for number, share in enumerate(self.shares.batches(self.batches, epoch, first), first):
            with undone_if_it_fails(buffers):
                result = self._result(share, gradients, buffers, lr(number))
            yield [result]

    @np.errstate(all="ignore")  # as Step
    def _result(self, share: Share, gradients: GradientSums, buffers: list[Tensor], lr: float) -> StepResult:
        step = self.step
        with one_blas_thread():
            step.optimizer.zero_grad()
            with sharing(self.shares.among(share.of)):
                output, loss = forward(step.net, step.loss, share.batch)
                own = measure(step.loss, share.batch, output, loss)
                whole = self.shares.sum(own, share.of, buffers)
                gradients.backward(loss, self.shares.weight(step.loss, own.images, share.of))
            result = whole()
            gradients.wait()
            if math.isfinite(result.loss):
                step.update(lr)
        return result
