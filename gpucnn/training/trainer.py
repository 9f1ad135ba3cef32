"""The training loop: minibatches, epochs, validation, early stopping. It can stop anywhere and resume."""

import html
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gpucnn import backend, generators, optim
from gpucnn.backend import to_host
from gpucnn.data.loader import Batch, Batches, Data, Loader, as_batches
from gpucnn.errors import CheckpointError, ConfigError, InputError, TrainingError
from gpucnn.nn import Module
from gpucnn.optim.schedules import Monitored
from gpucnn.parallel import ALONE, Communicator
from gpucnn.training.accumulation import AccumulatingStep, check_accumulate, joined
from gpucnn.training.averages import EMA, SWA, Average
from gpucnn.training.captured import CapturedSteps
from gpucnn.training.checkpoint import AVERAGE, MODEL, OPTIMIZER, State, check_tensors
from gpucnn.training.diagnosis import first_not_finite
from gpucnn.training.early_stop import EarlyStop
from gpucnn.training.evaluation import (
    BATCH_SIZE,
    Answers,
    Evaluation,
    Scores,
    dtype_of,
    evaluate,
    evaluate_batch,
    evaluating,
    predict,
)
from gpucnn.training.given import (
    Metrics,
    as_images,
    check_monitored,
    check_optimizer,
    check_shareable,
    labels_of,
    measured,
)
from gpucnn.training.inference import CapturedNetwork
from gpucnn.training.inputs import Inputs
from gpucnn.training.interruption import Interruption
from gpucnn.training.kinds import Kind, kind_of
from gpucnn.training.losses import CrossEntropy, Loss
from gpucnn.training.memory import out_of_memory
from gpucnn.training.progress import Progress, describe
from gpucnn.training.records import BatchRecord, EpochRecord, StepResult
from gpucnn.training.shares import Shares
from gpucnn.training.state import Tally, TrainState
from gpucnn.training.step import Step
from gpucnn.training.steps import Steps, steps_over, why_one_by_one

TRAIN_STATE = "position"  # its name in a checkpoint, since version 0.1.0
Record = BatchRecord | EpochRecord


