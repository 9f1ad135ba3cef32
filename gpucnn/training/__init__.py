"""The training loop and its parts. Run folders are in gpucnn.runs."""

import importlib
from typing import Any

from gpucnn.data.loader import Loaders
from gpucnn.training.averages import AVERAGES, EMA, SWA
from gpucnn.training.checkpoint import State, load_weights, save_weights
from gpucnn.training.early_stop import EarlyStop
from gpucnn.training.evaluation import Evaluation, evaluate, predict
from gpucnn.training.inference import CapturedNetwork, capture
from gpucnn.training.label_losses import AbsoluteError, BinaryCrossEntropy, SmoothAbsoluteError
from gpucnn.training.losses import LOSSES, CrossEntropy, MeanSquaredError
from gpucnn.training.progress import Progress
from gpucnn.training.pytorch import load_state_dict, torch_state_dict
from gpucnn.training.records import BatchRecord, EpochRecord
from gpucnn.training.saving import load_into, save
from gpucnn.training.trainer import Trainer

__all__ = [
    "AVERAGES",
    "EMA",
    "LOSSES",
    "SWA",
    "AbsoluteError",
    "BatchRecord",
    "BinaryCrossEntropy",
    "CapturedNetwork",
    "CrossEntropy",
    "EarlyStop",
    "EpochRecord",
    "Evaluation",
    "Loaders",
    "MeanSquaredError",
    "Progress",
    "SmoothAbsoluteError",
    "State",
    "Trainer",
    "capture",
    "evaluate",
    "load_into",
    "load_state_dict",
    "load_weights",
    "predict",
    "save",
    "save_weights",
    "torch_state_dict",
]

# Names that version 0.1.0 had here, and the module that has them now.
_MOVED = dict.fromkeys(("RunFolder", "describe_environment", "new_run_path", "train_run"), "gpucnn.runs")


def __getattr__(name: str) -> Any:
    """A name of `_MOVED`, from its new module."""
    if name not in _MOVED:
        raise AttributeError(f"module 'gpucnn.training' has no attribute {name!r}")
    return getattr(importlib.import_module(_MOVED[name]), name)
