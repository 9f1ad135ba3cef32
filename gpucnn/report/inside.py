"""What is inside a network, as a page draws it: its kernels, and its feature maps of chosen test images."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.data import Dataset
from gpucnn.report.architecture import layer_outputs
from gpucnn.report.feature_maps import shown_maps, value_range
from gpucnn.report.kernels import convolutions, largest_weight, shown_kernels
from gpucnn.report.pixels import Viewer, encoded, packed, quantised
from gpucnn.report.subject import Subject
from gpucnn.report.verdicts import Verdicts

MAP_BYTES = 2_000_000  # of feature maps and the images they are of
KERNEL_BYTES = 400_000
MOST_IMAGES = 10
LIKELIEST = 5  # probabilities told of an image
# How many images and, of each layer, maps are tried in turn until all have room.
SIZES = ((10, 64), (10, 32), (6, 32), (6, 16), (4, 16), (4, 8), (2, 8), (2, 4), (1, 4), (1, 1), (1, 0))


def kernels_inside(net: nn.Sequential) -> dict[str, Any]:
    """Every convolution's kernels in 8 bits, 0 being -scale and 255 scale: the largest weight of them all."""
    layers = convolutions(net)
    room = KERNEL_BYTES // max(1, len(layers))
    told = []
    for name, layer in layers:
        kernels = shown_kernels(layer)  # (O, I, *kernel)
        kernels = kernels[: max(1, room // math.prod(kernels.shape[1:]))]
        own = largest_weight([layer])
        told.append({
            "name": name,
            "kind": layer.kind,
            "of": list(layer.weight.shape[:2]),
            "shown": list(kernels.shape[:2]),
            "sizes": list(kernels.shape[2:]),
            "scale": own,
            "bytes": encoded(quantised(kernels, -own, own)),
        })  # fmt: skip
    return {"scale": largest_weight(layer for _, layer in layers), "layers": told}


def maps_inside(subject: Subject, test: Dataset, verdicts: Verdicts, viewer: Viewer) -> dict[str, Any]:
    """Every layer's feature maps of test images, the first of each class, in 8 bits from `low` to `high`.

    A layer has one scale for all images. `bytes` holds image by image `shown` of its `maps`, each of `sizes`.
    """
    chosen = first_of_classes(test.labels)
    pictures = viewer.view(chosen)  # (n, K, D, H, W)
    layers = list(_layers(subject, test.images[chosen]))
    rows, most = _fitting(pictures, [values for _, values in layers])
    for told, values in layers:
        shown = _shown(values, rows, most)
        told |= {"shown": shown.shape[1], "bytes": encoded(shown)}
    return {
        "pictures": packed(pictures[rows]),
        "images": [_told(verdicts, test, image) for image in chosen[rows].tolist()],
        "layers": [told for told, _ in layers],
        "note": viewer.note,
    }


def first_of_classes(labels: np.ndarray) -> np.ndarray:
    """The first image of each class, of at most `MOST_IMAGES` classes spread evenly over those that have any."""
    present = np.unique(labels)
    return np.array([np.flatnonzero(labels == label)[0] for label in present[_spread(len(present), MOST_IMAGES)]])


def _spread(count: int, most: int) -> np.ndarray:
    """At most `most` of the numbers below `count`, spread evenly."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def _fitting(pictures: np.ndarray, layers: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """Which images, and how many maps of a layer, there is room for."""
    for count, most in SIZES:
        rows = _spread(len(pictures), count)
        if pictures[rows].nbytes + sum(_shown(values, rows, most).nbytes for values in layers) <= MAP_BYTES:
            break
    return rows, most


def _shown(values: np.ndarray, rows: np.ndarray, most: int) -> np.ndarray:
    """Of maps (n, M, *sizes) those shown; single numbers (n, M) are all shown."""
    return values[rows, :most] if values.ndim > 2 else values[rows]


def _layers(subject: Subject, images: np.ndarray) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """What is told of each layer, and as many of its maps as are ever shown, (n, M, *sizes) uint8."""
    for name, layer, maps in layer_outputs(subject.net, subject.normalizer.apply(images)):
        low, high = value_range(maps)
        told = {
            "name": name,
            "kind": getattr(layer, "kind", type(layer).__name__),
            "maps": maps.shape[1],
            "sizes": list(maps.shape[2:]),
            "low": low,
            "high": high,
        }
        yield told, quantised(maps[:, : len(shown_maps(maps[0]))], low, high)


def _told(verdicts: Verdicts, test: Dataset, image: int) -> dict[str, Any]:
    """An image's number in the test set, its class, and the likeliest classes with their probabilities."""
    shares = verdicts.probabilities[image]
    likeliest = np.argsort(-shares, kind="stable")[:LIKELIEST]
    return {
        "number": image,
        "true": int(test.labels[image]),
        "likeliest": [[int(label), round(float(shares[label]), 5)] for label in likeliest],
    }
