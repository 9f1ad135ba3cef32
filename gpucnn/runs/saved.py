"""Opening a saved run: its configuration, its network with the weights, its normalisation."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.config.build import TrainingData, build_network
from gpucnn.config.check import Checked, load_options
from gpucnn.config.schema import Config
from gpucnn.data import Normalizer
from gpucnn.data.untrusted import naming
from gpucnn.errors import CheckpointError, InputError
from gpucnn.runs.folder import ENVIRONMENT, NORMALIZATION, RunFolder, find_run
from gpucnn.training import load_weights

DATA = "data"  # the entry of environment.json that `describe_data` makes


@dataclass(frozen=True)
class SavedRun:
    """A run's folder, its configuration and the description of its data."""

    folder: RunFolder
    checked: Checked
    dataset: str
    image_shape: tuple[int, ...]  # (C, H, W); of signals (C, W), of volumes (C, D, H, W)
    class_names: tuple[str, ...]

    @property
    def config(self) -> Config:
        """The run's resolved configuration."""
        return self.checked.config

    def network(self) -> nn.Sequential:
        """The trained network, in evaluation mode; for an unfinished run, that of the best epoch so far.

        Raises CheckpointError if the weights are missing, damaged or of another network.
        """
        net = build_network(self.checked, self.image_shape, len(self.class_names))
        load_weights(weights_of(self.folder), net)
        return net.eval()

    def normalizer(self) -> Normalizer:
        """The normalisation of the training images. Raises CheckpointError, DataError."""
        with naming(self.folder.path / NORMALIZATION):
            return Normalizer.from_arrays(self.folder.normalization(), self.image_shape)

    def check_finite(self, figures: np.ndarray | float) -> None:
        """Raise CheckpointError if `figures` that the trained network gave are not finite."""
        if not np.isfinite(figures).all():
            raise CheckpointError(
                f"{self.folder.path}: the network's outputs are not finite, so its weights are damaged or were never "
                "finite; train again, with a lower learning rate (optimizer.lr)"
            )


def load(run: str | Path) -> nn.Sequential:
    """The trained network of RUN, a run's folder or `latest`, in evaluation mode.

    It expects images normalised as in training. Raises InputError if there is no such run.
    """
    return open_run(str(run)).network()


def open_run(run: str) -> SavedRun:
    """Open RUN, a run's folder or `latest`. Raises InputError if there is none or its files are damaged."""
    folder = find_run(run)
    checked = load_options(str(folder.config_path))
    described = _read_description(folder.path / ENVIRONMENT)
    return SavedRun(folder, checked, **described)


def weights_of(folder: RunFolder) -> Path:
    """The file of a run's weights: the final ones, else the best or last checkpoint. Raises CheckpointError."""
    for path in (folder.model_path, folder.best_path, folder.last_path, folder.previous_path):
        if path.is_file():
            return path
    raise CheckpointError(f"{folder.path} holds no weights: it was stopped before its first checkpoint; train it again")


def load_initial_weights(config: Config, net: nn.Module) -> None:
    """Copy the weights of the run that `train.init_from` names into `net`. Raises InputError."""
    if config.train.init_from is None:
        return
    try:
        load_weights(weights_of(find_run(config.train.init_from)), net)
    except InputError as error:
        raise type(error)(f"train.init_from: {error}") from None


def describe_data(data: TrainingData) -> dict[str, Any]:
    """The description of the data that `SavedRun` needs, fit for JSON."""
    return {
        "dataset": data.loaded.used,
        "image_shape": list(data.train.image_shape),
        "class_names": list(data.train.class_names),
    }


def _read_description(path: Path) -> dict[str, Any]:
    """The description that `describe_data` made when the run began."""
    try:
        described = json.loads(path.read_bytes())[DATA]
        dataset, shape, names = described["dataset"], described["image_shape"], described["class_names"]
        fits = len(shape) in (2, 3, 4) and all(type(size) is int and size > 0 for size in shape)
        if not (fits and isinstance(dataset, str) and all(isinstance(name, str) for name in names)):
            raise ValueError("the description of the data")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is missing or damaged ({error}); restore it, or train again") from None
    return {"dataset": dataset, "image_shape": tuple(shape), "class_names": tuple(names)}
