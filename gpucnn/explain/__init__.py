"""Why a trained network answers as it does, what its layers compute, and how far to believe it."""

from gpucnn.explain.calibration import Reliability, best_temperature, coverage, reliability
from gpucnn.explain.duplicates import Duplicates, near_duplicates
from gpucnn.explain.labels import losses, mean_images, suspects
from gpucnn.explain.pictures import grad_cam, occlusion, saliency, smooth_grad
from gpucnn.explain.space import space
from gpucnn.explain.units import Excitement, made_to_excite, most_exciting

__all__ = [
    "Duplicates",
    "Excitement",
    "Reliability",
    "best_temperature",
    "coverage",
    "grad_cam",
    "losses",
    "made_to_excite",
    "mean_images",
    "most_exciting",
    "near_duplicates",
    "occlusion",
    "reliability",
    "saliency",
    "smooth_grad",
    "space",
    "suspects",
]
