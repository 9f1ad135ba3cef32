"""A network's answer to a drawing: probabilities and every layer's output, fit for JSON.

Outputs and kernels are given as bytes, one for a value: 127 is 0, and 127 more or less is the largest magnitude of the
layer, its `peak`. So a layer's pictures share one scale, symmetric about 0.
"""

import base64
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.data.centring import centred, resampled, whole
from gpucnn.data.ranges import BYTE
from gpucnn.draw.drawing import Drawing
from gpucnn.errors import DataError
from gpucnn.explain.layers import LayerFacts, layer_facts, layer_outputs
from gpucnn.explain.maps import grad_cams, last_convolution
from gpucnn.report.pixels import quantised
from gpucnn.runs.classifier import Classifier
from gpucnn.training.evaluation import dtype_of

MOST_MAPS = 32  # of a layer's maps
MOST_UNITS = 512  # of a layer without maps
MOST_SLICES = 16  # of a kernel's input channels
LONGEST = 56  # pixels of a map's side
ZERO = 127  # the byte that stands for it

Output = tuple[str, nn.Module, np.ndarray]  # a layer's name, the layer, its output (1, ...)


class Reader:
    """A trained network that reads drawings.

    Raises DataError for one that does not take pictures of one channel or three, in a range that pictures have.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier, image_shape = classifier, classifier.pipeline.image_shape
        if len(image_shape) != 3 or image_shape[0] not in (1, 3):
            raise DataError(
                f"the network takes no picture of one channel or three, but {' x '.join(map(str, image_shape))}; "
                "draw for one that does, or give this one arrays from Python: gpucnn.load(RUN)"
            )
        self.net, self.image_shape = classifier.net, image_shape
        self.explains = last_convolution(self.net)
        classifier.pipeline.pixels.fit(np.zeros(1, np.uint8), BYTE)  # refuses a range that drawings have not

    def describe(self) -> dict[str, Any]:
        """The parts that do not depend on the drawing: classes, layers, kernels."""
        blank = np.zeros(self.image_shape, np.uint8)
        return {
            "image": self.image_shape,
            "classes": self.classifier.classes,
            "bright": self.classifier.pipeline.ground == "bright",
            "zero": ZERO,
            "explains": self.explains,
            "layers": [
                {**_description(name, layer, output[0]), "field": _field(facts)}
                for (name, layer, output), facts in zip(
                    self._outputs(blank), layer_facts(self.net, self.image_shape), strict=True
                )
            ],
        }

    def answer(self, drawing: Drawing) -> dict[str, Any]:
        """The image (H, W) that the drawing becomes, the probabilities, each layer's output, and why: Grad-CAM (H, W).

        The last, of the likeliest class, in bytes up to the largest, is None where there is no convolution.
        """
        image = self.image_of(drawing)
        shares = self.classifier.probabilities(self._fitted(image))[0]
        return {
            "image": _text(image[0]),
            "probabilities": shares.tolist(),
            "why": None if self.explains is None else self._why(image, int(shares.argmax())),
            "layers": [_shades(_shown(output[0])) for _, _, output in self._outputs(image)],
        }

    def image_of(self, drawing: Drawing) -> np.ndarray:
        """The drawing as the network's images were before they were normalised: (C, H, W), uint8."""
        _, height, width = self.image_shape
        grey = (centred if drawing.centre else whole)(drawing.ink, (height, width))
        return np.broadcast_to(255 - grey if drawing.invert else grey, self.image_shape)

    def _fitted(self, image: np.ndarray) -> np.ndarray:
        """(C, H, W) of 0..255 -> (1, C, H, W) in the range of the training images."""
        return self.classifier.pipeline.pixels.fit(image[None], BYTE)

    def _inputs(self, image: np.ndarray) -> np.ndarray:
        return self.classifier.normalizer.apply(self._fitted(image), dtype_of(self.net).name)

    def _outputs(self, image: np.ndarray) -> Iterator[Output]:
        return layer_outputs(self.net, self._inputs(image))

    def _why(self, image: np.ndarray, label: int) -> str:
        (found,), _ = grad_cams(self.net, self._inputs(image), np.array([label]), self.explains)
        return _text(quantised(found, 0, float(found.max()) or 1.0))


def _description(name: str, layer: nn.Module, output: np.ndarray) -> dict[str, Any]:
    """A layer: its number of maps (or units), how many of them are shown, and their size."""
    shown = _shown(output)
    return {
        "name": f"{name} {getattr(layer, 'kind', type(layer).__name__)}",
        "shape": output.shape,
        "shown": len(shown),
        "size": shown.shape[1:],
        "kernels": _kernels(layer.weight.numpy()) if isinstance(layer, nn.Conv2d) else None,
    }


def _field(facts: LayerFacts) -> dict[str, Any] | None:
    """What the units of a layer's maps see, as a `ReceptiveField` tells it; None for a layer without maps."""
    return facts.field.facts() if len(facts.output) == 3 else None


def _kernels(weight: np.ndarray) -> dict[str, Any]:
    """The kernels, of weights (O, I, kh, kw), of the maps that are shown, each with some of its slices."""
    shown = weight[:MOST_MAPS, :MOST_SLICES]
    return {"slices": weight.shape[1], "shown": shown.shape[1], "size": weight.shape[2:], **_shades(shown)}


def _shown(output: np.ndarray) -> np.ndarray:
    """The part of a layer's output, (C, H, W) or (F,), that is shown: limited in maps, their size, and units."""
    if output.ndim == 1:
        return output[:MOST_UNITS]
    maps = output[:MOST_MAPS]
    height, width = maps.shape[1:]
    shrink = max(1, math.ceil(max(height, width) / LONGEST))
    return maps if shrink == 1 else resampled(maps, (math.ceil(height / shrink), math.ceil(width / shrink)))


def _shades(values: np.ndarray) -> dict[str, Any]:
    """Values as bytes, and the magnitude that 127 steps of them stand for. Raises DataError unless they are finite."""
    peak = float(np.abs(values).max())
    if not math.isfinite(peak):
        raise DataError("the network's weights or answers are not finite; train it again, with a lower learning rate")
    scaled = values * (ZERO / peak) if peak else values
    return {"peak": peak, "bytes": _text((np.rint(scaled) + ZERO).astype(np.uint8))}


def _text(pixels: np.ndarray) -> str:
    return base64.b64encode(pixels.tobytes()).decode()
