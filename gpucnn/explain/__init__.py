"""Why a trained network answers as it does, what its layers compute, and how far to believe it."""

from gpucnn.explain.calibration import Reliability, best_temperature, coverage, reliability
from gpucnn.explain.pictures import grad_cam, occlusion, saliency, smooth_grad

__all__ = [
    "Reliability",
    "best_temperature",
    "coverage",
    "grad_cam",
    "occlusion",
    "reliability",
    "saliency",
    "smooth_grad",
]
