"""Maps of what in an image speaks for a class: of a network and its inputs, (N, C, *sizes) -> (N, *sizes).

Images have any number of axes: pictures (C, H, W), signals (C, W), volumes (C, D, H, W).
"""

import itertools
from collections.abc import Iterator

import numpy as np

from gpucnn import nn
from gpucnn.data import Normalizer
from gpucnn.errors import InputError
from gpucnn.explain.layers import LayerFacts, layer_facts
from gpucnn.explain.scores import gradients, inside, scores
from gpucnn.functional.activation import ACTIVATIONS
from gpucnn.geometry import ReceptiveField, Sizes
from gpucnn.nn.layers import Convolution
from gpucnn.nn.normalization import BatchNorm
from gpucnn.training.evaluation import BATCH_SIZE, dtype_of

PATCHES = 7  # that cover a side of an image, where occlusion is not told their size


def grad_cams(
    net: nn.Sequential, inputs: np.ndarray, labels: np.ndarray, layer: str | None = None
) -> tuple[np.ndarray, str]:
    """Grad-CAM of the classes `labels` (N,): maps of at least 0, and the name of the convolution they are from.

    The convolution's maps, behind the normalisation and the activation that follow it, are summed, each weighted by
    the mean of the score's gradient by it; what speaks against the class is cut off at 0. Every unit stands at the
    centre of its receptive field, and pixels between are interpolated.

    layer: the convolution's name, as `gpucnn summary` tells it; by default the last. Raises InputError if there is
    none of that name.

    Source: R. Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, 2017.
    """
    name, seen = convolution_of(net, inputs.shape[1:], layer)
    values, slopes = inside(net, seen.layer, inputs, labels)  # (N, M, *small)
    small = tuple(range(2, values.ndim))
    weights = slopes.mean(axis=small, keepdims=True)  # (N, M, 1, ...)
    maps = np.maximum((weights * values).sum(axis=1), 0)  # (N, *small)
    return spread(maps, seen.field, inputs.shape[2:]), name


def convolution_of(net: nn.Sequential, shape: Sizes, layer: str | None = None) -> tuple[str, LayerFacts]:
    """The name of the convolution `layer`, or the last, and the last layer that changes its values but not its units.

    shape: (C, *sizes) of the network's inputs. Raises InputError if there is no such convolution.
    """
    every = list(layer_facts(net, shape))
    places = {facts.name: place for place, facts in enumerate(every) if isinstance(facts.layer, Convolution)}
    if not places:
        raise InputError("Grad-CAM is of a convolution, and this network has none; saliency and occlusion need none")
    name = list(places)[-1] if layer is None else layer
    if name not in places:
        raise InputError(f"Grad-CAM: {layer!r} is no convolution of this network; give one of {', '.join(places)}")
    container = name.rpartition(".")[0]
    place = places[name]
    while (
        place + 1 < len(every)
        and every[place + 1].name.rpartition(".")[0] == container
        and _is_unitwise(every[place + 1].layer)
    ):
        place += 1
    return name, every[place]


def last_convolution(net: nn.Sequential) -> str | None:
    """The name of the network's last convolution; None if it has none."""
    names = [name for name, layer in net.named_modules() if isinstance(layer, Convolution)]
    return names[-1] if names else None


def _is_unitwise(layer: nn.Module) -> bool:
    return isinstance(layer, BatchNorm) or getattr(layer, "kind", None) in ACTIVATIONS


def spread(maps: np.ndarray, field: ReceptiveField, sizes: Sizes) -> np.ndarray:
    """Maps (N, *small) of units with the receptive field `field`, on an image's pixels: (N, *sizes).

    A unit's value stands at the centre of its field; between two centres values are interpolated linearly.
    """
    for axis, size in enumerate(sizes):
        units = maps.shape[1 + axis]
        start, jump, reach = (float(each[axis]) for each in (field.start, field.jump, field.size))
        centres = start + np.arange(units) * jump + (reach - 1) / 2
        shares = np.stack([np.interp(np.arange(size), centres, unit) for unit in np.eye(units)])  # (units, size)
        maps = np.moveaxis(np.tensordot(maps, shares, (1 + axis, 0)), -1, 1 + axis)
    return maps


