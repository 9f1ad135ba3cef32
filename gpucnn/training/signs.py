"""Signs of a network that does not learn: what was seen, and what to try, in one line each.

They are read from what training knows anyway. Only if a network answers as by guessing is it asked once more, for a
minibatch, what its outputs and its ReLUs are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpucnn.data.loader import Batch, Batches, Loader, Loaders
from gpucnn.errors import CheckpointError
from gpucnn.nn import Module, ReLU
from gpucnn.training.answers import class_numbers
from gpucnn.training.diagnosis import run_watched
from gpucnn.training.evaluation import evaluating
from gpucnn.training.kinds import kind_of
from gpucnn.training.losses import CrossEntropy, Loss
from gpucnn.training.records import EpochRecord

ENOUGH = 5000  # images seen in training before a network is reported not to learn
NEAR = 0.98  # a loss above this share of guessing's is guessing's
DEAD = 0.9  # the share of a ReLU's units that are 0 for every image
ROSE = 1.5  # times the epoch before's loss
BETTER = 0.2  # by how much more of the training images than of guessing are right, where something is learnt
LACKING = 0.05  # the share of images whose classes training lacks
MOST_NAMED = 5  # classes in one line


@dataclass(frozen=True)
class Guessing:
    """The figures of guessing without seeing the image: the loss (None where it is unknown), and the accuracy."""

    loss: float | None
    accuracy: float

    @classmethod
    def of(cls, labels: np.ndarray, loss: Loss) -> "Guessing":
        """For labels (N,), or rows (N, C), in the proportions that they have; of classes with weights in theirs."""
        rows = labels.ndim == 2
        shares = labels.mean(axis=0) if rows else np.bincount(labels) / len(labels)
        most = float(np.bincount(class_numbers(labels)).max() / len(labels))
        if not isinstance(loss, CrossEntropy) or loss.ignore_index is not None or rows and loss.weight is not None:
            return cls(None, most)
        weights = np.ones(len(shares)) if loss.weight is None else np.array(loss.weight)[: len(shares)]
        smoothed = weights * ((1 - loss.label_smoothing) * shares + loss.label_smoothing / len(shares))
        there = smoothed[smoothed > 0]
        return cls(float(-(there * np.log(there / there.sum())).sum() / (weights @ shares)), most)

    def explains(self, accuracy: float, images: int) -> bool:
        """Whether guessing gets so many of `images` right, within three standard deviations."""
        return accuracy <= self.accuracy + 3 * math.sqrt(self.accuracy * (1 - self.accuracy) / images)


@dataclass(frozen=True)
class Inside:
    """A network on one minibatch: the classes it predicts, and the share of dead units of each ReLU."""

    answers: tuple[int, ...]
    dead: Mapping[str, float]


def look_inside(net: Module, batch: Batch) -> Inside:
    """Run `net`, in evaluation mode, on a minibatch."""
    dead: dict[str, float] = {}

    def see(name: str, module: Module, output: np.ndarray) -> None:
        if isinstance(module, ReLU):
            units = np.moveaxis(output, 1, 0).reshape(output.shape[1], -1)  # (N, C, ...) -> (C, N · places)
            dead[f"{name} ({type(module).__name__})"] = float(1 - units.any(axis=1).mean())

    with evaluating(net):
        scores = run_watched(net, batch, lambda name, module, output: see(name, module, output.numpy())).numpy()
    return Inside(tuple(np.unique(scores.argmax(axis=1)).tolist()), dead)


def guessing(record: EpochRecord, guess: Guessing, inside: Inside, names: Sequence[str]) -> str:
    """The message for an epoch after which the network predicts no better than guessing."""
    seen = f"epoch {record.epoch}: the network answers as by guessing ({record.train_accuracy:.1%} right"
    seen += ")" if guess.loss is None else f", loss {record.train_loss:.3f}, guessing's {guess.loss:.3f})"
    worst = max(inside.dead, key=lambda name: inside.dead[name], default=None)
    if worst is not None and inside.dead[worst] >= DEAD:
        return (
            f"{seen}, and in layer {worst} {inside.dead[worst]:.0%} of the units are 0 for every image; "
            "lower the learning rate (optimizer.lr), or begin with init: he_normal"
        )
    if len(inside.answers) == 1:
        seen += f", every image of a minibatch is {_called(inside.answers[0], names)} to it"
    return (
        f"{seen}; try a learning rate (optimizer.lr) ten times lower or higher, and see that the labels belong to the "
        "images"
    )


def risen(before: float, record: EpochRecord, guess: Guessing) -> str | None:
    """The message for a training loss that rose from a low value to more than half of guessing's."""
    if guess.loss is None or record.train_loss < max(ROSE * before, guess.loss / 2):
        return None
    return (
        f"epoch {record.epoch}: the training loss rose from {before:.3f} to {record.train_loss:.3f}; lower the "
        "learning rate (optimizer.lr), or give the schedule a warmup"
    )


def memorised(record: EpochRecord, train: Guessing, validation: Guessing, images: int) -> str | None:
    """The message where training images are learnt, and `images` for validation are predicted as by guessing."""
    right = record.validation_accuracy
    if right is None or record.train_accuracy is None:
        return None
    if record.train_accuracy < train.accuracy + BETTER or not validation.explains(right, images):
        return None
    return (
        f"epoch {record.epoch}: {record.train_accuracy:.1%} of the training images are right and {right:.1%} of the "
        "validation images, as by guessing; see that the labels belong to the images (they look shuffled), and that "
        "both parts come from one source"
    )


