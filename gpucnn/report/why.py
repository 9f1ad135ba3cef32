"""Why the network was mistaken: Grad-CAM on the mistakes that a page shows."""

import math
from typing import Any

import numpy as np

from gpucnn.explain.maps import grad_cams, last_convolution
from gpucnn.report.pixels import Viewer, encoded, quantised
from gpucnn.report.subject import Subject

AT_ONCE = 32_000  # pixels: large pictures need much memory


def cams(subject: Subject, images: np.ndarray, labels: np.ndarray, viewer: Viewer) -> dict[str, Any] | None:
    """Grad-CAM of test images for the classes `labels`, each as large as the small picture of its image.

    images: their numbers (n,), of which there are test images. The values are bytes, 255 being each map's largest. None
    where there are no images, or the network has no convolution.
    """
    layer, maps = last_convolution(subject.net), []
    if layer is None or not len(images):
        return None
    some = max(1, AT_ONCE // math.prod(subject.image_shape))
    for start in range(0, len(images), some):
        shown = subject.test.images[images[start : start + some]]  # type: ignore[union-attr]
        inputs = subject.normalizer.apply(shown, subject.config["dtype"])
        found, _ = grad_cams(subject.net, inputs, labels[start : start + some], layer)
        maps += [quantised(each, 0, float(each.max()) or 1.0) for each in found]
    small = viewer.of(np.stack(maps)[:, None]).thumbnails(np.arange(len(maps)))
    return {"layer": layer, "bytes": encoded(small)}
