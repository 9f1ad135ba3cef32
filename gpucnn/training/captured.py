"""Training on a GPU: a step is captured once and replayed, and the host reads the results a few times a second."""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from gpucnn.backend import load_cupy, to_device, to_host
from gpucnn.data.loader import Loader
from gpucnn.data.resident import Resident
from gpucnn.generators import drawing_from, generator
from gpucnn.kernels.cuda import program
from gpucnn.kernels.cuda.capture import CaptureError, capture, new_stream
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.training.losses import is_sum
from gpucnn.training.records import StepResult
from gpucnn.training.step import Step, check_host_labels, class_numbers, forward

WARM_UP = 2  # steps of one shape before it is captured: they compile the kernels
MOST_STEPS = 512  # between two reads of the results
LOOK_SECONDS = 0.25  # between two reads, about: how long the progress bar and Ctrl-C may wait
SEEDS = 2**63


class CapturedSteps:
    """Steps over the batches of a loader whose data set lies on the GPU.

    The images, the learning rate and the seed of dropout, which differ from step to step, are read from tables there.
    A loss that is not finite halts the updates until the host reads it. With `capturing` False, or if a step cannot be
    captured (one warning is given), every kernel of a step is launched by itself. The kernels are compiled and loaded
    here, before the first step.
    """

    def __init__(self, step: Step, loader: Loader, capturing: bool = True) -> None:
        xp, groups = load_cupy(), len(step.optimizer.param_groups)
        self._step, self._capturing = step, capturing
        self._data, self._batches = Resident(loader), len(loader)
        self._labels = np.unique(loader.labels) if loader.labels.ndim == 1 else loader.labels
        self._stream = new_stream()
        self._integers = xp.zeros((MOST_STEPS, 2), np.int64)  # the row a batch starts at, and a seed
        self._numbers = xp.zeros((MOST_STEPS, groups, 3))  # the optimizer's rates
        self._now = xp.zeros(4, np.int64)  # of the step under way: start, seed, number; and the next one's number
        self._rates = xp.zeros((groups, 4))  # of the step under way; and whether to halt
        self._losses, self._corrects = xp.zeros(MOST_STEPS), xp.zeros(MOST_STEPS, np.int64)
        self._seen: Counter[int] = Counter()
        self._replays: dict[int, Callable[[], None]] = {}
        self._most = min(MOST_STEPS, WARM_UP + 1)  # steps until the next look
        program.load_all(loader.dtype)
        xp.ones((), loader.dtype)  # as backward passes begin: CuPy compiles what fills it

    def results(self, epoch: int, first: int, lr: Callable[[int], float]) -> Iterator[list[StepResult]]:
        """Train on the epoch's batches from number `first` on at learning rates lr(number), yielding results in lists.

        If a loss is not finite, its step is the last of its list.
        """
        while first < self._batches:
            load_cupy().cuda.get_current_stream().synchronize()  # so that work on other streams is complete
            began = time.perf_counter()
            with self._stream:
                done = self._run(epoch, first, lr)
            self._most = _steps_until_look(len(done), time.perf_counter() - began)
            first += len(done)
            yield done

    def _run(self, epoch: int, first: int, lr: Callable[[int], float]) -> list[StepResult]:
        """Launch some steps, and read their results."""
        starts, sizes = self._data.lay_out(epoch, first, self._most)
        steps = len(starts)
        self._integers[:steps] = to_device(np.column_stack([starts, generator().integers(SEEDS, size=steps)]))
        self._numbers[:steps] = to_device(self._step.optimizer.plan([lr(first + i) for i in range(steps)]))
        self._now.fill(0)
        self._rates.fill(0)
        for images in sizes:
            self._launch(images)
        return self._look(sizes)

    def _launch(self, images: int) -> None:
        """Launch one step: the captured one if there is one."""
        if images not in self._replays and self._capturing and self._seen[images] >= WARM_UP:
            self._capture(images)
        self._seen[images] += 1
        self._replays.get(images, lambda: self._work(images))()

    def forget(self) -> None:
        """Free the memory of the captured steps; later steps are captured again."""
        self._replays.clear()

    def _capture(self, images: int) -> None:
        load_cupy().get_default_memory_pool().free_all_blocks()  # of the steps before: a graph has memory of its own
        try:
            self._replays[images] = capture(lambda: self._work(images), self._stream)
        except CaptureError as error:
            self._capturing = False
            warnings.warn(
                f"a training step on the GPU is launched piece by piece, since it cannot be captured ({error})",
                stacklevel=2,
            )

    def _work(self, images: int) -> None:
        """Launch the kernels of one step on a batch of `images`."""
        step, kernels = self._step, kernels_of(type(self._now))
        with drawing_from(self._now[1:2]):
            kernels.step.begin(self._integers, self._numbers, self._now, self._rates)
            step.optimizer.zero_grad()
            batch = self._data.take(self._now[:1], images)
            output, loss = forward(step.net, step.loss, batch)
            check_host_labels(self._labels, output)
            scores = output.memory if output.batch_last else output.memory.T  # (C, N)
            noted = (self._now[2:3], self._losses, self._corrects, self._rates)
            kernels.softmax.tally(scores, class_numbers(batch.labels), loss.memory, *noted)
            loss.backward()
            step.clip()
            step.optimizer.step(self._rates)

    def _look(self, sizes: list[int]) -> list[StepResult]:
        """Wait for the steps, and read their results up to the first whose loss is not finite."""
        losses, corrects = to_host(self._losses[: len(sizes)]), to_host(self._corrects[: len(sizes)])
        good = int(np.isfinite(losses).cumprod().sum())
        self._step.optimizer.count(good)
        seen = slice(good + 1)
        per_image = [1 / images if is_sum(self._step.loss) else 1.0 for images in sizes]
        rows = zip(sizes[seen], losses[seen].tolist(), per_image[seen], corrects[seen].tolist(), strict=True)
        return [StepResult(images, loss * share, correct) for images, loss, share, correct in rows]


def _steps_until_look(steps: int, seconds: float) -> int:
    """How many steps take LOOK_SECONDS at the pace of these; at most twice as many as these."""
    return max(1, min(MOST_STEPS, 2 * steps, int(steps * LOOK_SECONDS / seconds)))
