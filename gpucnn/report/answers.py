"""Answers that are as large as the picture: some test images with their labels and what the network makes of them."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpucnn.data import Dataset
from gpucnn.explain.overlays import class_colours, overlay
from gpucnn.report.pixels import Viewer, packed
from gpucnn.report.series import short_number
from gpucnn.report.subject import Subject
from gpucnn.training.evaluation import dtype_of, outputs
from gpucnn.training.map_scores import picture_scores, pixel_scores

MOST_IMAGES = 24
MOST_BYTES = 2_000_000  # of all pictures
SIDE = 128  # pixels: the longest side of a picture


def answers_inside(subject: Subject, test: Dataset) -> dict[str, Any] | None:
    """Test images evenly spread, the worst first, beside their labels and the answers; None for images of other axes.

    `columns` names the pictures of an image, `pictures` holds them in that order, `images` the number and the figure of
    each, `legend` the classes with their colours.
    """
    if test.images.ndim != 4:
        return None
    step = -(-max(test.image_shape[1:]) // SIDE)
    one = 9 * math.prod(-(-side // step) for side in test.image_shape[1:])  # three pictures of three colours
    count = max(1, min(MOST_IMAGES, len(test), MOST_BYTES // one))
    chosen = np.unique(np.linspace(0, len(test) - 1, count).astype(np.int64))
    images, labels = test.images[chosen], test.labels[chosen]
    given = outputs(subject.net, subject.normalizer.apply(images, dtype_of(subject.net).name))
    pictures = Viewer(test).view(chosen)[:, :, 0]  # (n, K, 1, H, W) -> (n, K, H, W)
    if test.kind == "pixels":
        ignored = getattr(subject.loss, "ignore_index", None)
        figures = [pixel_scores(true, answer, ignored).score for true, answer in _pairs(labels, given)]
        answered = given.argmax(axis=1).astype(np.uint8)
        columns = {"picture": pictures, "label": overlay(pictures, labels), "answer": overlay(pictures, answered)}
    else:
        figures = [picture_scores(true, answer).score for true, answer in _pairs(labels / test.white, given)]
        columns = {"picture": pictures, "answer": _bytes(given)}
        if test.labels is not test.images and not np.array_equal(labels, images):
            columns = {"picture": pictures, "label": _bytes(labels / test.white), "answer": _bytes(given)}
    worst = np.argsort(figures, kind="stable")
    shown = np.stack([np.broadcast_to(each, (len(chosen), 3, *each.shape[2:])) for each in columns.values()], axis=1)
    shown = shown[worst][..., ::step, ::step]  # (n, columns, 3, H, W)
    return {
        "columns": list(columns),
        "figure": "mean IoU" if test.kind == "pixels" else "PSNR (dB)",
        "images": [[int(chosen[place]), short_number(figures[place])] for place in worst],
        "pictures": packed(shown.reshape(-1, 3, 1, *shown.shape[3:])),  # (n, columns, 3, H, W) -> (n · columns, ...)
        "legend": _legend(subject.class_names, labels) if test.kind == "pixels" else [],
    }


def _pairs(labels: np.ndarray, given: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each image's labels and outputs, with an axis of one image."""
    return ((labels[place : place + 1], given[place : place + 1]) for place in range(len(labels)))


def _bytes(pictures: np.ndarray) -> np.ndarray:
    """Pictures (n, C, H, W) from black, 0, to white, 1, as uint8, grey or in colours."""
    shown = pictures if pictures.shape[1] in (1, 3) else pictures[:, :1]
    return np.rint(shown.clip(0, 1) * 255).astype(np.uint8)


def _legend(names: tuple[str, ...], labels: np.ndarray) -> list[list[str]]:
    """The names and colours of the classes; class 0 shows the picture itself."""
    colours = class_colours()
    return [[name, "#" + colours[number].tobytes().hex()] for number, name in enumerate(names) if number]
