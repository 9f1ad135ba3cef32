"""Test images as points, by what the last hidden layer makes of them, as a page draws them."""

import math
from typing import Any

import numpy as np

from gpucnn.errors import InputError
from gpucnn.explain.space import hidden_values, last_weights, principal
from gpucnn.report.pixels import Viewer, packed
from gpucnn.report.predictions import Predictions, described
from gpucnn.report.series import rounded, short_number
from gpucnn.report.subject import Subject

MOST_POINTS = 1500
POINT_BYTES = 750_000  # of their pictures
MISTAKEN = 1 / 3  # of the points, at most, are the surest mistakes; the others are spread evenly


def points_inside(subject: Subject, predictions: Predictions, viewer: Viewer) -> dict[str, Any] | None:
    """Some test images with their place by the two principal components; None where no layer has weights.

    x and y, from 0 to 1, have one scale, so that one of them may end earlier.
    """
    try:
        layer, _ = last_weights(subject.net, subject.image_shape)
    except InputError:
        return None
    chosen = _chosen(predictions, min(MOST_POINTS, POINT_BYTES // math.prod(viewer.thumbnail_shape())))
    inputs = subject.normalizer.apply(viewer.images[chosen], subject.config["dtype"])
    points, shares = principal(hidden_values(subject.net, inputs))
    points = points - points.min(axis=0)
    places = points / (points.max() or 1.0)
    return {
        "layer": layer,
        "shares": [short_number(share) for share in shares.tolist()],
        "x": rounded(places[:, 0]),
        "y": rounded(places[:, 1]),
        "of": len(predictions.labels),
        "images": [described(predictions, image) for image in chosen.tolist()],
        "pictures": packed(viewer.thumbnails(chosen)),
    }


def _chosen(predictions: Predictions, most: int) -> np.ndarray:
    """At most `most` numbers of images: the surest mistakes, and others spread evenly."""
    wrong = predictions.predicted != predictions.labels
    mistakes = predictions.surest_first(np.flatnonzero(wrong))[: int(MISTAKEN * most)]
    others = np.flatnonzero(~wrong)
    spread = np.linspace(0, len(others) - 1, min(len(others), most - len(mistakes))).astype(np.int64)
    return np.sort(np.concatenate([mistakes, others[spread]]))
