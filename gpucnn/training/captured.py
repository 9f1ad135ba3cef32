"""Training with captured steps: one is captured and run again for each batch; the host reads results now and then.

On a GPU it is captured as a CUDA graph, on a CPU as a program of the C kernels.
"""

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpucnn.backend import Array, device, to_device, to_host
from gpucnn.data.loader import Batch, Loader
from gpucnn.data.resident import Resident
from gpucnn.generators import drawing_from
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import CaptureError
from gpucnn.tensor import Tensor
from gpucnn.training.accumulation import combined, part_sizes, weigh
from gpucnn.training.capturable import Snapshot, arrays_of
from gpucnn.training.capturing import WARM_UP, Capturing, Cpu, Gpu
from gpucnn.training.class_numbers import class_numbers
from gpucnn.training.interruption import Interruption
from gpucnn.training.losses import is_sum
from gpucnn.training.records import StepResult
from gpucnn.training.step import HostSteps, Step, check_labels, forward

MOST_STEPS = 512  # between two reads of the results
LOOK_SECONDS = 0.25  # between two reads, about: how long the progress bar and Ctrl-C may wait


class CapturedSteps:
    """Steps over the batches of a loader whose data set lies on the device.

    The images, the learning rate and, on a GPU, the seed of dropout, which differ from step to step, are read from
    tables there. A loss that is not finite halts the updates until the host reads it. With `capturing` False, or if a
    step cannot be captured, every kernel of a step is launched by itself: on a GPU with one warning, on a CPU as
    HostSteps does it. The kernels of a GPU are compiled and loaded here, before the first step.
    """

    def __init__(
        self, step: Step, loader: Loader, capturing: bool = True, part: Callable[[int], slice] = slice
    ) -> None:
        xp, groups = device().xp, len(step.optimizer.param_groups) + (step.average is not None)
        self._step, self._loader, self._capturing, self._part = step, loader, capturing, part
        self._device: Capturing = Cpu() if xp is np else Gpu(loader.dtype)
        self._data, self._batches = Resident(loader, part), len(loader)
        self._labels = np.unique(loader.labels) if loader.labels.ndim == 1 else loader.labels
        self._integers = xp.zeros((MOST_STEPS, 2), np.int64)  # the row a batch starts at, and a seed
        self._numbers = xp.zeros((MOST_STEPS, groups, 3))  # the optimizer's rates
        self._now = xp.zeros(4, np.int64)  # of the step under way: start, seed, number; and the next one's number
        self._rates = xp.zeros((groups, 4))  # of the step under way; and whether to halt
        self._parts = getattr(step, "accumulate", 1)  # of a batch, at most, whose losses are noted
        self._losses, self._corrects = xp.zeros(MOST_STEPS * self._parts), xp.zeros(MOST_STEPS * self._parts, np.int64)
        self._noted = xp.zeros(1, np.int64)  # how many losses are noted
        self._seen: Counter[int] = Counter()
        self._replays: dict[int, Callable[..., Any]] = {}
        self._snapshot: Snapshot | None = None  # of what the replays were captured from, on a CPU
        self.reason = self._device.why_not(step, loader) if capturing else "capture is off"  # why they are not captured
        self._most = min(MOST_STEPS, WARM_UP + 1)  # steps until the next look

    def results(self, epoch: int, first: int, lr: Callable[[int], float]) -> Iterator[list[StepResult]]:
        """Train on the epoch's batches from number `first` on at learning rates lr(number), yielding results in lists.

        If a loss is not finite, its step is the last of its list. Ctrl-C takes effect after the list's steps.
        """
        while first < self._batches and self._can_capture():
            began, done, interrupted = time.perf_counter(), None, False
            try:
                with Interruption(), self._device:
                    done = self._run(epoch, first, lr)
            except KeyboardInterrupt:
                if done is None:
                    raise
                interrupted = True
            self._most = _steps_until_look(len(done), self._agreed(time.perf_counter() - began))
            first += len(done)
            if done:
                yield done
            if interrupted:
                raise KeyboardInterrupt
        if first < self._batches:
            yield from self._one_by_one(epoch, first, lr)

    def _one_by_one(self, epoch: int, first: int, lr: Callable[[int], float]) -> Iterator[list[StepResult]]:
        """The same results where steps cannot be captured."""
        return HostSteps(self._step, self._loader).results(epoch, first, lr)

    def _agreed(self, seconds: float) -> float:
        """How long steps took."""
        return seconds

    def _can_capture(self) -> bool:
        """Whether to go on here. What changed since the last time is noted first."""
        now = self._device.snapshot(self._step)
        if self._snapshot != now:
            self.forget()
            self._snapshot, self.reason = now, self._device.why_not(self._step, self._loader)
            self._capturing = self.reason is None
        return self._capturing or self._device.launches_singly

    def _run(self, epoch: int, first: int, lr: Callable[[int], float]) -> list[StepResult]:
        """Launch some steps, and read their results."""
        starts, sizes = self._data.lay_out(epoch, first, self._most)
        steps = len(starts)
        self._numbers[:steps] = to_device(self._plan([lr(first + i) for i in range(steps)]))
        self._integers[:steps] = to_device(np.column_stack([starts, self._device.seeds(steps)]))
        for table in (self._now, self._noted, self._rates, self._halts()):
            table.fill(0)
        done = 0
        for images, alike in itertools.groupby(sizes):
            times = len(list(alike))
            launched = self._launch(images, times)
            done += launched
            if launched < times or self._device.has_halted(self._rates):
                break
        return self._look(sizes[:done])

    def _plan(self, lrs: list[float]) -> np.ndarray:
        """The step scales of the optimizer's groups and, in a last row, of the average (steps, groups, 3)."""
        rows, average = self._step.optimizer.plan(lrs), self._step.average
        return rows if average is None else np.concatenate([rows, average.plan(len(lrs))], axis=1)

    def _launch(self, images: int, times: int) -> int:
        """Launch so many steps on batches of `images`, captured if they can be; returns how many were launched.

        Fewer are where a step could not be captured on a CPU: HostSteps is to do it.
        """
        left = times
        while left and images not in self._replays:
            if self._capturing and self._seen[images] >= self._device.warm_up:
                left -= self._capture(images)
                if not self._capturing and not self._device.launches_singly:
                    return times - left
            else:
                self._work(images)
                left -= 1
            self._seen[images] += 1
        if left and not self._device.has_halted(self._rates):
            self._device.repeat(self._replays[images], left, self._rates[0, 3:4])
        return times

    def forget(self) -> None:
        """Free the memory of the captured steps; later steps are captured again."""
        self._replays.clear()

    def _capture(self, images: int) -> int:
        """Capture a step; returns how often it ran meanwhile."""
        known = itertools.chain(arrays_of(self._step), self._data.arrays(), self._tables())
        try:
            self._replays[images] = self._device.capture(lambda: self._work(images), known, self._step)
        except CaptureError as error:
            self._capturing, self.reason = False, str(error)
            self._device.report(error)
            return 0
        return self._device.runs_while_captured

    def _tables(self) -> Sequence[Array]:
        """What a step reads and writes beside the network, the optimizer and the data."""
        return self._integers, self._numbers, self._now, self._noted, self._rates, self._losses, self._corrects

    def _work(self, images: int) -> None:
        """Launch the kernels of one step on a batch of `images`."""
        step, kernels = self._step, kernels_of(type(self._now))
        with drawing_from(self._now[1:2]):
            kernels.step.begin(self._integers, self._numbers, self._now, self._rates)
            step.optimizer.zero_grad()
            sizes = self._part_sizes(images)
            for number, size in enumerate(sizes):
                self._one_part(size, self._now[2:3] if self._parts == 1 else self._noted)
                weigh(step, sizes, number)
                if self._parts > 1:
                    kernels.step.count(self._now[:1], size)  # where the next part starts
                    kernels.step.count(self._noted)
            step.clip()
            step.optimizer.step(self._rates)
            if step.average is not None:
                step.average.add(self._rates[-1])

    def _one_part(self, images: int, place: Array) -> None:
        """Forward, loss and backward of the next `images`, and notes at `place`, (1,) on the device."""
        step = self._step
        batch = self._data.take(self._now[:1], images)
        output, loss = forward(step.net, step.loss, batch)
        check_labels(self._labels, output, step.loss)
        scores = output.memory if output.batch_last else output.memory.T  # (C, N)
        noted = (place, self._losses, self._corrects, self._halts())
        kernels_of(type(scores)).softmax.tally(scores, class_numbers(batch.labels), loss.memory, *noted)
        self._backward(loss, batch, images)

    def _part_sizes(self, images: int) -> list[int]:
        """How many images each part of a batch has whose gradients are computed by themselves."""
        return part_sizes(self._step, images)

    def _halts(self) -> Array:
        """Where a loss that is not finite is noted: rows like those of the rates."""
        return self._rates

    def _backward(self, loss: Tensor, batch: Batch, images: int) -> None:
        """Compute the gradients by the loss of a batch of `images`."""
        loss.backward()

    def _look(self, sizes: list[int]) -> list[StepResult]:
        """Wait for the steps, and read their results up to the first whose loss is not finite."""
        results = self._results_of(sizes)
        good = next((i for i, result in enumerate(results) if not math.isfinite(result.loss)), len(results))
        self._step.optimizer.count(good)
        if self._step.average is not None:
            self._step.average.counted(good)
        return results[: good + 1]

    def _results_of(self, sizes: list[int]) -> list[StepResult]:
        """The results of steps on batches of so many images, as they were noted."""
        parts = [self._part_sizes(len(range(images)[self._part(images)])) for images in sizes]
        count = sum(map(len, parts))
        rows = zip(to_host(self._losses[:count]).tolist(), to_host(self._corrects[:count]).tolist(), strict=True)
        return [combined([self._result(images, *next(rows)) for images in each]) for each in parts]

    def _result(self, images: int, loss: float, correct: int) -> StepResult:
        return StepResult(images, loss / (images if is_sum(self._step.loss) else 1), correct)


def _steps_until_look(steps: int, seconds: float) -> int:
    """How many steps take LOOK_SECONDS at the pace of these; at most twice as many as these."""
    return max(1, min(MOST_STEPS, 2 * steps, int(steps * LOOK_SECONDS / seconds)))
