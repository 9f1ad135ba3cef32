"""Writing a run's network for other places, each file whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gpucnn.data import Dataset
from gpucnn.errors import InputError
from gpucnn.export.c_header import About, c_header
from gpucnn.export.entry import Entry
from gpucnn.export.judged import check_agrees
from gpucnn.export.onnx import onnx_model
from gpucnn.export.page import network_page
from gpucnn.export.quantised import Quantised, emulated, quantise
from gpucnn.export.steps import steps_of
from gpucnn.export.tempered import tempered
from gpucnn.files import atomic_write
from gpucnn.runs.classifier import Classifier

CALIBRATING = 2000  # training images, at most, on which the ranges of 8 bits are found


def export_onnx(classifier: Classifier, path: Path | str, *, bare: bool = False) -> float | None:
    """Write a network as ONNX, by default with its pipeline in front and probabilities behind; `bare`: it alone.

    classifier: what `gpucnn.load` gives. Returns the largest difference of its answers from ONNX Runtime's, None where
    that is not installed. Raises InputError where the library onnx is not installed, a layer cannot be exported, or the
    answers differ.
    """
    classifier = classifier if bare else tempered(classifier)
    pipeline = classifier.pipeline
    if not bare and not pipeline.answers_with_maps:
        check_classes(classifier)
    steps = steps_of(classifier.net, pipeline.image_shape)
    entry = Entry.of(pipeline, classifier.normalizer)
    model = onnx_model(steps, pipeline.image_shape, pipeline.outputs, pipeline.class_names, None if bare else entry)
    worst = check_agrees(model, classifier, entry, bare)
    atomic_write(Path(path), model)
    return worst


def export_c(classifier: Classifier, path: Path | str, title: str = "network") -> None:
    """Write a network as a C99 header of floats, with its pipeline in front and probabilities behind.

    classifier: what `gpucnn.load` gives. Raises InputError where bytes have no meaning to the network, or a layer
    cannot be exported.
    """
    _write_c(tempered(classifier), path, About(title, classifier.classes), {})


def export_c_int8(
    classifier: Classifier, path: Path | str, training: np.ndarray, test: Dataset, title: str = "network"
) -> tuple[float, float]:
    """As `export_c`, with convolutions and linear layers in 8 bits; returns the accuracy before and after.

    training: images (N, C, H, W) on which the ranges of layers' inputs are found. test: the images of the accuracy.
    """
    check_classes(classifier)
    classifier = tempered(classifier)
    step = -(-len(training) // CALIBRATING)
    layers = quantise(classifier.net, classifier.normalizer.apply(training[::step]))
    rounded = Classifier(emulated(classifier.net, layers), classifier.pipeline, classifier.normalizer, classifier.where)
    accuracy = _accuracy(classifier, test), _accuracy(rounded, test)
    _write_c(classifier, path, About(title, classifier.classes, accuracy), layers)
    return accuracy


def _write_c(classifier: Classifier, path: Path | str, about: About, layers: Mapping[str, Quantised]) -> None:
    check_classes(classifier)
    pipeline = classifier.pipeline
    entry = Entry.of(pipeline, classifier.normalizer, bytes_only=True)
    steps = steps_of(classifier.net, pipeline.image_shape)
    atomic_write(Path(path), c_header(steps, entry, pipeline.outputs, about, layers).encode())


def check_classes(classifier: Classifier) -> None:
    """Raise InputError unless the network's answers are classes, for which all that is written here takes them."""
    what = {
        "numbers": "numbers",
        "label_logits": "several labels a picture",
        "pixel_logits": "a class per pixel",
        "pictures": "pictures",
    }.get(classifier.pipeline.outputs)
    if what is not None:
        bare = "" if classifier.pipeline.answers_with_maps else " --bare"
        raise InputError(
            f"the network of {classifier.where} answers with {what}, and expected are classes; "
            f"--onnx FILE{bare} writes the network alone"
        )


def _accuracy(classifier: Classifier, test: Dataset) -> float:
    return float((classifier.probabilities(test.images).argmax(axis=1) == test.labels).mean())


def export_page(classifier: Classifier, path: Path | str, title: str = "network") -> None:
    """Write a page in which a network answers what is drawn, and pictures that are dropped; it needs no server.

    classifier: what `gpucnn.load` gives. Raises DataError where the network takes no pictures, InputError where a layer
    cannot be exported.
    """
    check_classes(classifier)
    atomic_write(Path(path), network_page(tempered(classifier), title).encode())
