"""Why a trained network gives a picture, as a file holds it, its class: maps in the picture's own pixels."""

from typing import Any

import numpy as np

from gpucnn.data.layouts import resized
from gpucnn.errors import InputError
from gpucnn.explain.maps import PATCHES, grad_cams, occluded, saliencies, smoothed
from gpucnn.geometry import PerAxis, Sizes, per_axis
from gpucnn.runs.classifier import Classifier
from gpucnn.training.evaluation import dtype_of


def grad_cam(
    classifier: Classifier, image: Any, label: Any = None, *, layer: str | None = None, **options: bool
) -> np.ndarray:
    """Where a convolution found what speaks for the class: Grad-CAM, (H, W), 0 and more.

    classifier: `gpucnn.load(RUN)`. image: one picture, as `Classifier.predict` takes it, with the options `invert` and
    `transposed`. label: the name of a class; by default the one that is predicted. layer: a convolution's name, as
    `gpucnn summary` tells it, such as "3"; by default the last. See `maps.grad_cams`.

    The map has the picture's own height and width; of signals it is (W,), of volumes (D, H, W). The network is as
    before afterwards. Raises InputError where there is no such class, convolution or picture, and for several.
    """
    shown = _Shown(classifier, image, options)
    inputs = classifier.normalizer.apply(shown.images, dtype_of(classifier.net).name)
    maps, _ = grad_cams(classifier.net, inputs, np.array([shown.label(label)]), layer)
    return shown.of_its_size(maps[0])


def occlusion(
    classifier: Classifier,
    image: Any,
    label: Any = None,
    *,
    size: PerAxis | None = None,
    stride: PerAxis | None = None,
    **options: bool,
) -> np.ndarray:
    """How far the class's score falls where a patch of the ground covers the picture, (H, W). See `grad_cam`.

    size, stride: of the patch, in pixels of the network's input; by default a seventh of each side, and half of that.
    The ground is that of the training images, or where they have none in common, the picture's mean colour. See
    `maps.occluded`.
    """
    shown = _Shown(classifier, image, options)
    sizes = shown.images.shape[2:]
    patch = _patch("size", tuple(max(1, round(side / PATCHES)) for side in sizes) if size is None else size, sizes)
    step = _patch("stride", tuple(max(1, side // 2) for side in patch) if stride is None else stride, patch)
    falls = occluded(
        classifier.net, classifier.normalizer, shown.images[0], shown.label(label), shown.ground(), patch, step
    )
    return shown.of_its_size(falls)


def saliency(classifier: Classifier, image: Any, label: Any = None, **options: bool) -> np.ndarray:
    """How much the class's score changes with each pixel, (H, W): the gradient's magnitude. See `grad_cam`.

    The change is by one step of the training images' pixels, which go from 0 to 255 where they are bytes. See
    `maps.saliencies`.
    """
    shown = _Shown(classifier, image, options)
    labels = np.array([shown.label(label)])
    return shown.of_its_size(saliencies(classifier.net, classifier.normalizer, shown.images, labels)[0])


def smooth_grad(
    classifier: Classifier,
    image: Any,
    label: Any = None,
    *,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
    **options: bool,
) -> np.ndarray:
    """`saliency` of the mean gradient over `samples` copies of the picture with noise, (H, W). See `grad_cam`.

    noise: its standard deviation, as a share of the range of the picture's pixels. Equal seeds give equal maps. See
    `maps.smoothed`.
    """
    if samples < 1 or not noise >= 0:
        raise InputError(f"smooth_grad: samples={samples}, noise={noise}; expected at least 1, and 0 or more")
    shown = _Shown(classifier, image, options)
    label = shown.label(label)
    found = smoothed(classifier.net, classifier.normalizer, shown.images[0], label, samples, noise, seed)
    return shown.of_its_size(found)


class _Shown:
    """One picture as the network sees it: `images` (1, C, H, W) before normalisation."""

    def __init__(self, classifier: Classifier, picture: Any, options: dict[str, bool]) -> None:
        if "centre" in options:
            raise InputError("a picture is explained as it is; centre it first: classifier.pipeline.images(...)")
        self._classifier, self._turned = classifier, options.get("transposed", False)
        self.images = classifier.pipeline.images(picture, **options)
        if len(self.images) != 1:
            raise InputError(f"one picture is explained at a time; given {len(self.images)}")
        one = picture[0] if isinstance(picture, list | tuple) and len(picture) == 1 else picture
        self._size = classifier.pipeline.size_of(one, transposed=self._turned)

    def label(self, name: Any) -> int:
        """The number of the class of that name, or of the likeliest."""
        classes = self._classifier.classes
        if name is None:
            return int(self._classifier.probabilities(self.images)[0].argmax())
        if str(name) not in classes:
            raise InputError(f"there is no class {str(name)!r}; the classes are {', '.join(classes):.200}")
        return classes.index(str(name))

    def ground(self) -> np.ndarray:
        """The colour, (C,), of what surrounds the objects of the training images; else the picture's mean."""
        pixels, ground = self._classifier.pipeline.pixels, self._classifier.pipeline.ground
        if ground is not None:
            return np.full(self.images.shape[1], pixels.low if ground == "dark" else pixels.high)
        return self.images[0].reshape(self.images.shape[1], -1).mean(axis=1)  # (C, H, W) -> (C, H*W) -> (C,)

    def of_its_size(self, found: np.ndarray) -> np.ndarray:
        """A map of the network's input, stretched to the picture's own pixels."""
        if self._turned:
            found = found.T
        if found.shape == self._size:
            return found
        height, width = self._size
        return resized(found[None, None], (height, width))[0, 0]


def _patch(option: str, value: PerAxis, most: Sizes) -> Sizes:
    """The size or stride of a patch along each axis. Raises InputError for those above `most`.

    A size is at most the image's, or there is no patch; a stride at most the patch's, or pixels are never covered.
    """
    given = per_axis("occlusion", option, value, len(most), least=1)
    if any(each > limit for each, limit in zip(given, most, strict=True)):
        raise InputError(f"occlusion: {option} is {value}; expected at most {most}")
    return given
