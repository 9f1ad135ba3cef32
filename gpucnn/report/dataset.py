"""The data of a run: balance and mean picture of its classes, likely label errors, near duplicates of test images."""

from typing import Any

import numpy as np

from gpucnn.data import Dataset, Loader
from gpucnn.explain import mean_images, near_duplicates, suspects
from gpucnn.report.pixels import Viewer, packed
from gpucnn.report.predictions import MISTAKES, MOST_CLASSES, Predictions, described
from gpucnn.report.series import short_number
from gpucnn.report.subject import Subject
from gpucnn.training.evaluation import evaluate

MOST_PIXELS = 100_000_000  # of training and test images that are looked through; MNIST has 55 million
MOST_WORK = 10_000_000_000  # multiply-adds to find likely label errors with: half of MNIST by LeNet
TWINS = 12  # pairs shown


def data_inside(subject: Subject, test: Dataset, predictions: Predictions) -> dict[str, Any] | None:
    """What a page tells of the data; None where there are no training images, or too many to look through."""
    train = subject.train
    if train is None or train.images.size + test.images.size > MOST_PIXELS:
        return None
    viewer = Viewer(train)
    return {
        "classes": _classes(subject, train, test, viewer),
        "suspects": _suspects(subject, train, viewer),
        "twins": _twins(train, test, predictions, viewer),
    }


def _classes(subject: Subject, train: Dataset, test: Dataset, viewer: Viewer) -> dict[str, Any]:
    """Numbers of images and the mean picture of each class with any; of many, some from the rarest to the commonest."""
    counts = train.class_counts
    present = np.flatnonzero(counts)
    ranks = np.linspace(0, len(present) - 1, min(len(present), MOST_CLASSES)).astype(np.int64)
    shown = np.sort(present[np.argsort(counts[present], kind="stable")[ranks]])
    means = mean_images(train)[shown]
    if train.images.dtype == np.uint8:
        means = np.rint(means).astype(np.uint8)
    return {
        "rows": [[int(k), int(counts[k]), int(test.class_counts[k])] for k in shown],
        "images": [len(train), len(test)],
        "of": len(subject.class_names),
        "pictures": packed(viewer.of(means).thumbnails(np.arange(len(shown)))),
    }


def _suspects(subject: Subject, train: Dataset, viewer: Viewer) -> dict[str, Any]:
    """The training images that are told wrong with the largest loss, of `read` that were looked at among `of`."""
    cost = max(1, subject.net.multiply_adds(subject.image_shape))
    numbers = np.arange(0, len(train), -(-len(train) * cost // MOST_WORK))
    some = train.take(numbers)
    loader = Loader(some, 256, subject.normalizer, dtype=subject.config["dtype"])
    predictions = Predictions(some.labels, evaluate(subject.net, loader).probabilities)
    found = suspects(some.labels, predictions.probabilities, MISTAKES)
    return {
        "of": len(train),
        "read": len(some),
        "images": [[int(numbers[image]), *described(predictions, image)[1:]] for image in found.tolist()],
        **({"pictures": packed(viewer.thumbnails(numbers[found]))} if len(found) else {}),
    }


def _twins(train: Dataset, test: Dataset, predictions: Predictions, viewer: Viewer) -> dict[str, Any]:
    """Test images with a near duplicate among the training images, and the accuracy with and without them."""
    found = near_duplicates(test.images, train.images)
    shown = slice(TWINS)
    right = predictions.predicted == predictions.labels
    others = np.delete(right, found.images)
    rows = zip(found.images[shown].tolist(), found.twins[shown].tolist(), found.likeness[shown].tolist(), strict=True)
    return {
        "count": len(found.images),
        "of": len(test),
        "otherwise_labelled": int((test.labels[found.images] != train.labels[found.twins]).sum()),
        "accuracy": short_number(float(right.mean())),
        "without": short_number(float(others.mean())) if len(others) else None,
        "pairs": [
            [mine, theirs, short_number(alike), int(test.labels[mine]), int(train.labels[theirs])]
            for mine, theirs, alike in rows
        ],
        **(
            {
                "mine": packed(Viewer(test).thumbnails(found.images[shown])),
                "theirs": packed(viewer.thumbnails(found.twins[shown])),
            }
            if len(found.images)
            else {}
        ),
    }
