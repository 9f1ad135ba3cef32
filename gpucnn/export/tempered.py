"""A calibrated network as one whose softmax needs no temperature."""

import math

import numpy as np

from gpucnn import nn
from gpucnn.runs.classifier import Classifier


def tempered(classifier: Classifier) -> Classifier:
    """The same classifier with its temperature as a layer of the network, before a softmax; itself where it is 1.

    That layer is a batch normalisation which only divides.
    """
    pipeline = classifier.pipeline
    if pipeline.temperature == 1:
        return classifier
    classes = len(pipeline.class_names)
    divide = nn.BatchNorm1d(classes)
    weight = np.full(classes, math.sqrt(1 + divide.eps) / pipeline.temperature)
    divide.load_state_dict(divide.state_dict() | {"weight": weight})
    layers = list(classifier.net)
    place = len(layers) - (pipeline.outputs != "logits")
    net = nn.Sequential(*layers[:place], divide, *layers[place:]).eval()
    return Classifier(net, pipeline.model_copy(update={"temperature": 1.0}), classifier.normalizer, classifier.where)
