"""What a report is about."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpucnn import nn
from gpucnn.data import Dataset, Normalizer
from gpucnn.runs.folder import ENVIRONMENT, RunFolder


@dataclass(frozen=True, eq=False)
class Subject:
    """A run, its trained network, and the images it is tested on, where they are to be had."""

    folder: RunFolder
    config: Mapping[str, Any]  # resolved, plain data
    net: nn.Sequential
    normalizer: Normalizer
    image_shape: tuple[int, ...]  # (C, H, W); of signals (C, W), of volumes (C, D, H, W)
    class_names: tuple[str, ...]
    dataset: str  # that it was trained on, which may be its fallback
    test: Dataset | None

    @property
    def name(self) -> str:
        """The run's name: its folder's, behind that of its configuration."""
        return f"{self.config['name']}, {self.folder.path.resolve().name}"

    def environment(self) -> dict[str, Any]:
        """What environment.json tells; nothing where it is gone or damaged."""
        try:
            told = json.loads((self.folder.path / ENVIRONMENT).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}
