"""The training loop: minibatches, epochs, validation, early stopping; it can stop anywhere and go on."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gpucnn import backend, generators, optim
from gpucnn.backend import to_host
from gpucnn.data.loader import Batch, Batches, Data, Loader, as_batches
from gpucnn.data.resident import can_reside
from gpucnn.errors import CheckpointError, ConfigError, InputError, TrainingError
from gpucnn.kernels import choice
from gpucnn.nn import Module
from gpucnn.training.captured import CapturedSteps
from gpucnn.training.checkpoint import MODEL, OPTIMIZER, State, check_tensors
from gpucnn.training.diagnosis import first_not_finite
from gpucnn.training.evaluation import BATCH_SIZE, Evaluation, dtype_of, evaluate, evaluate_batch, evaluating, predict
from gpucnn.training.losses import CrossEntropy, Loss
from gpucnn.training.progress import Progress
from gpucnn.training.records import BatchRecord, EpochRecord, StepResult
from gpucnn.training.state import EarlyStop, Tally, TrainState
from gpucnn.training.step import HostSteps, Step

Record = BatchRecord | EpochRecord


class Trainer:
    """Trains `net` with `optimizer`.

    `loss` maps (output (N, C), labels (N,) or rows (N, C)) to a number: a member of `LOSSES`, a function of
    `functional`, or one's own. Reported losses are means per image also where `loss` is a sum, which an
    attribute `reduction` (or functools.partial's keyword) of it tells. `schedule` (a member of
    optim.SCHEDULES) multiplies the optimizer's learning rate; gradients are clipped by value, then by norm,
    where `clip_value` and `clip_norm` say so.

    On a GPU a step is captured and launched again, unless the data is float64 or of a class of your own: whatever
    Python does in it, it does once. For a network that takes another way from step to step by itself, set `capture` to
    False.
    """

    def __init__(
        self,
        net: Module,
        optimizer: optim.Optimizer,
        loss: Loss | None = None,
        schedule: optim.Schedule | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        early_stop: EarlyStop | None = None,
        capture: bool = True,
    ) -> None:
        self.net = net
        self.optimizer = optimizer
        self.loss: Loss = CrossEntropy() if loss is None else loss
        self.schedule = schedule
        self.early_stop = early_stop
        self.capture = capture
        self.position = TrainState()
        self.settled = True  # whether every record of what was done has come out
        self._step = Step(net, optimizer, self.loss, clip_norm, clip_value)

    def fit(
        self, train: Data, validation: Data | None = None, epochs: int = 1, batch_size: int = 64, seed: int = 0
    ) -> list[EpochRecord]:
        """Train until `epochs` epochs are done, and return what they came to. See `run`.

        A terminal sees a progress bar. Raises InputError as `run` does, and where those epochs are done
        already.
        """
        if self.position.epoch >= epochs:
            raise InputError(
                f"epochs is {epochs}, and {self.position.epoch} are done; epochs counts from the trainer's beginning: "
                "give more"
            )
        with Progress() as progress:
            records = []
            for record in self.run(train, validation, epochs, batch_size, seed):
                progress(record)
                if isinstance(record, EpochRecord):
                    records.append(record)
        return records

    def run(
        self, train: Data, validation: Data | None = None, epochs: int = 1, batch_size: int = 64, seed: int = 0
    ) -> Iterator[Record]:
        """Train, and yield a record after each minibatch, validation's after the epoch's, and after each epoch.

        `epochs` counts from the trainer's beginning: after `fit(epochs=5)`, `epochs=8` trains three more.
        `train` and `validation` are each a data.Loader, a Dataset or (images, labels); the last two are cut
        into `batch_size`, and `train` is shuffled anew in each epoch, by `seed`. Whenever a record comes
        out and none that belongs to it is still to come (`settled`), `state()` is that to go on from.

        Raises InputError for what cannot be trained; TrainingError, while it runs, where a loss is not
        finite.
        """
        dtype = dtype_of(self.net).name
        batches = as_batches(train, batch_size, dtype, shuffle=True, seed=seed)
        held_out = None if validation is None else as_batches(validation, batch_size, dtype)
        self._check(epochs, len(batches), held_out)
        self.position.steps_per_epoch = len(batches)
        return self._run(batches, held_out, epochs)

    def evaluate(self, data: Data, batch_size: int = BATCH_SIZE) -> Evaluation:
        """The network's figures on `data`, in evaluation mode."""
        return evaluate(self.net, data, self.loss, batch_size)

    def predict(self, images: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Probabilities (N, C) of images (N, C, H, W) as the network was trained on them: normalised."""
        return predict(self.net, images, batch_size)

    def state(self) -> State:
        """Copies of all that the next step depends on, and of what the records report."""
        model = {MODEL + name: array for name, array in self.net.state_dict().items()}
        buffers = {OPTIMIZER + name: np.array(to_host(array)) for name, array in self.optimizer.state_arrays().items()}
        values = {
            "position": self.position.as_dict(),
            "counters": self.optimizer.state_counters(),
            "lr": self.optimizer.lr,
            "generator": generators.generator_state(),
        }
        return State({**model, **buffers}, values)

    def load_state(self, state: State) -> None:
        """Go on from a `state()` of a trainer like this one: `run` then yields what that one's would have.

        Raises CheckpointError where it is another network's or optimizer's, or damaged; the arrays are
        unchanged then.
        """
        own, values = self.state(), state.values
        check_tensors("the state", state.tensors, own.tensors)
        position = TrainState.from_dict(values.get("position"))
        counters = _checked_counters(values.get("counters"), own.values["counters"])
        lr = _checked_rate(values.get("lr"))
        try:
            generators.set_generator_state(values["generator"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise CheckpointError("the checkpoint's generator state is damaged") from None
        self.net.load_state_dict(_under(MODEL, state.tensors))
        self.optimizer.load_state(_under(OPTIMIZER, state.tensors), counters)
        self.position, self.optimizer.lr = position, lr

    # --- the loop -----------------------------------------------------------------------------------------

    def _check(self, epochs: int, steps_per_epoch: int, held_out: Batches | None) -> None:
        position = self.position
        if epochs < 1:
            raise InputError(f"epochs is {epochs}; it must be at least 1")
        begun = position.epoch + (position.train.batches > 0)
        if begun > epochs:
            raise InputError(
                f"epochs is {epochs}, but {begun} are done or under way; epochs counts from the beginning: "
                f"give at least {begun}"
            )
        if position.train.batches and position.steps_per_epoch != steps_per_epoch:
            raise CheckpointError(
                f"training stopped within an epoch of {position.steps_per_epoch} minibatches, and the data now make "
                f"{steps_per_epoch}; give the same data and batch_size"
            )
        if self.early_stop is not None and self.early_stop.needs_validation and held_out is None:
            raise ConfigError(
                f"early_stop monitors {self.early_stop.monitor}, but there are no validation images; hold some out "
                "(data.validation), or monitor train_loss"
            )

    def _run(self, batches: Batches, held_out: Batches | None, epochs: int) -> Iterator[Record]:
        total_steps = epochs * len(batches)
        steps = self._steps(batches)
        while self.position.epoch < epochs and not self.position.stopped:
            yield from self._train_epoch(steps, batches, total_steps)
            if held_out is not None:
                yield from self._validate(held_out)
            yield self._close_epoch(total_steps)

    def _steps(self, batches: Batches) -> HostSteps | CapturedSteps:
        """How to train on the batches: on a GPU those of a Loader lie there, others come from the host one by one."""
        on_gpu = backend.device().kind == "cuda" and choice.asked() != "numpy"
        if on_gpu and isinstance(batches, Loader) and can_reside(batches):
            return CapturedSteps(self._step, batches, self.capture)
        return HostSteps(self._step, batches)

    def _train_epoch(
        self, steps: HostSteps | CapturedSteps, batches: Batches, total_steps: int
    ) -> Iterator[BatchRecord]:
        """What is left of the epoch's minibatches."""
        position = self.position
        before = position.step - position.train.batches  # updates when the epoch began
        self.net.train()
        started = time.perf_counter()
        for outcomes in steps.outcomes(
            position.epoch, position.train.batches, lambda number: self._lr(before + number, total_steps)
        ):
            yield from self._told(outcomes, time.perf_counter() - started)
            if not math.isfinite(outcomes[-1].loss):
                batch = next(batches.batches(position.epoch, first=position.train.batches))
                raise self._not_finite(
                    "training", position.train, outcomes[-1], batch, self._lr(position.step, total_steps)
                )
            started = time.perf_counter()  # what the caller did in between is not training

    def _told(self, outcomes: list[StepResult], seconds: float) -> Iterator[BatchRecord]:
        """The records of steps that are done, with finite losses."""
        position, records = self.position, []
        for outcome in outcomes:
            if math.isfinite(outcome.loss):
                position.advance(outcome, seconds / len(outcomes))
                records.append(_record("train", position.epoch, position.train, outcome))
        for told, record in enumerate(records, 1):
            self.settled = told == len(records)
            yield record

    def _validate(self, batches: Batches) -> Iterator[BatchRecord]:
        """What is left of the validation minibatches; between them the network is in its own mode."""
        position = self.position
        for batch in batches.batches(0, first=position.validation.batches):
            with evaluating(self.net):
                outcome, _ = evaluate_batch(self.net, self.loss, batch)
                if not math.isfinite(outcome.loss):
                    raise self._not_finite("validation", position.validation, outcome, batch, self.optimizer.lr)
            position.validation.add(outcome)
            yield _record("validation", position.epoch, position.validation, outcome)

    def _close_epoch(self, total_steps: int) -> EpochRecord:
        position, train, validation = self.position, self.position.train, self.position.validation
        record = EpochRecord(
            epoch=position.epoch + 1,
            train_loss=train.loss,
            train_accuracy=train.accuracy,
            validation_loss=validation.loss if validation.images else None,
            validation_accuracy=validation.accuracy if validation.images else None,
            lr=self._lr(position.step - 1, total_steps),
            seconds=position.seconds,
            images_per_second=train.images / position.seconds,
        )
        position.close_epoch(record)
        if self.early_stop is not None:
            position.stopped = position.waiting.see(self.early_stop, record)
        return record

    def _lr(self, step: int, total_steps: int) -> float:
        """The learning rate of update number `step`, from 0 on."""
        if self.schedule is None:
            return self.optimizer.lr
        return self.optimizer.base_lr * self.schedule.factor(step, total_steps, self.position.steps_per_epoch)

    def _not_finite(self, part: str, tally: Tally, outcome: StepResult, batch: Batch, lr: float) -> TrainingError:
        return TrainingError(
            f"the {part} loss of epoch {self.position.epoch + 1}, step {tally.batches + 1} is {outcome.loss} (learning "
            f"rate {lr:g}): {first_not_finite(self.net, batch)}. Lower the learning rate (optimizer.lr), or clip the "
            "gradients (clip_norm)"
        )


def _record(split: str, epoch: int, tally: Tally, outcome: StepResult) -> BatchRecord:
    accuracy = outcome.correct / outcome.images
    return BatchRecord(split, epoch + 1, tally.batches, outcome.images, outcome.loss, accuracy)


def _under(prefix: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def _checked_counters(given: Any, own: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(given, Mapping) or given.keys() != own.keys():
        raise CheckpointError(f"the checkpoint is of another optimizer: its counters are {given!r:.200}")
    if any(type(count) is not int or count < 0 for count in given.values()):
        raise CheckpointError(f"the checkpoint's optimizer counters are damaged: {given!r:.200}")
    return dict(given)


def _checked_rate(rate: Any) -> float:
    if type(rate) is not float or not 0 <= rate < math.inf:
        raise CheckpointError(f"the checkpoint's learning rate is damaged: {rate!r:.80}")
    return rate
