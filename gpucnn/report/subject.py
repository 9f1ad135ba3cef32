"""The subject of a report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpucnn import nn
from gpucnn.data import Dataset, Normalizer
from gpucnn.runs.folder import ENVIRONMENT, RunFolder
from gpucnn.training.losses import Loss


@dataclass(frozen=True, eq=False)
class Subject:
    """A run, its trained network, and its test and training images if they are available."""

    folder: RunFolder
    config: Mapping[str, Any]  # resolved, plain data
    net: nn.Sequential
    normalizer: Normalizer
    image_shape: tuple[int, ...]  # (C, H, W); of signals (C, W), of volumes (C, D, H, W)
    class_names: tuple[str, ...]
    dataset: str  # trained on, which may be the fallback
    test: Dataset | None
    loss: Loss | None = None  # cross-entropy by default
    train: Dataset | None = None
    temperature: float = 1.0  # of its probabilities

    @property
    def name(self) -> str:
        """The run's name: that of its configuration, then that of its folder."""
        return f"{self.config['name']}, {self.folder.path.resolve().name}"

    def environment(self) -> dict[str, Any]:
        """The contents of environment.json; empty if it is missing or damaged."""
        try:
            environment = json.loads((self.folder.path / ENVIRONMENT).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return environment if isinstance(environment, dict) else {}
