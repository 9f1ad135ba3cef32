"""Metrics of classification: accuracy, confusion matrix, precision, recall and F1, of NumPy arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gpucnn.errors import InputError

NORMAL_95 = 1.959963984540054  # standard deviations that 95 % of a normal distribution lie within


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """The share of `predictions` (N,) that equal `labels` (N,); 0.0 if N is 0. Raises InputError if shapes differ."""
    labels, predictions = _pair(labels, predictions)
    return float(np.mean(labels == predictions)) if labels.size else 0.0


def top_k_accuracy(labels: ArrayLike, scores: ArrayLike, k: int) -> float:
    """The share of rows of `scores` (N, C) whose label is among the k highest; 0.0 if N is 0.

    Of equal scores the class with the smaller number counts as the higher.
    Raises InputError for labels that are not (N,) or not in 0..C-1, and for k outside 1..C.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise InputError(f"scores are (N, C), labels (N,); got scores {scores.shape} and labels {labels.shape}")
    if not 1 <= k <= scores.shape[1]:
        raise InputError(f"k = {k} is not between 1 and the number of classes, {scores.shape[1]}")
    _check_range(labels, scores.shape[1], "label")
    if not labels.size:
        return 0.0
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]  # (N, k)
    return float(np.mean(np.any(best == labels[:, None], axis=1)))


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, classes: int) -> np.ndarray:
    """Counts (classes, classes), int64: row = true class, column = predicted class.

    Raises InputError where `labels` and `predictions` are not both (N,) or hold anything but 0..classes-1.
    """
    labels, predictions = _pair(labels, predictions)
    _check_range(labels, classes, "label")
    _check_range(predictions, classes, "prediction")
    cells = labels.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)  # (C·C,) -> (C, C)


class Interval(NamedTuple):
    """The bounds of a share, between which it lies with a certain confidence."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.2%} to {self.high:.2%}"


def wilson_interval(correct: int, total: int, deviations: float = NORMAL_95) -> Interval:
    """The interval of the share that `correct` of `total` stand for; `deviations`: of the normal distribution.

    E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927. Of nothing it is 0 to 1.
    Raises InputError for counts that cannot be.
    """
    if not 0 <= correct <= total:
        raise InputError(f"{correct} correct of {total}; expected between 0 and {total}")
    if not total:
        return Interval(0.0, 1.0)
    share, spread = correct / total, deviations**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    low = 0.0 if correct == 0 else middle - half
    return Interval(low, 1.0 if correct == total else middle + half)


@dataclass(frozen=True)
class Averages:
    """Precision, recall and F1 over the classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class Classification:
    """Figures of a confusion matrix (C, C; rows are true classes), for each class and for all.

    Where a class was never predicted (precision) or never there (recall), the figure is 0.0, as scikit-learn
    has it with `zero_division=0.0`.
    """

    confusion: np.ndarray

    @property
    def support(self) -> np.ndarray:
        """Images of each class, (C,) int64."""
        return self.confusion.sum(axis=1)

    @property
    def precision(self) -> np.ndarray:
        """The share of images predicted as class c that belong to it, (C,)."""
        return ratio(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> np.ndarray:
        """The share of images of class c that are predicted as it, (C,)."""
        return ratio(np.diag(self.confusion), self.support)

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall, 2·TP / (predicted + true): (C,)."""
        return ratio(2 * np.diag(self.confusion), self.confusion.sum(axis=0) + self.support)

    @property
    def accuracy(self) -> float:
        """The share of images on the diagonal."""
        return float(ratio(np.trace(self.confusion), self.confusion.sum()))

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the accuracy."""
        return wilson_interval(int(np.trace(self.confusion)), int(self.confusion.sum()))

    @property
    def macro(self) -> Averages:
        """The unweighted mean over the classes that occur, among the labels or among the predictions."""
        return self._average((self.confusion.sum(axis=0) + self.support > 0).astype(np.float64))

    @property
    def weighted(self) -> Averages:
        """The mean over classes, weighted by support."""
        return self._average(self.support.astype(np.float64))

    def _average(self, weights: np.ndarray) -> Averages:
        total = weights.sum()
        figures = (self.precision, self.recall, self.f1)
        return Averages(*(float(ratio(figure @ weights, total)) for figure in figures))

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The figures in the form of result.json. Raises InputError unless there is one name for each class."""
        if len(class_names) != len(self.confusion):
            raise InputError(f"{len(class_names)} class names for {len(self.confusion)} classes; name each")
        rows = zip(class_names, self.precision, self.recall, self.f1, self.support, strict=True)
        return {
            "classes": [
                {"name": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
                for name, p, r, f, n in rows
            ],
            "macro": vars(self.macro),
            "weighted": vars(self.weighted),
            "confusion_matrix": self.confusion.tolist(),
            "interval": list(self.interval),
        }


def classify(labels: ArrayLike, predictions: ArrayLike, classes: int) -> Classification:
    """The figures of `predictions` (N,) against `labels` (N,); errors as in `confusion_matrix`."""
    return Classification(confusion_matrix(labels, predictions, classes))


def _pair(labels: ArrayLike, predictions: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise InputError(f"labels and predictions are both (N,); got {labels.shape} and {predictions.shape}")
    return labels, predictions


def _check_range(values: np.ndarray, classes: int, what: str) -> None:
    if not values.size:
        return
    if values.dtype.kind not in "iu":
        raise InputError(f"a {what} is the integer number of a class; got {values.dtype} (use argmax on scores)")
    wrong = values[(values < 0) | (values >= classes)]
    if wrong.size:
        raise InputError(f"{what} {wrong[0]} is outside 0..{classes - 1}, the numbers of {classes} classes")


def ratio(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    """`part` / `whole`; 0.0 where `whole` is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
