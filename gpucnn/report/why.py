"""Why the network was mistaken: Grad-CAM on the mistakes that a page shows."""

from typing import Any

import numpy as np

from gpucnn.explain.maps import grad_cams, last_convolution
from gpucnn.report.pixels import Viewer, encoded, quantised
from gpucnn.report.subject import Subject


def cams(subject: Subject, images: np.ndarray, labels: np.ndarray, viewer: Viewer) -> dict[str, Any] | None:
    """Grad-CAM of test images for the classes `labels`, each as large as the small picture of its image.

    images: their numbers (n,), of which there are test images. The values are bytes, 255 being each map's largest. None
    where there are no images, or the network has no convolution.
    """
    layer, maps = last_convolution(subject.net), []
    if layer is None or not len(images):
        return None
    for image, label in zip(images.tolist(), labels, strict=True):  # one at a time: large ones need much memory
        inputs = subject.normalizer.apply(subject.test.images[[image]], subject.config["dtype"])  # type: ignore[union-attr]
        (found,), _ = grad_cams(subject.net, inputs, np.array([label]), layer)
        maps.append(quantised(found, 0, float(found.max()) or 1.0))
    small = viewer.of(np.stack(maps)[:, None]).thumbnails(np.arange(len(maps)))
    return {"layer": layer, "bytes": encoded(small)}
