"""The run folder as those processes see it that do not write: rank 0 alone does."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from gpucnn.nn import Module
from gpucnn.runs.folder import RunFolder
from gpucnn.training.checkpoint import State
from gpucnn.training.records import BatchRecord, EpochRecord


class SilentFolder(RunFolder):
    """A run's folder in which another process writes, and loads checkpoints; here neither is done."""

    _saved = False

    @property
    def resumable(self) -> bool:
        """Whether a checkpoint was to be written."""
        return self._saved

    def __enter__(self) -> "SilentFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def replace_config(self, config_text: str) -> None:
        """Nothing is written."""

    def log(self, record: BatchRecord | EpochRecord) -> None:
        """Nothing is written."""

    def save(self, state: State, best: bool = False) -> None:
        """Nothing is written."""
        self._saved = True

    def resume(self, like: Mapping[str, np.ndarray], accept: Callable[[State], None]) -> str | None:
        """Nothing is read: the state comes from rank 0 (`Trainer.take_first`)."""
        self._saved = True
        return None

    def load_best(self, net: Module) -> None:
        """Nothing is read, as for `resume`."""

    def write_model(self, weights: Mapping[str, np.ndarray]) -> None:
        """Nothing is written."""

    def write_health(self, health: Mapping[str, Any]) -> None:
        """Nothing is written."""

    def write_normalization(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Nothing is written."""

    def write_pipeline(self, text: str) -> None:
        """Nothing is written."""

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Nothing is written."""
