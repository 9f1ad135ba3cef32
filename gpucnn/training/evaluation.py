"""Evaluation and prediction: loss, figures per class and probabilities of a network on images."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.backend import to_device, to_host
from gpucnn.data.loader import Batch, Data, as_batches, to_batch_last
from gpucnn.data.normalize import Normalizer
from gpucnn.data.pipeline import Outputs, as_probabilities
from gpucnn.errors import DataError
from gpucnn.metrics import classify
from gpucnn.nn import Module
from gpucnn.tensor import Tensor, no_grad
from gpucnn.threads import one_blas_thread
from gpucnn.training.class_numbers import class_numbers
from gpucnn.training.given import as_images
from gpucnn.training.inference import CapturedNetwork
from gpucnn.training.kinds import MAPS, Kind, kind_of
from gpucnn.training.losses import CrossEntropy, Loss
from gpucnn.training.map_scores import PictureScores, PixelScores, picture_scores, pixel_scores
from gpucnn.training.records import StepResult
from gpucnn.training.scores import LabelScores, NumberScores, label_scores, number_scores
from gpucnn.training.shares import Shares
from gpucnn.training.state import Tally
from gpucnn.training.step import forward, measure

BATCH_SIZE = 256  # images at a time where no gradients are kept
Scores = LabelScores | NumberScores | PixelScores | PictureScores


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of a network on a data set. `loss` and `accuracy` are means over images.

    `accuracy` and `classification` are None where labels are no classes; there are `scores` where these are several an
    image, numbers, or as large as the images. `probabilities` (N, C) are in the data's order; of labels that are
    numbers, the numbers; None where labels are as large as the images, which takes much memory.
    """

    loss: float
    accuracy: Any
    classification: Any
    probabilities: Any
    scores: Scores | None = None


def evaluate(
    net: Module, data: Data, loss: Loss | None = None, batch_size: int = BATCH_SIZE, shares: Shares | None = None
) -> Evaluation:
    """Evaluate `net`, in evaluation mode, on all images of `data`; `loss` is cross-entropy by default.

    Processes that have `shares` compute a part of each batch, and all return the same.
    """
    loss, shares = CrossEntropy() if loss is None else loss, Shares() if shares is None else shares
    batches, tally = as_batches(data, batch_size, dtype_of(net).name), Tally()
    kept = Answers(loss)
    with evaluating(net):
        captured = CapturedNetwork(net)
        for share in shares.batches(batches, epoch=0):
            result, output = evaluate_batch(captured, loss, share.batch)
            tally.add(shares.sum(result, share.of)())
            kept.add(shares.gather(to_host(share.batch.labels), share.of), shares.gather(output, share.of))
    if kept.sums is not None:
        return Evaluation(tally.loss, None, None, None, kept.sums)
    scores, labels = kept.outputs, kept.labels  # (N, C)
    kind = kind_of(loss, labels)
    probabilities = as_probabilities(scores, outputs_to(kind, net))
    if kind != "classes":
        return Evaluation(tally.loss, None, None, probabilities, scores_of(loss, labels, scores))
    numbers = class_numbers(labels)
    counted = numbers != getattr(loss, "ignore_index", None)
    figures = classify(numbers[counted], scores.argmax(axis=1)[counted], scores.shape[1])
    return Evaluation(tally.loss, figures.accuracy, figures, probabilities)


class Answers:
    """Labels and outputs of minibatches: all of them, or where they are as large as images the sums of their figures.

    everything: keep all in any case.
    """

    def __init__(self, loss: Loss, everything: bool = False) -> None:
        self._loss, self._everything = loss, everything
        self._labels: list[np.ndarray] = []
        self._outputs: list[np.ndarray] = []
        self.sums: Any = None  # Scores

    def add(self, labels: np.ndarray, outputs: np.ndarray) -> None:
        """Take in a minibatch: labels (n, ...), outputs (n, C, ...)."""
        maps = kind_of(self._loss, labels) in MAPS
        if maps:
            scores = scores_of(self._loss, labels, outputs)
            self.sums = scores if self.sums is None else self.sums + scores
        if not maps or self._everything:
            self._labels.append(labels)
            self._outputs.append(outputs)

    @property
    def labels(self) -> np.ndarray:
        """Those that were kept, (N, ...)."""
        return np.concatenate(self._labels)

    @property
    def outputs(self) -> np.ndarray:
        """Those that were kept, (N, C, ...)."""
        return np.concatenate(self._outputs)

    @property
    def scores(self) -> Scores | None:
        """The figures of all; None for classes."""
        return scores_of(self._loss, self.labels, self.outputs) if self.sums is None else self.sums


