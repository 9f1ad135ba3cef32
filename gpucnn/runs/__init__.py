"""Run folders: their files, training in one, and opening a trained one."""

from gpucnn.runs.classifier import Classifier
from gpucnn.runs.environment import describe_environment
from gpucnn.runs.folder import RunFolder, new_run_path
from gpucnn.runs.job import train_run
from gpucnn.runs.saved import SavedRun, load, open_run

__all__ = [
    "Classifier",
    "RunFolder",
    "SavedRun",
    "describe_environment",
    "load",
    "new_run_path",
    "open_run",
    "train_run",
]
