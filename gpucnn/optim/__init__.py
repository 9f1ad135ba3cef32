"""Optimizers, clipping and schedules; names are PyTorch's."""

from gpucnn.optim import clipping, optimizers, schedules
from gpucnn.optim.clipping import *
from gpucnn.optim.optimizers import *
from gpucnn.optim.schedules import *

__all__ = sorted([*clipping.__all__, *optimizers.__all__, *schedules.__all__])
