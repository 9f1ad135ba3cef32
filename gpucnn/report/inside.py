"""A network's kernels, and its feature maps of some test images, as a page draws them."""

import math
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.data import Dataset
from gpucnn.explain.layers import layer_facts, layer_outputs
from gpucnn.geometry import Sizes
from gpucnn.report.feature_maps import MOST_MAPS, MOST_NUMBERS, value_range
from gpucnn.report.kernels import convolutions, largest_weight, shown_kernels
from gpucnn.report.pixels import Viewer, encoded, packed, quantised
from gpucnn.report.predictions import Predictions
from gpucnn.report.subject import Subject

MAP_BYTES = 2_000_000  # of feature maps and the images they are of
KERNEL_BYTES = 400_000
MOST_IMAGES = 10
LIKELIEST = 5  # probabilities shown for an image
# How many images and, of each layer, maps are tried in turn until all have room.
SIZES = ((10, 64), (10, 32), (6, 32), (6, 16), (4, 16), (4, 8), (2, 8), (2, 4), (1, 4), (1, 1), (1, 0))


def kernels_inside(net: nn.Sequential) -> dict[str, Any]:
    """Every convolution's kernels in 8 bits, 0 being -scale and 255 scale: the largest weight of them all."""
    layers = convolutions(net)
    room = KERNEL_BYTES // max(1, len(layers))
    described = []
    for name, layer in layers:
        kernels = shown_kernels(layer)  # (O, I, *kernel)
        kernels = kernels[: max(1, room // math.prod(kernels.shape[1:]))]
        own = largest_weight([layer])
        described.append({
            "name": name,
            "kind": layer.kind,
            "of": list(layer.weight.shape[:2]),
            "shown": list(kernels.shape[:2]),
            "sizes": list(kernels.shape[2:]),
            "scale": own,
            "bytes": encoded(quantised(kernels, -own, own)),
        })  # fmt: skip
    return {"scale": largest_weight(layer for _, layer in layers), "layers": described}


def maps_inside(subject: Subject, test: Dataset, predictions: Predictions, viewer: Viewer) -> dict[str, Any] | None:
    """Every layer's feature maps of test images, the first of each class, in 8 bits from `low` to `high`.

    A layer has one scale for all images. `bytes` holds image by image `shown` of its `maps`, each of `sizes`.
    None where the images are too large for a page.
    """
    facts = list(layer_facts(subject.net, subject.image_shape))
    first = first_of_classes(test.labels)
    size = viewer.view(first[:1]).nbytes
    if size > MAP_BYTES:
        return None
    count, most = _fitting([each.output for each in facts], size, len(first))
    chosen = first[_spread(len(first), count)]
    layers = [{"name": each.name, "kind": each.layer.kind, "maps": each.output[0], "sizes": list(each.output[1:])}
              for each in facts]  # fmt: skip
    for layer, (low, high, maps) in zip(layers, _maps(subject, test.images[chosen], most), strict=True):
        layer |= {"low": low, "high": high, "shown": maps.shape[1], "bytes": encoded(quantised(maps, low, high))}
    return {
        "pictures": packed(viewer.view(chosen)),
        "images": [_described(predictions, test, image) for image in chosen.tolist()],
        "layers": layers,
        "note": viewer.note,
    }


def first_of_classes(labels: np.ndarray) -> np.ndarray:
    """The first image of each class, of at most `MOST_IMAGES` classes spread evenly over those that have any."""
    present = np.unique(labels)
    return np.array([np.flatnonzero(labels == label)[0] for label in present[_spread(len(present), MOST_IMAGES)]])


def _spread(count: int, most: int) -> np.ndarray:
    """At most `most` of the numbers below `count`, spread evenly."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def _fitting(outputs: list[Sizes], image: int, images: int) -> tuple[int, int]:
    """How many of `images`, of `image` bytes each, and how many maps of a layer are shown."""
    for count, most in SIZES:
        maps = sum(_shown(output, most) * math.prod(output[1:]) for output in outputs)
        if min(count, images) * (image + maps) <= MAP_BYTES:
            break
    return count, most


def _shown(output: Sizes, most: int) -> int:
    """Of a layer's outputs (M, *sizes) how many maps are shown, or how many single numbers."""
    return min(output[0], MOST_NUMBERS) if len(output) == 1 else min(output[0], MOST_MAPS, most)


def _maps(subject: Subject, images: np.ndarray, most: int) -> list[tuple[float, float, np.ndarray]]:
    """Of each layer the range of its values over all images, and the maps shown, (n, M, *sizes)."""
    every = []
    for image in images:  # one at a time: large ones need much memory
        outputs = layer_outputs(subject.net, subject.normalizer.apply(image[None]))
        every.append([(*value_range(maps), maps[0, : _shown(maps.shape[1:], most)]) for _, _, maps in outputs])
    layers = []
    for of_layer in zip(*every, strict=True):
        lows, highs, maps = zip(*of_layer, strict=True)
        layers.append((-max(highs) if min(lows) < 0 else 0.0, max(highs), np.stack(maps)))
    return layers


def _described(predictions: Predictions, test: Dataset, image: int) -> dict[str, Any]:
    """An image's number in the test set, its class, and the likeliest classes with their probabilities."""
    shares = predictions.probabilities[image]
    likeliest = np.argsort(-shares, kind="stable")[:LIKELIEST]
    return {
        "number": image,
        "true": int(test.labels[image]),
        "likeliest": [[int(label), round(float(shares[label]), 5)] for label in likeliest],
    }
