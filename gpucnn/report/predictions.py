"""Predictions on the test images: the confusion matrix with examples, the most confident mistakes."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucnn.metrics import Classification, classify
from gpucnn.report.pixels import Viewer, packed
from gpucnn.report.series import short_number

MOST_CLASSES = 40  # rows of a confusion matrix; with more, the least confused share one row
MOST_ROWS = 1000  # of the table of classes
MISTAKES = 24
EXAMPLES = 8  # of a cell
EXAMPLE_BYTES = 500_000
OTHERS = "all others"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Labels (N,) and predicted probabilities (N, C) of the test images."""

    labels: np.ndarray
    probabilities: np.ndarray

    @functools.cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, (N,)."""
        return self.probabilities.argmax(axis=1)

    @functools.cached_property
    def classification(self) -> Classification:
        """The figures of each class and of all."""
        return classify(self.labels, self.predicted, self.probabilities.shape[1])

    def surest_first(self, images: np.ndarray) -> np.ndarray:
        """Numbers of images, (any number,), in the order of how probable their predicted class is."""
        return images[np.argsort(-self.probabilities[images].max(axis=1), kind="stable")]


def groups_of(confusion: np.ndarray) -> np.ndarray | None:
    """The row of the shown matrix for each of C classes, (C,); None if each has its own.

    Of more than `MOST_CLASSES` classes the most mistaken have rows of their own, the last row is that of all others.
    """
    if len(confusion) <= MOST_CLASSES:
        return None
    mistaken = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diag(confusion)
    own = np.sort(np.argsort(-mistaken, kind="stable")[: MOST_CLASSES - 1])
    groups = np.full(len(confusion), MOST_CLASSES - 1)
    groups[own] = np.arange(MOST_CLASSES - 1)
    return groups


def merged(confusion: np.ndarray, names: list[str]) -> tuple[list[list[int]], list[str]]:
    """The matrix to show, and the names of its rows."""
    groups = groups_of(confusion)
    if groups is None:
        return confusion.tolist(), names
    shown = np.zeros((MOST_CLASSES, MOST_CLASSES), np.int64)
    np.add.at(shown, (groups[:, None], groups[None, :]), confusion)
    own = [names[np.flatnonzero(groups == row)[0]] for row in range(MOST_CLASSES - 1)]
    return shown.tolist(), [*own, OTHERS]


def class_rows(figures: Classification, names: list[str]) -> list[list[Any]]:
    """Name, precision, recall, F1 and number of images of each class; of very many, those with the lowest F1."""
    worst = np.sort(np.argsort(figures.f1, kind="stable")[:MOST_ROWS])
    columns = (figures.precision, figures.recall, figures.f1)
    return [[names[c], *(short_number(float(column[c])) for column in columns), int(figures.support[c])] for c in worst]


def examples(predictions: Predictions, viewer: Viewer) -> dict[str, Any]:
    """Small pictures of the most confident mistakes and, for each cell of the shown matrix, of its clearest images.

    `images` has a row (number in the test set, true class, predicted class, probability of each) to each of `pictures`;
    `cells` names a cell's by their rows, as in {"3,5": [0, 7]}; `mistakes` those of mistakes, the most confident first.
    """
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    mistakes = predictions.surest_first(wrong)[:MISTAKES]
    cells = _cells(predictions, _room(viewer) - len(mistakes))
    shown = np.array(sorted({*mistakes.tolist(), *(i for chosen in cells.values() for i in chosen)}), np.int64)
    place = {image: row for row, image in enumerate(shown.tolist())}
    return {
        "pictures": packed(viewer.thumbnails(shown)) if len(shown) else {"shape": [1, 1, 1, 1], "bytes": ""},
        "images": [described(predictions, image) for image in shown.tolist()],
        "cells": {cell: [place[image] for image in chosen] for cell, chosen in cells.items()},
        "mistakes": [place[image] for image in mistakes.tolist()],
        "note": viewer.note,
    }


def _room(viewer: Viewer) -> int:
    """How many small pictures fit, which is more than `MISTAKES`."""
    return EXAMPLE_BYTES // math.prod(viewer.thumbnail_shape())


def _cells(predictions: Predictions, room: int) -> dict[str, list[int]]:
    """The most confident images of each cell, as many of each as fit."""
    groups = groups_of(predictions.classification.confusion)
    rows, columns = (each if groups is None else groups[each] for each in (predictions.labels, predictions.predicted))
    cells: dict[str, list[int]] = {}
    for image in predictions.surest_first(np.arange(len(predictions.labels))).tolist():
        cell = cells.setdefault(f"{rows[image]},{columns[image]}", [])
        if len(cell) < EXAMPLES:
            cell.append(image)
    most = EXAMPLES
    while most and sum(min(len(cell), most) for cell in cells.values()) > room:
        most -= 1
    return {name: cell[:most] for name, cell in cells.items() if most}


def described(predictions: Predictions, image: int) -> list[Any]:
    """An image's number, its class, the class that is said, and the probability of each."""
    true, predicted = int(predictions.labels[image]), int(predictions.predicted[image])
    shares = predictions.probabilities[image]
    return [image, true, predicted, short_number(float(shares[true])), short_number(float(shares[predicted]))]