def lacking(train: np.ndarray, other: np.ndarray, part: str, names: Sequence[str]) -> str | None:
    """The message for classes that occur in `part` and not in the training images; labels are (N,) or (N, C)."""
    numbers = class_numbers(other)
    absent = ~np.isin(numbers, class_numbers(train))
    if absent.mean() < LACKING:
        return None
    classes = [_called(int(number), names) for number in np.unique(numbers[absent])]
    more = f" and {len(classes) - MOST_NAMED} more" if len(classes) > MOST_NAMED else ""
    return (
        f"no training image is of class {', '.join(classes[:MOST_NAMED])}{more}, and {absent.mean():.0%} of the {part} "
        "images are; see that the data are not split by label (data.split: {order: random})"
    )


def in_order(train: np.ndarray, batch_size: int) -> str | None:
    """The message for training images that are sorted by label and not shuffled; labels are (N,) or (N, C)."""
    numbers = class_numbers(train)
    if len(numbers) <= batch_size or numbers[0] == numbers[-1] or (np.diff(numbers) < 0).any():
        return None
    return (
        "the training images are sorted by label and not shuffled, so that a minibatch shows one class; "
        "leave train.shuffle at true"
    )


def _are_classes(loader: Loader, loss: Loss) -> bool:
    """Whether labels are class numbers (N,), or rows (N, C) that may be probabilities."""
    labels = loader.labels
    return kind_of(loss, labels) in ("classes", None) and (labels.ndim == 2 or labels.dtype.kind in "iu")


def _called(number: int, names: Sequence[str]) -> str:
    """A class's name; its number for an output beyond the data's classes, which has none."""
    return names[number] if number < len(names) else f"class {number}"


@dataclass
class Signs:
    """Examines a run's labels and epochs, and reports each sign once."""

    net: Module
    loss: Loss
    train: Loader
    others: dict[str, Loader]  # validation, test
    names: Sequence[str]
    reported: dict[str, str] = field(default_factory=dict)  # the lines so far, by kind
    before: float | None = None  # the training loss of the epoch before

    @classmethod
    def of(cls, net: Module, loss: Loss, loaders: Loaders, names: Sequence[str]) -> "Signs | None":
        """For batches that are Loaders of classes; None for others."""
        if not isinstance(loaders.train, Loader) or not _are_classes(loaders.train, loss):
            return None
        parts: dict[str, Batches | None] = {"validation": loaders.validation, "test": loaders.test}
        others = {
            part: loader for part, loader in parts.items() if isinstance(loader, Loader) and _are_classes(loader, loss)
        }
        return cls(net, loss, loaders.train, others, names)

    def of_labels(self) -> list[str]:
        """The messages about the labels, before training."""
        labels = self.train.labels
        found = {"order": None if self.train.shuffle else in_order(labels, self.train.batch_size)}
        for part, loader in self.others.items():
            found["lacking"] = found.get("lacking") or lacking(labels, loader.labels, part, self.names)
        return self._new(found)

    def of_epoch(self, record: EpochRecord) -> list[str]:
        """The messages about an epoch, after it."""
        before, self.before = self.before, record.train_loss
        if record.epoch * len(self.train.labels) < ENOUGH:
            return []
        guess, validation = Guessing.of(self._seen(record.epoch - 1), self.loss), self.others.get("validation")
        found = {"risen": None if before is None else risen(before, record, guess)}
        if validation is not None and "lacking" not in self.reported:
            of_validation = Guessing.of(validation.labels, self.loss)
            found["memorised"] = memorised(record, guess, of_validation, len(validation.labels))
        if "guessing" not in self.reported and self._guesses(record, guess):
            inside = look_inside(self.net, next(iter(self.train.batches(record.epoch))))
            found["guessing"] = guessing(record, guess, inside, self.names)
        return self._new(found)

    def _seen(self, epoch: int) -> np.ndarray:
        """The labels of the images that an epoch trains on: all, or those that a sampler draws."""
        if self.train.chances is None:
            return self.train.labels
        return self.train.labels[np.concatenate(self.train.indices(epoch))]

    def _guesses(self, record: EpochRecord, guess: Guessing) -> bool:
        at_chance = guess.loss is None or record.train_loss >= NEAR * guess.loss
        if record.train_accuracy is None:
            return False
        return at_chance and guess.explains(record.train_accuracy, len(self.train.labels))

    def _new(self, found: Mapping[str, str | None]) -> list[str]:
        fresh = {kind: line for kind, line in found.items() if line is not None and kind not in self.reported}
        self.reported |= fresh
        return list(fresh.values())

    def as_dict(self) -> dict[str, Any]:
        """The state for a checkpoint, fit for JSON."""
        return {"told": self.reported, "before": self.before}

    def restore(self, kept: Any) -> None:
        """Restore the result of `as_dict`; None, as in checkpoints of 0.1.0, changes nothing.

        Raises CheckpointError where it is damaged.
        """
        if kept is None:
            return
        try:
            reported, before = dict(kept["told"]), kept["before"]
            fits = all(isinstance(line, str) for line in reported.values()) and (
                before is None or type(before) is float
            )
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise CheckpointError(f"the checkpoint's signs are damaged: {kept!r:.200}")
        self.reported, self.before = reported, before