class Trainer:
    """Trains `net` with `optimizer`.

    `loss` maps (output (N, C), labels (N,) or rows (N, C)) to a scalar: a member of `LOSSES`, a function of
    `functional`, or your own; cross-entropy by default. Reported losses are means per image even if `loss` sums, which
    its attribute `reduction` (or functools.partial's keyword) says. `schedule`, a member of optim.SCHEDULES, multiplies
    the optimizer's learning rate. Gradients are clipped first by value (`clip_value`), then by norm (`clip_norm`).

    `accumulate` minibatches are one batch, and one update: their gradients are computed one after the other, and are
    those of the mean over all their images. Steps, records and the schedule count updates.
    `average`, a member of `AVERAGES`, averages the weights: `evaluated`, the network of the average, is validated, and
    `evaluate` and `predict` use it, while `net` keeps the weights that are trained.

    `metrics` are functions of (outputs (N, C), labels), arrays of all validation images, that return a number: after
    each epoch they are in `EpochRecord.metrics`. `history` keeps the records of all epochs.

    A step is captured once and run again for each batch, unless the data is float64 or of a class of your own. On a CPU
    that needs a network, loss and optimizer of gpucnn's own, and never changes a result. On a GPU Python code of a
    network runs only when it is captured: for one whose forward changes from step to step, set `capture` to False.

    The processes of `communicator` (see `parallel.start`) each make such a trainer, of the same network and data, and
    call its methods alike: each computes its share of every batch, and all have the same weights and records.
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
        metrics: Metrics | None = None,
        communicator: Communicator = ALONE,
        accumulate: int = 1,
        average: EMA | SWA | None = None,
    ) -> None:
        check_optimizer(net, optimizer)
        self.metrics: Metrics = metrics or {}
        self.history: list[EpochRecord] = []  # of every epoch that was trained, over all calls of fit and run
        self.net = net
        self.optimizer = optimizer
        self.loss: Loss = CrossEntropy() if loss is None else loss
        self.schedule = schedule
        self.early_stop = early_stop
        self.capture = capture
        self.train_state = TrainState()
        self.on_outputs: Callable[[int, np.ndarray], object] | None = None  # see `_validate`
        self.settled = True  # whether state() is safe to save: every record of it has been yielded
        self._trained_on: Batches | None = None
        self._steps: Steps | None = None
        self._inputs: Inputs | None = None  # the range of its images, determined when needed
        self._kind: Kind | None = "classes"  # what labels are: classes have an accuracy
        self._scores: Scores | None = None  # of the epoch under way, where labels are no classes
        self._measured: dict[str, float] = {}  # the metrics of the epoch under way
        self._shares = Shares(communicator)
        self.average = None if average is None else Average(net, optimizer, average)
        own = (
            net,
            optimizer,
            self.loss,
            clip_norm,
            clip_value,
            self.average if average and average.each_update else None,
        )
        self.accumulate = check_accumulate(accumulate)
        self._step = Step(*own) if accumulate == 1 else AccumulatingStep(*own, accumulate)

    def fit(
        self,
        train: Data,
        validation: Data | None = None,
        epochs: int = 1,
        batch_size: int = 64,
        seed: int = 0,
        on_record: Callable[[Record], object] | None = None,
        more_epochs: int | None = None,
    ) -> list[EpochRecord]:
        """Train until `epochs` epochs are done, or `more_epochs` more, and return their records. See `run`.

        Shows a progress bar on a terminal, and calls `on_record` with every BatchRecord and EpochRecord. After Ctrl-C
        the step under way is finished first: `fit` called again goes on as if it had not been interrupted. Raises
        InputError as `run` does, and if those epochs are done already.
        """
        epochs = epochs if more_epochs is None else self.train_state.epoch + more_epochs
        if self.train_state.epoch >= epochs:
            raise InputError(
                f"epochs is {epochs}, and {self.train_state.epoch} are done; epochs counts from the trainer's "
                "creation: give more, or say more_epochs=1"
            )
        with Progress() as progress, Interruption() as interruption:
            records = []
            for record in self.run(train, validation, epochs, batch_size, seed):
                progress(record)
                if on_record is not None:
                    on_record(record)
                if isinstance(record, EpochRecord):
                    records.append(record)
                if self.interrupted(interruption) and self.settled:
                    break
        return records

    def __repr__(self) -> str:
        state, last = self.train_state, f": {describe(self.history[-1])}" if self.history else ""
        return f"Trainer({type(self.net).__name__}, {type(self.optimizer).__name__}, {state.epoch} epochs{last})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(chr(10).join([repr(self), *map(describe, self.history)]))}</pre>"

    def run(
        self, train: Data, validation: Data | None = None, epochs: int = 1, batch_size: int = 64, seed: int = 0
    ) -> Iterator[Record]:
        """Train, yielding a record after each training minibatch, each validation minibatch and each epoch.

        `epochs` counts from the trainer's creation: after `fit(epochs=5)`, `epochs=8` trains three more. `train` and
        `validation` are each a data.Loader, a Dataset, (images, labels), or what yields batches (see data.Batches). A
        Dataset and arrays are cut into batches of `batch_size` images, and `train` is shuffled in each epoch by `seed`.
        After a record with `settled` true, `state()` may be saved to resume from; in between, where steps are captured,
        it is ahead of the records.

        Raises InputError for options or data that cannot be trained on; TrainingError, during training, if a loss is
        not finite.
        """
        self.take_first()
        batches = self.batches_of(train, batch_size, seed)
        self._trained_on, self._inputs = batches, None
        held_out = None if validation is None else self._seen(validation, batch_size)
        self._check(epochs, len(batches), held_out)
        labels = labels_of(batches)
        self._kind = "classes" if labels is None else kind_of(self.loss, labels)
        check_shareable(self.loss, self.processes, self.accumulate)
        check_monitored(self._kind, early_stop=self.early_stop, plateau=self.schedule)
        self.train_state.steps_per_epoch = len(batches)
        return self._run(batches, held_out, epochs)

    def batches_of(self, train: Data, batch_size: int, seed: int = 0) -> Batches:
        """What `run` is given to train on, in the batches of its updates."""
        batches = as_batches(train, batch_size, dtype_of(self.net).name, shuffle=True, seed=seed)
        return batches if self.accumulate == 1 else joined(batches, self.accumulate)

    def evaluate(self, data: Data, batch_size: int = BATCH_SIZE) -> Evaluation:
        """Loss, accuracy and figures per class on `data`, the network in evaluation mode.

        After a training a Dataset or arrays are seen as its images were; see `predict`.
        """
        return evaluate(self.evaluated, self._seen(data, batch_size), self.loss, batch_size, self._shares)

    def predict(self, images: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Class probabilities (N, C) of images (N, C, H, W) such as the training was given, of any type and range.

        They are normalised as its images were. Without a training on a Loader, a Dataset or arrays they are taken as
        `training.predict` takes them. Raises DataError for numbers whose range is ambiguous.
        """
        inputs, images = self._training_inputs(), as_images(images)
        if inputs is None or not len(images):
            return predict(self.evaluated, images, batch_size, self._kind)
        return inputs.probabilities(self.evaluated, images, batch_size, self._kind)

    @property
    def evaluated(self) -> Module:
        """The network of the averaged weights, once there are some; else the one that is trained."""
        return self.net if self.average is None or not self.average.count else self.average.averaged

    def _seen(self, data: Data, batch_size: int) -> Batches:
        """`data` in batches, its pixels interpreted as those of the training images."""
        dtype, inputs = dtype_of(self.net).name, self._training_inputs()
        return as_batches(data, batch_size, dtype) if inputs is None else inputs.batches(data, batch_size, dtype)

    def _training_inputs(self) -> Inputs | None:
        if self._inputs is None and isinstance(self._trained_on, Loader):
            self._inputs = Inputs(self._trained_on)
        return self._inputs

    def state(self) -> State:
        """Copies of everything that the next step and the next records depend on."""
        model = {MODEL + name: array for name, array in self.net.state_dict().items()}
        if self.average is not None:
            model |= {AVERAGE + name: array for name, array in self.evaluated.state_dict().items()}
        buffers = {OPTIMIZER + name: np.array(to_host(array)) for name, array in self.optimizer.state_arrays().items()}
        values = {
            TRAIN_STATE: self.train_state.as_dict(),
            "counters": self.optimizer.state_counters(),
            "lr": self.optimizer.lr,
            "generator": generators.generator_state(),
        }
        if self.average is not None:
            values["average"] = {"count": self.average.count, "epoch": self.average.epoch}
        return State({**model, **buffers}, values)

    def load_state(self, state: State) -> None:
        """Continue from a `state()` of a trainer like this one: `run` then yields what that trainer's would have.

        Raises CheckpointError, and changes no array, if the state is damaged or of another network or optimizer.
        """
        own, values = self.state(), state.values
        check_tensors("the state", state.tensors, own.tensors)
        train_state = TrainState.from_dict(values.get(TRAIN_STATE))
        counters = _checked_counters(values.get("counters"), own.values["counters"])
        lr = _checked_rate(values.get("lr"))
        averaged = None if self.average is None else _checked_counters(values.get("average"), own.values["average"])
        try:
            generators.set_generator_state(values["generator"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise CheckpointError("the checkpoint's generator state is damaged") from None
        self.net.load_state_dict(_under(MODEL, state.tensors))
        self.optimizer.load_state(_under(OPTIMIZER, state.tensors), counters)
        self.train_state, self.optimizer.lr = train_state, lr
        if self.average is not None and averaged is not None:
            self.average.averaged.load_state_dict(_under(AVERAGE, state.tensors))
            self.average.count, self.average.epoch = averaged["count"], averaged["epoch"]

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self._shares.communicator.size

    @property
    def rank(self) -> int:
        """This process's number among them."""
        return self._shares.communicator.rank

    def take_first(self) -> None:
        """Continue from the state of rank 0's trainer, as all others do; each process calls this."""
        if self.processes > 1:
            self.load_state(self._shares.communicator.broadcast(self.state()))

    def interrupted(self, interruption: Interruption) -> bool:
        """Whether a process was interrupted: after the same record in all of them."""
        return self._shares.interrupted(interruption)

    # --- the loop -----------------------------------------------------------------------------------------

    def _check(self, epochs: int, steps_per_epoch: int, held_out: Batches | None) -> None:
        state = self.train_state
        if epochs < 1:
            raise InputError(f"epochs is {epochs}; it must be at least 1")
        begun = state.epoch + (state.train.batches > 0)
        if begun > epochs:
            raise InputError(
                f"epochs is {epochs}, but {begun} are done or under way; epochs counts from the beginning: "
                f"give at least {begun}"
            )
        if state.train.batches and state.steps_per_epoch != steps_per_epoch:
            raise CheckpointError(
                f"training stopped within an epoch of {state.steps_per_epoch} minibatches, and the data now make "
                f"{steps_per_epoch}; give the same data and batch_size"
            )
        if self.metrics and held_out is None:
            raise InputError("metrics are measured on validation images, and there are none; give fit some")
        for name, rule in (("early_stop", self.early_stop), ("plateau", self.schedule)):
            if isinstance(rule, Monitored) and rule.needs_validation and held_out is None:
                raise ConfigError(
                    f"{name} monitors {rule.monitor}, but there are no validation images; hold some out "
                    "(data.validation), or monitor train_loss"
                )

    def _run(self, batches: Batches, held_out: Batches | None, epochs: int) -> Iterator[Record]:
        total_steps = epochs * len(batches)
        steps = self.steps_over(batches)
        while self.train_state.epoch < epochs and not self.train_state.stopped:
            yield from self._train_epoch(steps, batches, total_steps)
            self._shares.check_alike(self.optimizer, self.train_state.epoch + 1)
            if self.average is not None:
                self.average.close_epoch(self.train_state.epoch + 1, epochs, batches)
            if held_out is not None:
                yield from self._validate(held_out)
            self.history.append(self._close_epoch(total_steps))
            yield self.history[-1]

    def steps_over(self, batches: Batches) -> Steps:
        """The steps over the batches."""
        self._steps = steps_over(self._step, batches, self._shares, self.capture)
        return self._steps

    @property
    def why_not_captured(self) -> str | None:
        """Why the last training's steps ran one by one, in one line; None where they were captured."""
        return None if self._steps is None else why_one_by_one(self._steps, self._trained_on, self.capture)

    def _train_epoch(self, steps: Steps, batches: Batches, total_steps: int) -> Iterator[BatchRecord]:
        """Train on the epoch's remaining minibatches."""
        state = self.train_state
        self.net.train()
        started = time.perf_counter()
        for results in self._results(steps, batches, total_steps):
            yield from self._records(results, time.perf_counter() - started)
            if not math.isfinite(results[-1].loss):
                batch = next(batches.batches(state.epoch, first=state.train.batches))
                raise self._not_finite("training", state.train, results[-1], batch, self._lr(state.step, total_steps))
            started = time.perf_counter()  # time that the caller takes is not training

    def _results(self, steps: Steps, batches: Batches, total_steps: int) -> Iterator[list[StepResult]]:
        """The results of the steps; where a GPU's memory is too small, the error names a batch size that fits."""
        state = self.train_state
        epoch, before = state.epoch, state.step - state.train.batches  # updates when the epoch began
        try:
            yield from steps.results(epoch, state.train.batches, lambda number: self._lr(before + number, total_steps))
        except MemoryError as error:
            if backend.device().kind == "cpu":
                raise
            if captured := isinstance(steps, CapturedSteps):
                steps.forget()
            batch = next(batches.batches(epoch, first=state.train.batches))
            raise out_of_memory(self._step, batch, captured and self.capture, error) from None

    def _records(self, results: list[StepResult], seconds: float) -> Iterator[BatchRecord]:
        """Count the steps with finite losses, and yield their records."""
        state, records = self.train_state, []
        for result in results:
            if math.isfinite(result.loss):
                state.advance(result, seconds / len(results))
                records.append(self._record("train", state.train, result))
        for yielded, record in enumerate(records, 1):
            self.settled = yielded == len(records)
            yield record

    def _validate(self, batches: Batches) -> Iterator[BatchRecord]:
        """Evaluate the remaining validation minibatches; between them every module is in its own mode.

        `on_outputs` is told each minibatch's number, from 0 on, and the network's outputs (N, C) for this process's
        share of it.
        """
        state, kept = self.train_state, Answers(self.loss, everything=bool(self.metrics))
        keeping = bool(self.metrics) or self._kind not in ("classes", None)
        if keeping:  # all outputs are needed: validation that was interrupted begins anew
            state.validation = Tally()
        net = self.evaluated
        captured = CapturedNetwork(net)
        for share in self._shares.batches(batches, 0, first=state.validation.batches):
            with evaluating(net):
                own, output = evaluate_batch(captured, self.loss, share.batch)
            if self.on_outputs is not None:
                self.on_outputs(state.validation.batches, output)
            result = self._shares.sum(own, share.of)()
            if keeping:
                labels = self._shares.gather(to_host(share.batch.labels), share.of)
                kept.add(labels, self._shares.gather(output, share.of))
            if not math.isfinite(result.loss):
                batch = next(batches.batches(0, first=state.validation.batches))
                with evaluating(net):
                    raise self._not_finite("validation", state.validation, result, batch, self.optimizer.lr)
            state.validation.add(result)
            yield self._record("validation", state.validation, result)

        if keeping:
            self._measured = measured(self.metrics, kept.outputs, kept.labels) if self.metrics else {}
            self._scores = kept.scores if self._kind != "classes" else None

    def _record(self, split: str, tally: Tally, result: StepResult) -> BatchRecord:
        accuracy = result.correct / result.images if self._kind == "classes" else None
        return BatchRecord(split, self.train_state.epoch + 1, tally.batches, result.images, result.loss, accuracy)

    def _close_epoch(self, total_steps: int) -> EpochRecord:
        state, train, validation = self.train_state, self.train_state.train, self.train_state.validation
        classes, scores = self._kind == "classes", self._scores
        record = EpochRecord(
            epoch=state.epoch + 1,
            train_loss=train.loss,
            train_accuracy=train.accuracy if classes else None,
            validation_loss=validation.loss if validation.images else None,
            validation_accuracy=validation.accuracy if validation.images and classes else None,
            lr=self._lr(state.step - 1, total_steps),
            seconds=state.seconds,
            images_per_second=train.images / state.seconds,
            metrics=self._measured,
            validation_score=None if scores is None else scores.score,
            scores={} if scores is None else scores.of_epoch(getattr(self._trained_on, "names", None)),
        )
        state.close_epoch(record, self.early_stop)
        if isinstance(self.schedule, optim.Plateau):
            state.lower(self.schedule, record)
        return record

    def _lr(self, step: int, total_steps: int) -> float:
        """The learning rate of update number `step`, from 0 on."""
        if self.schedule is None:
            return self.optimizer.lr
        state = self.train_state
        factor = self.schedule.factor(step, total_steps, state.steps_per_epoch) * state.lowered
        return self.optimizer.base_lr * factor

    def _not_finite(self, part: str, tally: Tally, result: StepResult, batch: Batch, lr: float) -> TrainingError:
        where = "".join(f" in {self._shares.communicator.name(rank)}" for rank in result.where[:1])
        return TrainingError(
            f"the {part} loss of epoch {self.train_state.epoch + 1}, step {tally.batches + 1} is {result.loss}{where} "
            f"(learning rate {lr:g}): {first_not_finite(self.net, batch)}. Lower the learning rate (optimizer.lr), or "
            "clip the gradients (clip_norm)"
        )


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