def saliencies(net: nn.Sequential, normalizer: Normalizer, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How much the score of class labels[n] changes with each pixel of image n: |d score / d pixel|.

    images: (N, C, *sizes) before normalisation, so that the change is by one step of their pixels. Of several channels
    it is the largest.

    Source: K. Simonyan, A. Vedaldi, A. Zisserman, Deep Inside Convolutional Networks, 2014.
    """
    return np.abs(_by_pixels(net, normalizer, images, labels)).max(axis=1)


def smoothed(
    net: nn.Sequential,
    normalizer: Normalizer,
    image: np.ndarray,
    label: int,
    samples: int,
    noise: float,
    seed: int,
) -> np.ndarray:
    """`saliencies` of the mean gradient over noisy copies of one image (C, *sizes): (*sizes).

    noise: the standard deviation of what is added to its pixels, as a share of their range.

    Source: D. Smilkov et al., SmoothGrad: Removing Noise by Adding Noise, 2017.
    """
    rng = np.random.default_rng(seed)
    deviation = noise * float(np.ptp(image.astype(np.float64)))
    total = np.zeros(image.shape)
    for start in range(0, samples, BATCH_SIZE):
        count = min(BATCH_SIZE, samples - start)
        noisy = image + deviation * rng.standard_normal((count, *image.shape))
        total += _by_pixels(net, normalizer, noisy, np.full(count, label)).sum(axis=0, dtype=np.float64)
    return np.abs(total / samples).max(axis=0)


def _by_pixels(net: nn.Sequential, normalizer: Normalizer, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return gradients(net, _normalised(net, normalizer, images), labels) * normalizer.scale


def _normalised(net: nn.Sequential, normalizer: Normalizer, images: np.ndarray) -> np.ndarray:
    return normalizer.apply(images, dtype_of(net).name)


def occluded(
    net: nn.Sequential,
    normalizer: Normalizer,
    image: np.ndarray,
    label: int,
    ground: np.ndarray,
    size: Sizes,
    stride: Sizes,
) -> np.ndarray:
    """How far the score of class `label` falls where a patch covers the image (C, *sizes): (*sizes).

    The patch, of `size` pixels and of the colour `ground` (C,), moves by `stride`. A pixel has the mean of the falls
    by the patches that covered it; below 0 the score rose.

    Source: M. Zeiler, R. Fergus, Visualizing and Understanding Convolutional Networks, 2014.
    """
    sizes = image.shape[1:]
    patches = list(_patches(sizes, size, stride))
    whole = scores(net, _normalised(net, normalizer, image[None]))[0, label]
    falls, times = np.zeros(sizes), np.zeros(sizes)
    for start in range(0, len(patches), BATCH_SIZE):
        some = patches[start : start + BATCH_SIZE]
        images = np.repeat(image[None], len(some), axis=0)
        for covered, patch in zip(images, some, strict=True):
            covered[:, *patch] = ground.reshape(-1, *(1,) * len(sizes))  # (C,) -> (C, 1, 1)
        for patch, score in zip(some, scores(net, _normalised(net, normalizer, images))[:, label], strict=True):
            falls[patch] += whole - score
            times[patch] += 1
    return falls / times


def _patches(sizes: Sizes, size: Sizes, stride: Sizes) -> Iterator[tuple[slice, ...]]:
    """Where the patch lies, in turn; the last along each axis ends with the image, so that every pixel is covered."""
    firsts = [
        [*range(0, side - reach, step), side - reach] for side, reach, step in zip(sizes, size, stride, strict=True)
    ]
    for corner in itertools.product(*firsts):
        yield tuple(slice(first, first + reach) for first, reach in zip(corner, size, strict=True))
