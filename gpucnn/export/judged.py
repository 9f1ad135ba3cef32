"""An exported model beside the network that it was made of: the same pictures, the same answers."""

import importlib
from typing import Any

import numpy as np

from gpucnn.data.ranges import BYTE
from gpucnn.errors import InputError
from gpucnn.export.entry import Entry
from gpucnn.runs.classifier import Classifier
from gpucnn.training.evaluation import outputs

BATCHES = (1, 7, 24)  # pictures at a time: the number is open in the model
MOST = 1e-5  # by which probabilities may differ
RTOL, ATOL = 1e-4, 1e-5  # of what the network itself gives


def random_pictures(entry: Entry, count: int, seed: int = 0) -> np.ndarray:
    """Random pictures (N, C, H, W) of the type and range that `entry` takes."""
    rng = np.random.default_rng(seed)
    if entry.dtype == "uint8":
        return rng.integers(int(entry.given.low), int(entry.given.high) + 1, (count, *entry.shape), np.uint8)
    return rng.uniform(*entry.given, (count, *entry.shape)).astype(np.float32)


def images_of(classifier: Classifier, entry: Entry, pictures: np.ndarray) -> np.ndarray:
    """Pictures as `entry` takes them, as images like those of the training, as the pipeline itself makes them."""
    pixels = classifier.pipeline.pixels
    images = pixels.fit(pictures, BYTE if pixels.known and entry.dtype == "uint8" else pixels.scale)
    return pixels.inverted(images) if classifier.pipeline.invert else images


def runtime() -> Any:
    """ONNX Runtime, or None where it is not installed."""
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        return None


def check_agrees(model: bytes, classifier: Classifier, entry: Entry, bare: bool) -> float | None:
    """Run a model in ONNX Runtime beside the network; None where that is not installed, else the largest difference.

    Raises InputError where they differ by more than `MOST` in the probabilities or, of a bare network, by more than
    `RTOL` and `ATOL` in its outputs.
    """
    judge, worst = runtime(), 0.0
    if judge is None:
        return None
    session = judge.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for count in BATCHES:
        pictures = random_pictures(entry, count, seed=count)
        images = images_of(classifier, entry, pictures)
        if bare:
            given = classifier.normalizer.apply(images)
            ours, most = outputs(classifier.net, given), ATOL
        else:
            given, ours, most = pictures, classifier.probabilities(images), MOST
        (theirs,) = session.run(None, {name: given})
        off = np.abs(theirs - ours)
        if not (off <= most + (RTOL * np.abs(ours) if bare else 0)).all():
            what = "outputs" if bare else "probabilities"
            raise InputError(
                f"the exported network differs from the run's: ONNX Runtime's {what} differ by up to {off.max():.2g}, "
                f"where {most:g} is accepted; nothing was written. Report this with the run's config.yaml"
            )
        worst = max(worst, float(off.max()))
    return worst
