"""Figures where labels are no classes: several labels an image, each there or not, and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucnn.errors import InputError
from gpucnn.metrics import Averages, ratio


@dataclass(frozen=True, eq=False)
class LabelScores:
    """Figures of L labels, each there or not, over N images.

    Arrays are (L,). right: images that have the label and are given it. given: those that are given it; support: those
    that have it. thresholds: the probability from which it is given. exact: of `images`, those whose labels are all
    right, none given that is not there. A figure is 0 where it would be 0 / 0.
    """

    right: np.ndarray
    given: np.ndarray
    support: np.ndarray
    thresholds: np.ndarray
    exact: int
    images: int

    name = "exact_match"  # what `score` is called

    @property
    def score(self) -> float:
        """The share of images whose labels are all right."""
        return self.exact / self.images

    @property
    def precision(self) -> np.ndarray:
        """The share of images given a label that have it, (L,)."""
        return ratio(self.right, self.given)

    @property
    def recall(self) -> np.ndarray:
        """The share of images with a label that are given it, (L,)."""
        return ratio(self.right, self.support)

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of both, (L,)."""
        return ratio(2 * self.right, self.given + self.support)

    @property
    def macro(self) -> Averages:
        """The mean over the labels that occur, among those that are there or those that are given."""
        return self._average((self.given + self.support > 0).astype(np.float64))

    @property
    def weighted(self) -> Averages:
        """The mean over the labels, weighted by support."""
        return self._average(self.support.astype(np.float64))

    def _average(self, weights: np.ndarray) -> Averages:
        figures = (self.precision, self.recall, self.f1)
        return Averages(*(float(ratio(figure @ weights, weights.sum())) for figure in figures))

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """The figures in the form of result.json."""
        columns = (self.thresholds, self.precision, self.recall, self.f1)
        rows = zip(names, *(column.tolist() for column in columns), self.support.tolist(), strict=True)
        keys = ("name", "threshold", "precision", "recall", "f1", "support")
        return {
            "labels": [dict(zip(keys, row, strict=True)) for row in rows],
            "exact_match": self.score,
            "macro": vars(self.macro),
            "weighted": vars(self.weighted),
        }

    def of_epoch(self, names: Sequence[str] | None) -> dict[str, Any]:
        """The figures in the form of metrics.jsonl; labels without names are called by their numbers."""
        figures = self.as_dict(names or [str(number) for number in range(len(self.support))])
        return {name: figures[name] for name in ("exact_match", "labels")}


@dataclass(frozen=True, eq=False)
class NumberScores:
    """Figures of K outputs that are numbers, each (K,): in the labels' units, but r2, which is at most 1.

    mae: the mean absolute error. rmse: the root of the mean squared error. r2: 1 - the sum of squared errors over that
    of the deviations from the labels' mean; of labels that are all alike 1 where they are met, else 0.
    """

    mae: np.ndarray
    rmse: np.ndarray
    r2: np.ndarray

    name = "r2"

    @property
    def score(self) -> float:
        """The mean of r2 over the outputs."""
        return float(self.r2.mean())

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """The figures in the form of result.json: lists in the order of `outputs`, their names."""
        return {"outputs": list(names), **self.of_epoch(names)}

    def of_epoch(self, names: Sequence[str] | None) -> dict[str, Any]:
        """The figures in the form of metrics.jsonl."""
        return {"mae": self.mae.tolist(), "rmse": self.rmse.tolist(), "r2": self.r2.tolist()}


Scores = LabelScores | NumberScores


def label_scores(labels: np.ndarray, probabilities: np.ndarray, thresholds: Any = 0.5) -> LabelScores:
    """Figures of `probabilities` (N, L) against `labels` (N, L) of 0 and 1; a threshold for all, or one for each.

    Raises InputError where shapes differ.
    """
    _check_alike(labels, probabilities)
    there, limits = labels > 0, np.broadcast_to(np.asarray(thresholds, np.float64), probabilities.shape[1:])
    given = probabilities >= limits
    exact = int((given == there).all(axis=1).sum())
    return LabelScores(
        (given & there).sum(axis=0), given.sum(axis=0), there.sum(axis=0), limits, exact, len(probabilities)
    )


def number_scores(labels: np.ndarray, numbers: np.ndarray) -> NumberScores:
    """Figures of the predicted `numbers` (N, K) against `labels` (N, K). Raises InputError where shapes differ."""
    _check_alike(labels, numbers)
    errors = numbers.astype(np.float64) - labels
    squares = (errors**2).sum(axis=0)
    spread = ((labels - labels.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=0)
    r2 = np.where(spread > 0, 1 - ratio(squares, spread), (squares == 0).astype(np.float64))
    return NumberScores(abs(errors).mean(axis=0), np.sqrt(squares / len(errors)), r2)


def _check_alike(labels: np.ndarray, outputs: np.ndarray) -> None:
    if labels.ndim != 2 or labels.shape != outputs.shape or not len(labels):
        raise InputError(f"labels {labels.shape} and outputs {outputs.shape}; expected both (N, L), N at least 1")
