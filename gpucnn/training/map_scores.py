"""Figures where an answer is as large as the image: a class per pixel, and pictures. They add up over minibatches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucnn.errors import InputError
from gpucnn.metrics import Classification, confusion_matrix, ratio

LEAST_ERROR = 1e-10  # mean squared error below which two pictures count as alike: 100 dB


@dataclass(frozen=True, eq=False)
class PixelScores:
    """Figures of a class per pixel, from counts of pixels (C, C): row = true class, column = predicted class.

    For a class with TP pixels right, FP predicted wrongly and FN missed, IoU (Jaccard's index) is TP / (TP + FP + FN)
    and Dice (Sørensen's) 2 TP / (2 TP + FP + FN), over all images together; 0 where it would be 0 / 0.
    """

    confusion: np.ndarray

    name = "mean_iou"  # what `score` is called

    def __add__(self, other: "PixelScores") -> "PixelScores":
        return PixelScores(self.confusion + other.confusion)

    @property
    def iou(self) -> np.ndarray:
        """The intersection over the union of the true and the predicted pixels of each class, (C,)."""
        right = np.diag(self.confusion)
        return ratio(right, self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - right)

    @property
    def dice(self) -> np.ndarray:
        """Twice the intersection over the sum of both, (C,), which is F1."""
        return Classification(self.confusion).f1

    @property
    def score(self) -> float:
        """The mean IoU over the classes that occur, among the labels or among the predictions."""
        return self._mean(self.iou)

    @property
    def accuracy(self) -> float:
        """The share of pixels that are right."""
        return Classification(self.confusion).accuracy

    def _mean(self, figures: np.ndarray) -> float:
        there = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) > 0
        return float(figures[there].mean()) if there.any() else 0.0

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """The figures in the form of result.json; `support` counts pixels."""
        figures = Classification(self.confusion)
        columns = (self.iou, self.dice, figures.precision, figures.recall)
        rows = zip(names, *(column.tolist() for column in columns), figures.support.tolist(), strict=True)
        keys = ("name", "iou", "dice", "precision", "recall", "support")
        return {
            "classes": [dict(zip(keys, row, strict=True)) for row in rows],
            "mean_iou": self.score,
            "mean_dice": self._mean(self.dice),
            "pixel_accuracy": self.accuracy,
        }

    def of_epoch(self, names: Sequence[str] | None) -> dict[str, Any]:
        """The figures in the form of metrics.jsonl; classes without names are called by their numbers."""
        return self.as_dict(names or [str(number) for number in range(len(self.confusion))])


@dataclass(frozen=True, eq=False)
class PictureScores:
    """Figures of pictures whose white is 1: sums over `numbers` pixels and channels of squared and absolute errors."""

    squares: float
    absolute: float
    numbers: int

    name = "psnr"

    def __add__(self, other: "PictureScores") -> "PictureScores":
        sums = (self.squares + other.squares, self.absolute + other.absolute)
        return PictureScores(*sums, self.numbers + other.numbers)

    @property
    def score(self) -> float:
        """The peak signal-to-noise ratio in dB, -10 log10 of the mean squared error over all images; at most 100."""
        return -10 * math.log10(max(self.squares / self.numbers, LEAST_ERROR))

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """The figures in the form of result.json."""
        return self.of_epoch(names)

    def of_epoch(self, names: Sequence[str] | None) -> dict[str, Any]:
        """The figures in the form of metrics.jsonl; the mean absolute error is a fraction of white."""
        return {"psnr": self.score, "mean_absolute_error": self.absolute / self.numbers}


def pixel_scores(labels: np.ndarray, outputs: np.ndarray, ignored: int | None = None) -> PixelScores:
    """Figures of outputs (N, C, ...) against class numbers (N, ...), without the pixels of the class `ignored`.

    Raises InputError where shapes differ, and for class numbers outside 0..C-1.
    """
    if outputs.ndim < 3 or labels.shape != (len(outputs), *outputs.shape[2:]):
        raise InputError(f"labels {labels.shape} and outputs {outputs.shape}; expected (N, ...) and (N, C, ...)")
    true, predicted = labels.reshape(-1), outputs.argmax(axis=1).reshape(-1)  # (N, H, W) -> (N·H·W,)
    if ignored is not None:
        counted = true != ignored
        true, predicted = true[counted], predicted[counted]
    return PixelScores(confusion_matrix(true, predicted, outputs.shape[1]))


def picture_scores(labels: np.ndarray, outputs: np.ndarray) -> PictureScores:
    """Figures of outputs (N, C, ...) against pictures of the same shape. Raises InputError where shapes differ."""
    if labels.shape != outputs.shape or not labels.size:
        raise InputError(f"labels {labels.shape} and outputs {outputs.shape}; expected one shape")
    errors = outputs.astype(np.float64) - labels
    return PictureScores(float((errors**2).sum()), float(abs(errors).sum()), errors.size)
