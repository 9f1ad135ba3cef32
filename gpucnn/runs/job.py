"""Training in a run folder: train, log, write checkpoints, evaluate on the test images, write the result."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gpucnn import backend
from gpucnn.data import Pipeline
from gpucnn.data.loader import Batches, Loaders
from gpucnn.errors import TrainingError
from gpucnn.runs.environment import kernels_name
from gpucnn.runs.folder import RunFolder
from gpucnn.runs.health import HealthLog
from gpucnn.training.checkpoint import State
from gpucnn.training.interruption import Interruption
from gpucnn.training.records import EpochRecord
from gpucnn.training.signs import Signs
from gpucnn.training.trainer import Record, Trainer

NO_FIGURES = ("test_loss", "test_accuracy", "classes", "macro", "weighted", "confusion_matrix", "interval")
SIGNS = "signs"  # their name in a checkpoint
PROCESSES = "processes"  # the name of their number there, since several can train together
CHECKPOINT_SECONDS = 30.0  # between two checkpoints within an epoch


def train_run(
    folder: RunFolder,
    trainer: Trainer,
    loaders: Loaders,
    epochs: int,
    *,
    class_names: Sequence[str],
    dataset: str,
    dataset_requested: str,
    resume: bool = False,
    config_text: str | None = None,
    normalization: Mapping[str, np.ndarray] | None = None,
    pipeline: Pipeline | None = None,
    on_record: Callable[[Record], object] | None = None,
    on_note: Callable[[str], None] | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    until: int | None = None,
) -> dict[str, Any]:
    """Train in `folder`, which must be entered, until `epochs` are done; returns the contents of result.json.

    With `resume`, training continues from the last checkpoint and ends as if it had never stopped; `config_text`,
    which may have more epochs, replaces config.yaml once the checkpoint is loaded. Otherwise `normalization` and
    `pipeline` are written (the latter too where a run of version 0.1.0 resumes) and training begins. A checkpoint is
    written at the start, after each epoch, every `checkpoint_seconds`, and on Ctrl-C, which then raises
    KeyboardInterrupt, as the end of epoch `until` does unless it is the last. `on_record` is called with every record
    after it is logged, `on_note` with what the user should know: that the last checkpoint was damaged and the one
    before it was taken, or that the network does not learn.

    Raises CheckpointError for a checkpoint that does not fit, TrainingError for a loss that is not finite, OSError for
    files that cannot be written; the last checkpoint stays whole.
    """
    signs = Signs.of(trainer.net, trainer.loss, loaders, class_names)
    note = on_note or _ignore
    if resume:
        notes: list[str] = []
        fallen_back = folder.resume(trainer.state().tensors, lambda state: notes.extend(_accept(trainer, signs, state)))
        for line in notes if fallen_back is None else (fallen_back, *notes):
            note(line)
    elif normalization is not None:
        folder.write_normalization(normalization)
    if pipeline is not None:
        folder.write_pipeline(pipeline.to_json())
    records = trainer.run(loaders.train, loaders.validation, epochs)
    for line in signs.of_labels() if signs else ():
        note(line)
    health = HealthLog(folder, trainer, loaders) if trainer.rank == 0 else _ignore
    if not resume:
        folder.save(_state(trainer, signs))
    elif config_text is not None:
        folder.replace_config(config_text)
    saved = time.monotonic()
    with Interruption() as interruption:
        for record in records:
            folder.log(record)
            health(record)
            if on_record is not None:
                on_record(record)
            interrupted, ended = trainer.interrupted(interruption), isinstance(record, EpochRecord)
            for line in signs.of_epoch(record) if signs and isinstance(record, EpochRecord) else ():
                note(line)
            if not trainer.settled:
                continue
            if ended or interrupted or time.monotonic() - saved >= checkpoint_seconds:
                folder.save(_state(trainer, signs), best=ended and trainer.train_state.best.epoch == record.epoch)
                saved = time.monotonic()
            if interrupted or ended and until is not None and until <= record.epoch < epochs:
                raise KeyboardInterrupt
    weights = _final_weights(folder, trainer)
    trainer.take_first()
    folder.write_model(trainer.net.state_dict())
    result = _result(trainer, loaders.test, class_names)
    result |= {
        "signs": list(signs.reported.values()) if signs else [],
        "weights": weights,
        "dataset": dataset,
        "dataset_requested": dataset_requested,
    }
    result |= {"device": str(backend.device()), "kernels": kernels_name(), "steps": _steps(trainer)}
    folder.write_result(result)
    return result


def _steps(trainer: Trainer) -> str:
    """How the steps ran: "captured", or why one by one."""
    reason = trainer.why_not_captured
    return "captured" if reason is None else f"one by one: {reason}"


def _ignore(what: object) -> None:
    """Ignore a note, or a record."""


def _state(trainer: Trainer, signs: Signs | None) -> State:
    """The trainer's state, the signs that were reported, and how many processes train."""
    state = trainer.state()
    more = {SIGNS: signs.as_dict() if signs else None, PROCESSES: trainer.processes}
    return State(state.tensors, {**state.values, **more})


def _accept(trainer: Trainer, signs: Signs | None, state: State) -> list[str]:
    """Restore a state that `_state` returned; returns what the user should know of it. Raises CheckpointError."""
    if signs is not None:
        signs.restore(state.values.get(SIGNS))
    trainer.load_state(state)
    before = state.values.get(PROCESSES, 1)
    if before == trainer.processes:
        return []
    return [
        f"the run's last steps were made by {before} processes, the next are by {trainer.processes}: sums are rounded "
        "differently, and dropout and batch normalisation, where there are any, see other shares of a batch"
    ]


def _final_weights(folder: RunFolder, trainer: Trainer) -> dict[str, Any]:
    """Give the network the weights that the run ends with, early stopping's best or the last; returns which they are.

    Raises CheckpointError if the best checkpoint is needed and damaged.
    """
    state, rule, average = trainer.train_state, trainer.early_stop, trainer.average
    last = rule is None or rule.keep == "last" or state.best.epoch == state.epoch
    if not last:
        folder.load_best(trainer.evaluated)
    if average is not None:
        trainer.net.load_state_dict(trainer.evaluated.state_dict())
        return {"epoch": state.epoch if last else state.best.epoch, "which": average.rule.name}
    if rule is None or rule.keep == "last":
        return {"epoch": state.epoch, "which": "last"}
    return {"epoch": state.best.epoch, "which": "best"}


def _result(trainer: Trainer, test: Batches | None, class_names: Sequence[str]) -> dict[str, Any]:
    """The figures of the trained network on the test images; None without such images."""
    figures: dict[str, Any]
    if test is None:
        figures = dict.fromkeys(NO_FIGURES)
    else:
        evaluation = trainer.evaluate(test)
        if not math.isfinite(evaluation.loss):
            raise TrainingError(
                f"the test loss is {evaluation.loss}: the last updates were too large. Lower the learning rate "
                "(optimizer.lr), or clip the gradients (clip_norm)"
            )
        figures = dict.fromkeys(NO_FIGURES) | {"test_loss": evaluation.loss, "test_accuracy": evaluation.accuracy}
        if evaluation.classification is not None:
            figures |= evaluation.classification.as_dict(class_names)
        if evaluation.scores is not None:
            figures |= evaluation.scores.as_dict(class_names)
            figures["validation_score"] = evaluation.scores.name  # which of them metrics.jsonl calls so
    return {
        **figures,
        "parameters": sum(parameter.size for parameter in trainer.net.parameters()),
        "train_seconds": trainer.train_state.train_seconds,
    }
