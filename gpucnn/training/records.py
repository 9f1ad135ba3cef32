"""Records of training: one for each minibatch and each epoch. Each is a line of a run's log files."""

import json
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple


class StepResult(NamedTuple):
    """The result of a step on one minibatch: its images, their mean loss, and how many were classified correctly."""

    images: int
    loss: float
    correct: int


@dataclass(frozen=True)
class BatchRecord:
    """One minibatch: `split` is "train" or "validation"; `epoch` and `step`, within the epoch, count from 1.

    `loss` is the mean over its `images`, `accuracy` the share classified correctly; both are from before the
    update. A line of batches.csv.
    """

    split: str
    epoch: int
    step: int
    images: int
    loss: float
    accuracy: float

    def csv(self) -> str:
        """The values in the order of `BATCH_HEADER`; floats in the shortest form that reads back the same."""
        return f"{self.split},{self.epoch},{self.step},{self.images},{self.loss!r},{self.accuracy!r}"


BATCH_HEADER = ",".join(field.name for field in fields(BatchRecord))


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, which counts from 1. A line of metrics.jsonl.

    Losses and accuracies are means over the epoch's images: of training while the weights changed, of
    validation (None without validation data) after. `lr` is the learning rate of the epoch's last step. `seconds` and
    `images_per_second` are those of the training part alone.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    lr: float
    seconds: float
    images_per_second: float

    def json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), allow_nan=False)
