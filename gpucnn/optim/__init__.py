"""Optimizers, clipping and schedules; names are PyTorch's."""

from gpucnn.optim.clipping import clip_grad_norm_, clip_grad_value_, clip_norm
from gpucnn.optim.optimizers import SGD, Adam, AdamW, Optimizer
from gpucnn.optim.schedules import Constant, Cosine, Linear, OneCycle, Schedule, Step

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "cosine": Cosine,
    "linear": Linear,
    "one_cycle": OneCycle,
}

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Linear",
    "OneCycle",
    "Optimizer",
    "Schedule",
    "Step",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_norm",
]
