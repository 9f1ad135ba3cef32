"""The pictures of a trained network that loggers keep."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.report import plot_confusion, plot_feature_maps, plot_kernels
from gpucnn.report.kernels import convolutions


def pictures(
    net: nn.Module, image: np.ndarray | None = None, confusion: Any = None, names: Sequence[str] | None = None
) -> dict[str, bytes]:
    """PNGs by name: `kernels` where there are convolutions, `feature_maps` of `image`, `confusion_matrix`.

    image: one input (C, H, W) of `net`, an nn.Sequential, normalised as in training. confusion: counts (C, C).
    """
    drawn: dict[str, bytes] = {}
    if confusion is not None:
        drawn["confusion_matrix"] = plot_confusion(np.asarray(confusion), names).png()
    if convolutions(net):
        drawn["kernels"] = plot_kernels(net).png()
    if image is not None:
        drawn["feature_maps"] = plot_feature_maps(net, image).png()
    return drawn
