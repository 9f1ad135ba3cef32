"""Records of training: one for each minibatch and each epoch. Each is a line of a run's log files."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import NamedTuple


class StepResult(NamedTuple):
    """The result of a step on one minibatch: its images, their mean loss, and how many were classified correctly.

    `where` are the ranks of the processes whose own loss was not finite, where several train together.
    """

    images: int
    loss: float
    correct: int
    where: tuple[int, ...] = ()


@dataclass(frozen=True)
class BatchRecord:
    """One minibatch: `split` is "train" or "validation"; `epoch` and `step`, within the epoch, count from 1.

    `loss` is the mean over its `images`, `accuracy` the share classified correctly (None where labels are no
    classes); both are from before the update. A line of batches.csv.
    """

    split: str
    epoch: int
    step: int
    images: int
    loss: float
    accuracy: float | None

    def csv(self) -> str:
        """The values in the order of `BATCH_HEADER`; floats in the shortest form that reads back the same."""
        accuracy = "" if self.accuracy is None else repr(self.accuracy)
        return f"{self.split},{self.epoch},{self.step},{self.images},{self.loss!r},{accuracy}"


BATCH_HEADER = ",".join(each.name for each in fields(BatchRecord))


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, which counts from 1. A line of metrics.jsonl.

    Losses and accuracies are means over the epoch's images: of training while the weights changed, of
    validation (None without validation data) after. `lr` is the learning rate of the epoch's last step. `seconds` and
    `images_per_second` are those of the training part alone. Accuracies are None where labels are no classes. `metrics`
    are the Trainer's own, of the validation images.
    """

    epoch: int
    train_loss: float
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    lr: float
    seconds: float
    images_per_second: float
    metrics: dict[str, float] = field(default_factory=dict)

    def json(self) -> str:
        """One line of JSON; `metrics` are left out where there are none."""
        values = asdict(self)
        return json.dumps(values if self.metrics else {n: values[n] for n in values if n != "metrics"}, allow_nan=False)
