"""Optimizers, clipping and schedules; names are PyTorch's."""

from typing import Any

from gpucnn.optim import clipping, optimizers, schedules
from gpucnn.optim.clipping import *
from gpucnn.optim.muon import Muon
from gpucnn.optim.optimizers import *
from gpucnn.optim.rmsprop import RMSprop
from gpucnn.optim.schedules import *
from gpucnn.tensor.absent import missing

__all__ = sorted(["OPTIMIZERS", "Muon", "RMSprop", *clipping.__all__, *optimizers.__all__, *schedules.__all__])

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "muon": Muon}


def __getattr__(name: str) -> Any:
    """Say what to use in place of PyTorch's optimizers that are not here."""
    raise AttributeError(missing("optim", name, globals()))