def scores_of(loss: Loss, labels: np.ndarray, outputs: np.ndarray) -> Scores | None:
    """The figures of a network's outputs (N, C, ...) against labels that are no class an image; None for classes."""
    kind = kind_of(loss, labels)
    if kind == "pixels":
        return pixel_scores(labels, outputs, getattr(loss, "ignore_index", None))
    if kind == "pictures":
        return picture_scores(labels, outputs)
    if kind == "several":
        return label_scores(labels, as_probabilities(outputs, "label_logits"), getattr(loss, "threshold", 0.5))
    if kind == "numbers":
        return number_scores(labels[:, None] if labels.ndim == 1 else labels, outputs)
    return None


def outputs_to(kind: Kind | None, net: Module) -> Outputs:
    """What the network's outputs are where labels are of this kind."""
    if kind == "several":
        return "label_logits"
    if kind == "pixels":
        return "pixel_logits"
    if kind == "pictures":
        return "pictures"
    return "numbers" if kind == "numbers" else outputs_of(net)


def predict(net: Module, images: np.ndarray, batch_size: int = BATCH_SIZE, kind: Kind | None = None) -> np.ndarray:
    """Class probabilities (N, C) of `images` (N, C, H, W), such as a Loader without a normalizer takes them.

    Pixels of a usual range become fractions of 1, whatever their type; other numbers are the network's inputs. `kind`
    as for `inputs_to_probabilities`. Raises DataError if there are none.
    """
    images = as_images(images)
    _check_some(images)
    inputs = Normalizer.of_fractions(images).apply(images, dtype_of(net).name)
    return inputs_to_probabilities(net, inputs, batch_size, kind)


def inputs_to_probabilities(
    net: Module, inputs: np.ndarray, batch_size: int = BATCH_SIZE, kind: Kind | None = None
) -> np.ndarray:
    """Class probabilities (N, C) of the network's inputs (N, C, H, W), which are normalised already.

    `kind` says what labels are, by default classes; of numbers the answers are the numbers.
    """
    return as_probabilities(outputs(net, inputs, batch_size), outputs_to(kind, net))


def outputs(net: Module, inputs: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
    """What `net`, in evaluation mode, makes of its inputs (N, C, H, W), which are normalised already: (N, K, ...)."""
    inputs = as_images(inputs)
    _check_some(inputs)
    dtype, rows = dtype_of(net).name, []
    with evaluating(net):
        captured = CapturedNetwork(net)
        for start in range(0, len(inputs), batch_size):
            array = to_device(to_batch_last(inputs[start : start + batch_size], dtype))
            rows.append(captured(Tensor.from_batch_last(array)).numpy())
    return np.concatenate(rows)


def _check_some(images: np.ndarray) -> None:
    if images.ndim < 2 or not len(images):
        raise DataError(f"predict got images of shape {images.shape}; expected at least one, (N, C, H, W)")


@np.errstate(all="ignore")  # overflow shows in the loss
def evaluate_batch(net: Module | CapturedNetwork, loss: Loss, batch: Batch) -> tuple[StepResult, np.ndarray]:
    """The result of one minibatch and the network's output (N, C, ...). Call this inside `evaluating`."""
    output, value = forward(net, loss, batch)
    return measure(loss, batch, output, value), output.numpy()


@contextlib.contextmanager
def evaluating(net: Module) -> Iterator[None]:
    """Evaluation mode without gradients; on exit every module returns to its mode."""
    with in_evaluation_mode(net), no_grad():
        yield


@contextlib.contextmanager
def in_evaluation_mode(net: Module) -> Iterator[None]:
    """Evaluation mode; on exit every module returns to its mode."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with one_blas_thread():
            yield
    finally:
        for module, training in modes:
            module.training = training


def dtype_of(net: Module) -> np.dtype:
    """The dtype a network computes in: its first parameter's; float32 if it has none."""
    return next((parameter.dtype for parameter in net.parameters()), np.dtype(np.float32))


def outputs_of(net: Module) -> Outputs:
    """What the network's outputs are: probabilities if it ends in softmax or sigmoid, their logarithms, or logits."""
    last = net
    while isinstance(last, nn.Sequential) and len(last):
        last = last[-1]
    if last is net and not isinstance(net, nn.Sequential):  # of a class of the user's own: the module set last
        last = list(net.modules())[-1]
    if isinstance(last, nn.Softmax | nn.Sigmoid):
        return "probabilities"
    return "log_probabilities" if isinstance(last, nn.LogSoftmax) else "logits"
