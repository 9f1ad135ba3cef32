"""One training step: forward, loss, backward, clipping and update on one minibatch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gpucnn import optim
from gpucnn.backend import module_of, to_device
from gpucnn.data.loader import Batch, Batches
from gpucnn.errors import ShapeError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.nn import Module
from gpucnn.tensor import Tensor
from gpucnn.threads import one_blas_thread
from gpucnn.training.answers import check_answers, count_right
from gpucnn.training.averages import Average
from gpucnn.training.losses import Loss, is_sum
from gpucnn.training.records import StepResult
from gpucnn.training.rollback import undone_if_it_fails


@dataclass(frozen=True)
class Step:
    """A network with everything that a training step needs except the minibatch."""

    net: Module
    optimizer: optim.Optimizer
    loss: Loss
    clip_norm: float | None = None
    clip_value: float | None = None
    average: Average | None = None  # of the weights after every update

    @np.errstate(all="ignore")  # overflow shows in the loss, which the trainer reports with its place and remedy
    def __call__(self, batch: Batch, lr: float) -> StepResult:
        """Update the weights by one minibatch at learning rate `lr`; the result is from before the update.

        If the loss is not finite nothing is updated, so that the cause can still be found.
        """
        with one_blas_thread():
            self.optimizer.zero_grad()
            output, loss = forward(self.net, self.loss, batch)
            result = measure(self.loss, batch, output, loss)
            if math.isfinite(result.loss):
                loss.backward()
                self.update(lr)
        return result

    def update(self, lr: float) -> None:
        """Clip the gradients, and update the weights by them at learning rate `lr`."""
        self.clip()
        self.optimizer.lr = lr
        self.optimizer.step()
        if self.average is not None:
            self.average.update()

    def clip(self) -> None:
        """Clip the gradients by value, then by norm, as configured."""
        if self.clip_value is not None:
            optim.clip_grad_value_(self.net.parameters(), self.clip_value)
        if self.clip_norm is not None:
            optim.clip_norm(self.net.parameters(), self.clip_norm)


@dataclass(frozen=True)
class HostSteps:
    """Steps one by one, on batches that come from the host."""

    step: Step
    batches: Batches

    def results(self, epoch: int, first: int, lr: Callable[[int], float]) -> Iterator[list[StepResult]]:
        """Train on the epoch's batches from number `first` on at learning rates lr(number); yield one result each."""
        buffers = list(self.step.net.buffers())
        for number, batch in enumerate(self.batches.batches(epoch, first), first):
            with undone_if_it_fails(buffers):
                result = self.step(batch, lr(number))
            yield [result]


def forward(net: Callable[[Tensor], Tensor], loss: Loss, batch: Batch) -> tuple[Tensor, Tensor]:
    """The network's output (N, C, ...) for a minibatch, and its loss. Raises ShapeError for one of another shape."""
    output = net(Tensor.from_batch_last(to_device(batch.images)))
    check_answers(output, batch.labels)
    if isinstance(batch.labels, np.ndarray) and module_of(output.memory) is not np:  # reading them there would stop it
        check_labels(batch.labels, output, loss)
    value = loss(output, to_device(batch.labels))
    if not isinstance(value, Tensor) or value.size != 1:
        raise ShapeError(f"the loss returned {value!r:.80}; expected a Tensor of one number, computed from the output")
    return output, value


def check_labels(labels: np.ndarray, output: Tensor, loss: Loss) -> None:
    """Raise InputError for a class number (N, ...), on the host, that names no column of an output (N, C, ...).

    That which the loss ignores is none.
    """
    if labels.ndim < output.ndim and labels.dtype.kind in "iu":
        labels = labels[labels != getattr(loss, "ignore_index", None)]
        kernels_of(type(labels)).softmax.check_labels(labels, output.shape[1])


def measure(loss: Loss, batch: Batch, output: Tensor, value: Tensor) -> StepResult:
    """The loss `value` per image, and how many images `output` (N, C) classifies correctly."""
    images = len(batch.labels)
    return StepResult(images, value.item() / (images if is_sum(loss) else 1), count_right(output, batch.labels))
