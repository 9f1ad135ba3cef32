"""Training with captured steps: one is captured and run again for each batch; the host reads results now and then.

On a GPU it is captured as a CUDA graph, on a CPU as a program of the C kernels.
"""

import itertools
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gpucnn.backend import Array, device, load_cupy, to_device, to_host
from gpucnn.data.loader import Batch, Loader
from gpucnn.data.resident import Resident
from gpucnn.generators import drawing_from, generator
from gpucnn.kernels.c import capture as c_capture
from gpucnn.kernels.cuda import capture as cuda_capture
from gpucnn.kernels.cuda import program
from gpucnn.kernels.cuda.capture import new_stream
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import CaptureError
from gpucnn.tensor import Tensor
from gpucnn.training.accumulation import combined, part_sizes, weigh
from gpucnn.training.answers import class_numbers
from gpucnn.training.capturable import Snapshot, arrays_of, why_not
from gpucnn.training.interruption import Interruption
from gpucnn.training.losses import is_sum
from gpucnn.training.records import StepResult
from gpucnn.training.rollback import undone_if_it_fails
from gpucnn.training.step import HostSteps, Step, check_labels, forward

WARM_UP = 2  # steps of one shape before it is captured: they compile the kernels
MOST_STEPS = 512  # between two reads of the results
LOOK_SECONDS = 0.25  # between two reads, about: how long the progress bar and Ctrl-C may wait
SEEDS = 2**63


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
        self._device: _Gpu | _Cpu = _Cpu() if xp is np else _Gpu(loader.dtype)
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
        """Whether to go on here. On a CPU, what changed since the last time is noted first."""
        if isinstance(self._device, _Gpu):
            return True
        now = Snapshot(self._step)
        if self._snapshot != now:
            self.forget()
            self._snapshot, self._capturing = now, why_not(self._step, self._loader) is None
        return self._capturing

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
                if not self._capturing and isinstance(self._device, _Cpu):
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
            self._capturing = False
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


class _Gpu:
    """Captures steps as CUDA graphs, after some that compile kernels; they run on a stream of their own inside it."""

    warm_up, runs_while_captured = WARM_UP, 0

    def __init__(self, dtype: str) -> None:
        self._stream = new_stream()
        program.load_all(dtype)
        load_cupy().ones((), dtype)  # as backward passes begin: CuPy compiles what fills it

    def __enter__(self) -> None:
        load_cupy().cuda.get_current_stream().synchronize()  # so that work on other streams is complete
        self._stream.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._stream.__exit__(*failure)

    def seeds(self, steps: int) -> np.ndarray:
        """For each step the seed of its random numbers."""
        return generator().integers(SEEDS, size=steps)

    def capture(self, work: Callable[[], None], known: Iterable[Array], step: Step) -> Callable[[], None]:
        """The step that `work` makes, captured, but not run. Raises CaptureError."""
        load_cupy().get_default_memory_pool().free_all_blocks()  # of the steps before: a graph has memory of its own
        return cuda_capture.capture(work, self._stream)

    def report(self, error: CaptureError) -> None:
        """Say once that steps cannot be captured."""
        warnings.warn(
            f"a training step on the GPU is launched piece by piece, since it cannot be captured ({error})",
            stacklevel=4,
        )

    def repeat(self, replay: Callable[[], None], times: int, halt: Array) -> None:
        """Launch a captured step so many times: where halted, updates do nothing."""
        for _ in range(times):
            replay()

    def has_halted(self, rates: Array) -> bool:
        """False: reading it would make the host wait."""
        return False


class _Cpu:
    """Captures steps as programs; the first of a shape runs while it is captured."""

    warm_up, runs_while_captured = 0, 1

    def __init__(self) -> None:
        self._memory = c_capture.Memory()  # of the programs of all shapes, of which one runs at a time

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, *failure: Any) -> None:
        """Nothing."""

    def seeds(self, steps: int) -> np.ndarray:
        """None: random numbers are drawn from the process's generator."""
        return np.zeros(steps, np.int64)

    def capture(self, work: Callable[[], None], known: Iterable[Array], step: Step) -> Callable[..., Any]:
        """The step that `work` makes, run and captured. Raises CaptureError; then the step is undone."""
        with undone_if_it_fails(list(step.net.buffers())):
            return c_capture.capture(work, known, self._memory)

    def report(self, error: CaptureError) -> None:
        """Nothing: steps one by one are as right."""

    def repeat(self, replay: Callable[..., Any], times: int, halt: Array) -> None:
        """Run a captured step so many times, or until halted."""
        replay(times, halt)

    def has_halted(self, rates: Array) -> bool:
        """Whether a loss was not finite: no step is to run after it."""
        return bool(rates[0, 3])


def _steps_until_look(steps: int, seconds: float) -> int:
    """How many steps take LOOK_SECONDS at the pace of these; at most twice as many as these."""
    return max(1, min(MOST_STEPS, 2 * steps, int(steps * LOOK_SECONDS / seconds)))
