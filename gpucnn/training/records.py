"""Records of training: one for each minibatch and each epoch. Each is a line of a run's log files."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple


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


ADDED = ("metrics", "validation_score")  # left out of a line of metrics.jsonl where they are empty
SCORES = (
    "exact_match", "labels", "mae", "rmse", "r2", "classes", "mean_iou", "mean_dice", "pixel_accuracy", "psnr",
    "mean_absolute_error",
)  # fmt: skip
BATCH_HEADER = ",".join(each.name for each in fields(BatchRecord))


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, which counts from 1. A line of metrics.jsonl.

    Losses and accuracies are means over the epoch's images: of training while the weights changed, of
    validation (None without validation data) after. `lr` is the learning rate of the epoch's last step. `seconds` and
    `images_per_second` are those of the training part alone. Accuracies are None where labels are no classes. `metrics`
    are the Trainer's own, of the validation images. Where labels are no classes `validation_score` is the figure that
    takes the accuracy's place: the share of images whose labels are all right (exact_match), the mean of r2 over the
    outputs, mean_iou or psnr; `scores` has it and others by name (see training.scores, training.map_scores).
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
    validation_score: float | None = None
    scores: dict[str, Any] = field(default_factory=dict)

    def json(self) -> str:
        """One line of JSON; what is empty of `metrics` and scores is left out, and scores stand by their names."""
        values = asdict(self)
        scores = values.pop("scores")
        kept = {n: values[n] for n in values if values[n] is not None and values[n] != {} or n not in ADDED}
        return json.dumps({**kept, **scores}, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> "EpochRecord":
        """The record that `json` wrote. Raises ValueError or TypeError for anything else."""
        values = json.loads(line)
        scores = {name: values.pop(name) for name in SCORES if name in values}
        return cls(**values, scores=scores)
