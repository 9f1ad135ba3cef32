"""Training: the loop, its records, and the run folder that outlives it."""

from gpucnn.training.checkpoint import State, load_weights, save_weights
from gpucnn.training.environment import describe_environment
from gpucnn.training.evaluation import Evaluation, evaluate, predict
from gpucnn.training.job import Loaders, train_run
from gpucnn.training.losses import LOSSES, CrossEntropy, MeanSquaredError
from gpucnn.training.position import EarlyStop
from gpucnn.training.progress import Progress
from gpucnn.training.records import BatchRecord, EpochRecord
from gpucnn.training.run import RunFolder, new_run_path
from gpucnn.training.trainer import Trainer

__all__ = [
    "LOSSES",
    "BatchRecord",
    "CrossEntropy",
    "EarlyStop",
    "EpochRecord",
    "Evaluation",
    "Loaders",
    "MeanSquaredError",
    "Progress",
    "RunFolder",
    "State",
    "Trainer",
    "describe_environment",
    "evaluate",
    "load_weights",
    "new_run_path",
    "predict",
    "save_weights",
    "train_run",
]
