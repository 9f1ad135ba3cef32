"""Writing a run's network for other places, each file whole or not at all."""

from pathlib import Path

from gpucnn.export.entry import Entry
from gpucnn.export.judged import check_agrees
from gpucnn.export.onnx import onnx_model
from gpucnn.export.steps import steps_of
from gpucnn.files import atomic_write
from gpucnn.runs.classifier import Classifier


def export_onnx(classifier: Classifier, path: Path | str, *, bare: bool = False) -> float | None:
    """Write a network as ONNX, by default with its pipeline in front and probabilities behind; `bare`: it alone.

    classifier: what `gpucnn.load` gives. Returns the largest difference of its answers from ONNX Runtime's, None where
    that is not installed. Raises InputError where the library onnx is not installed, a layer cannot be exported, or the
    answers differ.
    """
    pipeline = classifier.pipeline
    steps = steps_of(classifier.net, pipeline.image_shape)
    entry = Entry.of(pipeline, classifier.normalizer)
    model = onnx_model(steps, pipeline.image_shape, pipeline.outputs, pipeline.class_names, None if bare else entry)
    worst = check_agrees(model, classifier, entry, bare)
    atomic_write(Path(path), model)
    return worst
