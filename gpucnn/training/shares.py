"""A batch shared between processes: which images are whose, and the results of all of them."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gpucnn.backend import Array, module_of, to_device, to_host
from gpucnn.data.loader import Batch, Batches, Loader
from gpucnn.errors import TrainingError
from gpucnn.optim import Optimizer
from gpucnn.parallel import ALONE, Communicator
from gpucnn.tensor import Tensor
from gpucnn.training.interruption import Interruption
from gpucnn.training.losses import Loss, is_sum
from gpucnn.training.records import StepResult

FEWEST = 2  # images of a share: batch normalisation needs more than one


class Share(NamedTuple):
    """The images of a batch that this process computes: `of` are in the batch."""

    batch: Batch
    of: int


@dataclass
class Shares:
    """How processes share batches. In one process a share is the batch.

    A batch of fewer than two images a process is computed by each of them, all of it.
    """

    communicator: Communicator = ALONE
    _interruption: Interruption | None = None
    any_interrupted: bool = False  # whether any process was, when the last result was summed

    def batches(self, batches: Batches, epoch: int, first: int = 0) -> Iterator[Share]:
        """This process's shares of the batches of an epoch, from number `first` on."""
        if self.communicator.size == 1:
            yield from (Share(batch, len(batch.labels)) for batch in batches.batches(epoch, first))
        elif isinstance(batches, Loader):
            sizes = [len(indices) for indices in batches.indices(epoch)[first:]]
            for size, batch in zip(sizes, batches.batches(epoch, first, self.part), strict=True):
                yield Share(batch, size)
        else:
            for images, labels in batches.batches(epoch, first):
                part = self.part(len(labels))
                mine = Batch(module_of(images).ascontiguousarray(images[..., part]), labels[part])
                yield Share(mine, len(labels))

    def part(self, of: int) -> slice:
        """Which images of a batch of so many are this process's."""
        if self._copies(of) > 1:
            return slice(0, of)
        rank, size = self.communicator.rank, self.communicator.size
        return slice(of * rank // size, of * (rank + 1) // size)

    def among(self, of: int) -> Communicator:
        """The processes that compute the other parts of a batch of so many images."""
        return self.communicator if self._copies(of) == 1 else ALONE

    def weight(self, loss: Loss, images: int, of: int) -> float:
        """The factor of the loss of a share of `images` in the sum that is the whole batch's loss."""
        return (1.0 if is_sum(loss) else images / of) / self._copies(of)

    def sum(self, own: StepResult, of: int, buffers: Sequence[Tensor] = ()) -> Callable[[], StepResult]:
        """Begin to sum the results of all shares of a batch of so many; what is returned waits for the whole batch's.

        Floating buffers, such as running statistics, become their means over the processes.
        """
        if self.communicator.size == 1:
            return lambda: own
        buffers = [buffer for buffer in buffers if buffer.dtype.kind == "f"]
        own_part = np.array([own.loss * own.images, own.images, own.correct]) / self._copies(of)
        stop = self._interruption is not None and self._interruption.requested
        values = [to_host(buffer.memory).ravel() for buffer in buffers]
        bad = np.zeros(self.communicator.size)
        bad[self.communicator.rank] = not math.isfinite(own.loss)
        numbers = np.concatenate([own_part, [stop], bad, *values], dtype=np.float64)
        pending = self.communicator.start_sum(numbers)

        def result() -> StepResult:
            pending.wait()
            [loss, images, correct, stopped], rest = numbers[:4], numbers[4:]
            self.any_interrupted = bool(stopped)
            self.spread(buffers, to_device(rest[len(bad) :]))
            where = tuple(np.flatnonzero(rest[: len(bad)]).tolist())
            return StepResult(round(images), float(loss / of), round(correct), where)

        return result

    def gather(self, array: np.ndarray, of: int) -> np.ndarray:
        """The rows of the whole batch, of the rows (n, ...) of a share."""
        return array if self._copies(of) > 1 else np.concatenate(self.communicator.gather(array))

    def check_alike(self, optimizer: Optimizer, epoch: int) -> None:
        """Raise TrainingError, in every process, where the weights of one are not those of rank 0."""
        if self.communicator.size == 1:
            return
        digest = hashlib.blake2b(digest_size=16)
        for flat in optimizer.flat:
            digest.update(to_host(flat.values).tobytes())
        first, *others = self.communicator.gather(digest.digest())
        for rank, other in enumerate(others, 1):
            if other != first:
                raise TrainingError(
                    f"after epoch {epoch} the weights of {self.communicator.name(rank)} are not those of rank 0: they "
                    "compute different things. The network's forward must take the same way in every process, and all "
                    "need the same libraries and kind of processor"
                )

    def interrupted(self, interruption: Interruption) -> bool:
        """Whether any process was interrupted: as all of them learned it with the last result that was summed."""
        if self.communicator.size == 1:
            return interruption.requested
        self._interruption = interruption
        return self.any_interrupted

    def spread(self, buffers: Sequence[Tensor], sums: Array) -> None:
        """Set the buffers to the means, of sums that lie one behind the other on the device."""
        start = 0
        for buffer in buffers:
            mean = sums[start : start + buffer.size] / self.communicator.size
            buffer.memory[...] = mean.astype(buffer.dtype).reshape(buffer.memory.shape)
            start += buffer.size

    def _copies(self, of: int) -> int:
        return 1 if of >= FEWEST * self.communicator.size else self.communicator.size
