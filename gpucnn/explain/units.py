"""What the channels of a convolution like: the pictures that excite them most, and pictures made to excite them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpucnn import nn
from gpucnn.data import Normalizer
from gpucnn.errors import InputError
from gpucnn.explain.layers import LayerFacts, layer_facts
from gpucnn.explain.scores import maps_of, unit_gradients
from gpucnn.geometry import Sizes
from gpucnn.nn.layers import Convolution
from gpucnn.runs.classifier import Classifier
from gpucnn.training.evaluation import BATCH_SIZE, dtype_of

STEPS, RATE = 60, 0.06  # of the ascent; the rate is a share of the pixels' range
DECAY, SMOOTHING = 0.02, 0.15  # of each step: how far pixels return to their start, and to the mean of their neighbours
_Peaks = tuple[list[np.ndarray], list[np.ndarray]]  # of each batch the highest values of channels, and their places


class Excitement(NamedTuple):
    """Of each of M channels the n pictures that excite it most, from the most down: numbers and values, (M, n).

    units: (M, n, axes), the place of the most excited unit in the channel's map.
    """

    images: np.ndarray
    values: np.ndarray
    units: np.ndarray


def convolutions_of(net: nn.Sequential, shape: Sizes) -> dict[str, LayerFacts]:
    """The convolutions of a network for images of `shape`, by the names that `gpucnn summary` tells."""
    return {facts.name: facts for facts in layer_facts(net, shape) if isinstance(facts.layer, Convolution)}


def most_exciting(classifier: Classifier, pictures: Any, layer: str, most: int = 6, **options: bool) -> Excitement:
    """The pictures that excite each channel of the convolution `layer` most, before the activation that follows.

    pictures, options: as `Classifier.predict_proba` takes them. layer: its name, as `gpucnn summary` tells it. What the
    unit sees of its picture is `image[:, *field.of(unit, sizes)]`, with `convolutions_of(...)[layer].field`.

    Raises InputError if there is no such convolution, and for pictures that do not fit.
    """
    images = classifier.pipeline.images(pictures, **options)
    (found,) = exciting(classifier.net, classifier.normalizer, images, [layer], most)
    return found


def exciting(
    net: nn.Sequential, normalizer: Normalizer, images: np.ndarray, layers: Sequence[str], most: int
) -> list[Excitement]:
    """See `most_exciting`, for several layers; images: (N, C, *sizes) before normalisation."""
    named = [_named(net, images.shape[1:], layer) for layer in layers]
    peaks: list[_Peaks] = [([], []) for _ in named]
    for start in range(0, len(images), BATCH_SIZE):
        inputs = normalizer.apply(images[start : start + BATCH_SIZE], dtype_of(net).name)
        maps = maps_of(net, [facts.layer for facts in named], inputs)
        for (highest, places), each in zip(peaks, maps, strict=True):
            flat = each.reshape(*each.shape[:2], -1)  # (N, M, *small) -> (N, M, units)
            places.append(flat.argmax(axis=2))
            highest.append(flat.max(axis=2))
    return [_highest(*each, facts.output[1:], most) for each, facts in zip(peaks, named, strict=True)]


def _highest(highest: list[np.ndarray], places: list[np.ndarray], sizes: Sizes, most: int) -> Excitement:
    """The highest values of each channel, of maps of `sizes`: from the values and the places of batches, (N, M)."""
    values, units = np.concatenate(highest), np.concatenate(places)
    first = np.argsort(-values, axis=0, kind="stable")[:most]  # (n, M)
    chosen, at = (np.take_along_axis(each, first, axis=0).T for each in (values, units))
    return Excitement(first.T, chosen, np.stack(np.unravel_index(at, sizes), axis=-1))


def made_to_excite(classifier: Classifier, layer: str, channels: np.ndarray | None = None) -> np.ndarray:
    """A picture for each of the convolution's `channels` (n,), by default all, made to excite it: (n, C, *sizes).

    Gradient ascent on the unit amid the channel's map, from mean grey. At each step pixels are drawn back to that and
    to the mean of their neighbours, so that strokes remain of what would be noise. They are float32, in the range of
    the training images; far from what the unit sees they are grey. Raises InputError if there is no such convolution.

    Source: J. Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015.
    """
    limits = classifier.pipeline.pixels.low, classifier.pipeline.pixels.high
    shape = classifier.pipeline.image_shape
    return ascended(classifier.net, classifier.normalizer, shape, layer, limits, channels)


def ascended(
    net: nn.Sequential,
    normalizer: Normalizer,
    shape: Sizes,
    layer: str,
    limits: tuple[float, float],
    channels: np.ndarray | None = None,
) -> np.ndarray:
    """See `made_to_excite`; pixels of images of `shape` stay within `limits`."""
    facts = _named(net, shape, layer)
    channels = np.arange(facts.output[0]) if channels is None else np.asarray(channels)
    span, level = limits[1] - limits[0], (limits[0] + limits[1]) / 2
    images, axes = np.full((len(channels), *shape), level), tuple(range(1, len(shape) + 1))
    dtype = dtype_of(net).name
    with unit_gradients(net, facts.layer) as gradients:
        for _ in range(STEPS):
            slopes = gradients(normalizer.apply(images, dtype), channels) * normalizer.scale
            size = np.abs(slopes).max(axis=axes, keepdims=True)
            images += RATE * span * np.divide(slopes, size, out=np.zeros(images.shape), where=size > 0)
            images += DECAY * (level - images) + SMOOTHING * (_neighbours(images) - images)
            images = images.clip(*limits)
    return images.astype(np.float32)


def _neighbours(images: np.ndarray) -> np.ndarray:
    """The mean of the pixels beside each, along all axes of images (N, C, *sizes); the border has itself beside it."""
    total = np.zeros_like(images)
    for axis in range(2, images.ndim):
        along, sums = np.moveaxis(images, axis, 0), np.moveaxis(total, axis, 0)  # views: (size, ...)
        sums[1:] += along[:-1]
        sums[:-1] += along[1:]
        sums[0] += along[0]
        sums[-1] += along[-1]
    return total / (2 * (images.ndim - 2))


def _named(net: nn.Sequential, shape: Sizes, layer: str) -> LayerFacts:
    every = convolutions_of(net, shape)
    if layer not in every:
        raise InputError(f"{layer!r} is no convolution of this network; it has {', '.join(every) or 'none'}")
    return every[layer]
