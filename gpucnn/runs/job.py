"""The whole job in a run folder: train, log, checkpoint, test, and write down what came out."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gpucnn import backend
from gpucnn.data.loader import Batches, Loaders
from gpucnn.errors import CheckpointError, TrainingError
from gpucnn.runs.environment import kernels_name
from gpucnn.runs.folder import RunFolder
from gpucnn.runs.interruption import Interruption
from gpucnn.training.records import EpochRecord
from gpucnn.training.trainer import Record, Trainer

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
    on_record: Callable[[Record], None] | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> dict[str, Any]:
    """Train in `folder`, which was entered, until `epochs` are done; returns what result.json holds.

    With `resume` training goes on from the last checkpoint, and ends as if it had never stopped;
    `config_text`, which may differ in the number of epochs, takes the place of config.yaml once the
    checkpoint fits. Otherwise `normalization` is written and training begins. There is a checkpoint at the
    beginning, after each epoch, every `checkpoint_seconds`, and on Ctrl-C, after which KeyboardInterrupt
    rises. `on_record` is given every record, logged.

    Raises CheckpointError for a checkpoint that cannot be gone on from, TrainingError for a loss that is
    not finite, OSError for files that cannot be written; the last checkpoint stays whole.
    """
    if resume:
        _take_up(folder, trainer)
    elif normalization is not None:
        folder.write_normalization(normalization)
    records = trainer.run(loaders.train, loaders.validation, epochs)
    if not resume:
        folder.save(trainer.state())
    elif config_text is not None:
        folder.replace_config(config_text)
    saved = time.monotonic()
    with Interruption() as interruption:
        for record in records:
            folder.log(record)
            if on_record is not None:
                on_record(record)
            interrupted, ended = interruption.requested, isinstance(record, EpochRecord)
            if not trainer.settled:
                continue
            if ended or interrupted or time.monotonic() - saved >= checkpoint_seconds:
                folder.save(trainer.state(), best=ended and trainer.position.best.epoch == record.epoch)
                saved = time.monotonic()
            if interrupted:
                raise KeyboardInterrupt
    folder.write_model(trainer.net.state_dict())
    result = _result(trainer, loaders.test, class_names)
    result |= {"dataset": dataset, "dataset_requested": dataset_requested}
    result |= {"device": str(backend.device()), "kernels": kernels_name()}
    folder.write_result(result)
    return result


def _take_up(folder: RunFolder, trainer: Trainer) -> None:
    """Let `trainer` stand where the last checkpoint left off. Raises CheckpointError that names the file."""
    state = folder.load(trainer.state().tensors)
    try:
        trainer.load_state(state)
    except CheckpointError as error:
        raise CheckpointError(f"{folder.last_path}: {error}; restore it, or train again") from None


def _result(trainer: Trainer, test: Batches | None, class_names: Sequence[str]) -> dict[str, Any]:
    """The figures of the trained network on the test images; None where there are no such images."""
    figures: dict[str, Any]
    if test is None:
        figures = dict.fromkeys(("test_loss", "test_accuracy", "classes", "macro", "weighted", "confusion_matrix"))
    else:
        evaluation = trainer.evaluate(test)
        if not math.isfinite(evaluation.loss):
            raise TrainingError(
                f"the test loss is {evaluation.loss}: the last updates were too large. Lower the learning rate "
                "(optimizer.lr), or clip the gradients (clip_norm)"
            )
        figures = {"test_loss": evaluation.loss, "test_accuracy": evaluation.accuracy}
        figures |= evaluation.classification.as_dict(class_names)
    return {
        **figures,
        "parameters": sum(parameter.size for parameter in trainer.net.parameters()),
        "train_seconds": trainer.position.train_seconds,
    }
