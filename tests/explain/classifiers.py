"""Classifiers made without training, for tests of what explains them."""

import numpy as np

from gpucnn import nn
from gpucnn.data import Dataset, Fingerprint, Normalizer, Pipeline
from gpucnn.data.normalize import Normalization
from gpucnn.runs.classifier import Classifier
from gpucnn.training.evaluation import outputs_of


def classifier_of(
    net: nn.Sequential, images: np.ndarray, names: tuple[str, ...], normalize: Normalization = "unit"
) -> Classifier:
    """The classifier that a run of `net`, trained on `images`, would be."""
    data = Dataset(images, np.arange(len(images)) % len(names), names)
    pipeline = Pipeline.of(data, Fingerprint.of("by hand", {"train": data}), outputs_of(net))
    return Classifier(net.eval(), pipeline, Normalizer.fit(normalize, data))
