"""Why a trained network answers as it does, what its layers compute, and how far to believe it."""

from gpucnn.explain.pictures import grad_cam, occlusion, saliency, smooth_grad

__all__ = ["grad_cam", "occlusion", "saliency", "smooth_grad"]
