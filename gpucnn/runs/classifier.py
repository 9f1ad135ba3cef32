"""A trained network that takes pictures as they are in files, and returns the names of classes."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpucnn import nn
from gpucnn.data import Normalizer, Pipeline
from gpucnn.data.dataset import listed
from gpucnn.data.pipeline import blank
from gpucnn.data.views import averaged
from gpucnn.errors import CheckpointError, ConfigError
from gpucnn.notebook import table
from gpucnn.training.evaluation import BATCH_SIZE, dtype_of, outputs


class Classifier:
    """What `gpucnn.load(RUN)` returns: the network with the preprocessing of its training.

    net: the network, in evaluation mode. pipeline, normalizer: how it sees pictures. where: the run, in messages.
    """

    def __init__(
        self, net: nn.Sequential, pipeline: Pipeline, normalizer: Normalizer, where: object = "the run"
    ) -> None:
        self.net, self.pipeline, self.normalizer, self.where = net, pipeline, normalizer, where

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.pipeline.image_shape))
        what = f"{len(self.classes)} {'channels' if self.pipeline.outputs == 'pictures' else 'classes'}"
        return f"<classifier of {self.where}: pictures of {shape}, {what}>"

    def _repr_html_(self) -> str:
        """For notebooks: what it tells apart, in what pictures, and by how large a network."""
        rows = [
            ("pictures", " x ".join(map(str, self.pipeline.image_shape))),
            ("classes" if self.pipeline.outputs != "numbers" else "numbers", listed(self.classes)),
            ("parameters", sum(parameter.size for parameter in self.net.parameters())),
        ]
        return table(f"Classifier of {self.where}", (), rows)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the columns of `predict_proba`."""
        return self.pipeline.class_names

    def predict(self, pictures: Any, tta: str = "", **options: bool) -> Any:
        """The name of the likeliest class of every picture; see `predict_proba`.

        Of a network of several labels the names of those that each picture is given, a list of lists; of one of numbers
        these, (N, K). Of one that answers for each pixel the number of its class, (N, H, W) uint8; of one that answers
        with pictures these, (N, C, H, W), from black, 0, to white, 1.
        """
        answers = self.predict_proba(pictures, tta, **options)
        if self.pipeline.outputs == "pixel_logits":
            return answers.argmax(axis=1).astype(np.uint8)
        if self.pipeline.outputs == "pictures":
            return answers.clip(0, 1)
        if self.pipeline.outputs == "numbers":
            return answers
        if self.pipeline.outputs == "label_logits":
            return [self.given(shares) for shares in answers]
        return [self.classes[label] for label in answers.argmax(axis=1)]

    def given(self, probabilities: np.ndarray) -> list[str]:
        """The names of the labels that a picture is given, by its probabilities (L,) and the run's thresholds."""
        limits = self.pipeline.thresholds or ()
        return [name for name, p, limit in zip(self.classes, probabilities, limits, strict=True) if p >= limit]

    def predict_proba(self, pictures: Any, tta: str = "", **options: bool) -> np.ndarray:
        """Probabilities (N, classes) of one picture or several, or (N, classes, H, W) of their pixels.

        pictures: the path of a file, a PIL image, an array of numbers of any type, range and order of axes, or a list
        of these, with the options `invert`, `centre` and `transposed`; see `Pipeline.images`. A network that ends in
        softmax or sigmoid gives its own answer. Of several labels each has a probability of its own; of numbers these
        are returned. tta: the views of a picture over which answers are averaged, "shift", "flip" or "shift,flip"; see
        `data.views`. Warns where the ground of pictures is bright and training's was dark, or the other way round, and
        where a picture is of one colour throughout.

        Raises DataError for pictures whose axes or range are ambiguous, CheckpointError if outputs are not finite.
        """
        rows, opposed, blanks = [], 0, 0
        for some in _in_batches(pictures):
            images = self.pipeline.images(some, **options)
            opposed += int(self.pipeline.opposed(images).sum())
            blanks += int(blank(images).sum())
            rows.append(self.probabilities(images, tta))
        probabilities = np.concatenate(rows)
        if opposed:
            message = self.about_grounds(opposed, len(probabilities))
            warnings.warn(f"{message}; invert=True exchanges black and white", stacklevel=2)
        if blanks:
            warnings.warn(self.about_blanks(blanks, len(probabilities)), stacklevel=2)
        return probabilities

    def probabilities(self, images: np.ndarray, tta: str = "") -> np.ndarray:
        """Probabilities (N, classes, ...) of images (N, C, H, W) as `Pipeline.images` gives them.

        Raises CheckpointError, and ConfigError for views of answers that are as large as the image.
        """
        if tta and self.pipeline.answers_with_maps:
            raise ConfigError("tta: answers are as large as the picture and would move with it; leave it out")
        return np.concatenate([averaged(part, tta, self._answers) for part in _parts(images)])

    def _answers(self, images: np.ndarray) -> np.ndarray:
        """Probabilities (N, classes) of images as they are."""
        return self.pipeline.probabilities(self.outputs(images))

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """What the network itself says of such images, (N, classes). Raises CheckpointError."""
        dtype = dtype_of(self.net).name
        scores = np.concatenate([outputs(self.net, self.normalizer.apply(part, dtype)) for part in _parts(images)])
        check_finite(scores, self.where)
        return scores

    def about_grounds(self, opposed: int, total: int) -> str:
        """The warning for `opposed` of `total` pictures whose ground differs from that of the training images."""
        trained = self.pipeline.ground
        shown = "bright" if trained == "dark" else "dark"
        are = "1 picture has" if opposed == 1 else f"{opposed:,} pictures have"
        return f"{are} a {shown} ground (of {total:,}), and training's was {trained}: the answers may be wrong"

    @staticmethod
    def about_blanks(blanks: int, total: int) -> str:
        """What is said of `blanks` of `total` pictures that are of one colour throughout."""
        are = "1 picture is" if blanks == 1 else f"{blanks:,} pictures are"
        return f"{are} of one colour throughout (of {total:,}): nothing is to be seen there"


def check_finite(figures: np.ndarray | float, where: object) -> None:
    """Raise CheckpointError if `figures` that the trained network of the run `where` gave are not finite."""
    if not np.isfinite(figures).all():
        raise CheckpointError(
            f"{where}: the network's outputs are not finite, so its weights are damaged or were never "
            "finite; train again, with a lower learning rate (optimizer.lr)"
        )


def _in_batches(pictures: Any) -> Iterator[Any]:
    """A list of files some at a time, so that they are not all in memory; anything else as it is."""
    if isinstance(pictures, list | tuple) and all(isinstance(each, str | Path | Image.Image) for each in pictures):
        for start in range(0, max(len(pictures), 1), BATCH_SIZE):
            yield pictures[start : start + BATCH_SIZE]
    else:
        yield pictures


def _parts(images: np.ndarray) -> list[np.ndarray]:
    """The images, BATCH_SIZE at a time."""
    return [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]
