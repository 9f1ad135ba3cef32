"""Why a trained network answers as it does, what its layers compute, and how far to believe it."""

from gpucnn.explain.calibration import Reliability, best_temperature, coverage, reliability
from gpucnn.explain.duplicates import Duplicates, near_duplicates
from gpucnn.explain.labels import losses, mean_images, suspects
from gpucnn.explain.pictures import grad_cam, occlusion, saliency, smooth_grad
from gpucnn.explain.space import space

__all__ = [
    "Duplicates",
    "Reliability",
    "best_temperature",
    "coverage",
    "grad_cam",
    "losses",
    "mean_images",
    "near_duplicates",
    "occlusion",
    "reliability",
    "saliency",
    "smooth_grad",
    "space",
    "suspects",
]
