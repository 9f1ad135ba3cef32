"""The run folder: the files of one training, and the lock that keeps other processes out."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from gpucnn.errors import CheckpointError, InputError
from gpucnn.files import atomic_write
from gpucnn.nn import Module
from gpucnn.runs.logs import LogFile
from gpucnn.training.checkpoint import State, load_state, load_weights, read_tensors, save_state, save_weights
from gpucnn.training.records import BATCH_HEADER, BatchRecord, EpochRecord

CONFIG, ENVIRONMENT, RESULT = "config.yaml", "environment.json", "result.json"
METRICS, BATCHES = "metrics.jsonl", "batches.csv"
HEALTH = "health.json"
MODEL, NORMALIZATION, PIPELINE = "model.safetensors", "normalization.safetensors", "pipeline.json"
CHECKPOINTS, LAST, BEST = "checkpoints", "last.safetensors", "best.safetensors"
PREVIOUS = "previous.safetensors"  # the last checkpoint but one
LATEST = "latest"  # names the run that was started last
RUNS = Path("runs")  # where runs go that are given no folder
FIGURES = ("test_accuracy", "test_loss", "dataset")  # that result.json must have


class RunFolder:
    """One run's folder. `create` makes a new one, `open` takes one that exists.

    To train in it, enter it: `with folder:` opens and locks the log files. If an error ends the block before the first
    checkpoint, a new folder is removed again, since it cannot be resumed.
    """

    def __init__(self, path: Path, made: bool | None = None) -> None:
        """`made`: whether `create` made the folder or found it empty; None for a run opened again."""
        self.path = path
        self._made = made
        self._logs: dict[str, LogFile] = {}

    @classmethod
    def create(cls, path: Path | str, config_text: str, environment: Mapping[str, Any]) -> "RunFolder":
        """Make the folder, with config.yaml, environment.json and empty logs.

        Raises InputError if `path` holds a run or is not a folder, OSError if it cannot be written. Nothing is left
        behind then.
        """
        path = Path(path)
        _refuse_taken(path)
        made = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        try:
            (path / CHECKPOINTS).mkdir()  # fails for the second of two processes
        except FileExistsError:
            raise _taken(path, CHECKPOINTS) from None
        try:
            atomic_write(path / BATCHES, f"{BATCH_HEADER}\n".encode())
            atomic_write(path / METRICS, b"")
            atomic_write(path / ENVIRONMENT, _json(environment))
            atomic_write(path / CONFIG, config_text.encode())
        except OSError:
            _remove_new(path, made)
            raise
        return cls(path, made)

    @classmethod
    def open(cls, path: Path | str) -> "RunFolder":
        """The folder of an existing run. Raises InputError if there is none."""
        path = Path(path)
        if not (path / CONFIG).is_file():
            what = "holds no config.yaml" if path.is_dir() else "is no folder" if path.exists() else "does not exist"
            raise InputError(f"no run at {path}: it {what}; expected a folder that `gpucnn train` made")
        return cls(path)

    @property
    def config_path(self) -> Path:
        """The resolved configuration."""
        return self.path / CONFIG

    @property
    def model_path(self) -> Path:
        """The weights that the run ends with; written when it is finished."""
        return self.path / MODEL

    @property
    def last_path(self) -> Path:
        """The newest checkpoint, from which a run resumes."""
        return self.path / CHECKPOINTS / LAST

    @property
    def previous_path(self) -> Path:
        """The checkpoint before the newest, for when that is damaged."""
        return self.path / CHECKPOINTS / PREVIOUS

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return self.last_path.is_file() or self.previous_path.is_file()

    @property
    def best_path(self) -> Path:
        """The checkpoint after the best epoch so far."""
        return self.path / CHECKPOINTS / BEST

    @property
    def finished(self) -> bool:
        """Whether the run is complete: result.json is written last."""
        return (self.path / RESULT).is_file()

    @property
    def epochs_logged(self) -> int:
        """Epochs in metrics.jsonl: fewer than configured if training stopped early."""
        with (self.path / METRICS).open("rb") as file:
            return sum(1 for _ in file)

    def replace_config(self, config_text: str) -> None:
        """Replace config.yaml, to resume with more epochs; the run is no longer finished."""
        (self.path / RESULT).unlink(missing_ok=True)
        atomic_write(self.config_path, config_text.encode())

    def __enter__(self) -> "RunFolder":
        """Open the logs and lock the folder. Raises InputError if another process trains in it."""
        with contextlib.ExitStack() as opened:
            for name in (BATCHES, METRICS):
                self._logs[name] = LogFile(self.path / name)
                opened.callback(self._logs[name].close)
            self._logs[BATCHES].lock()
            opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for log in self._logs.values():
            log.close()
        self._logs.clear()
        if kind is not None and self._made is not None and not self.resumable:
            _remove_new(self.path, self._made)

    def log(self, record: BatchRecord | EpochRecord) -> None:
        """Add the record's line to its file."""
        if isinstance(record, BatchRecord):
            self._logs[BATCHES].write(record.csv())
        else:
            self._logs[METRICS].write(record.json())

    def save(self, state: State, best: bool = False) -> None:
        """Flush the logs; write `state` and their sizes as the last checkpoint, and as the best if it is.

        The checkpoint before is kept as the previous one. The best is written first: if the process is killed in
        between, the run repeats the epoch and writes it again.
        """
        sizes = {name: log.flush() for name, log in self._logs.items()}
        state = State(state.tensors, {**state.values, "logs": sizes})
        if best:
            save_state(self.best_path, state)
        save_state(self.last_path, state, keep=self.previous_path)

    def resume(self, like: Mapping[str, np.ndarray], accept: Callable[[State], None]) -> str | None:
        """Give `accept` the last checkpoint; if that or `accept` raises CheckpointError, the one before it instead.

        Lines logged after the checkpoint are removed. Returns a sentence where it was not the last, else None. Raises
        the last checkpoint's CheckpointError if neither serves.
        """
        if not self.resumable:
            raise CheckpointError(
                f"{self.path} was stopped before its first checkpoint; remove the folder and train again"
            )
        try:
            self._load(self.last_path, like, accept)
            return None
        except CheckpointError as error:
            fault = error
        try:
            self._load(self.previous_path, like, accept)
        except CheckpointError:
            raise fault from None
        self.previous_path.replace(self.last_path)
        return f"{fault}. Training goes on from the checkpoint before it"

    def load_best(self, net: Module) -> None:
        """Give the network the weights of the best epoch. Raises CheckpointError if the file is damaged."""
        load_weights(self.best_path, net)

    def _load(self, path: Path, like: Mapping[str, np.ndarray], accept: Callable[[State], None]) -> None:
        state = load_state(path, like)
        sizes = state.values.get("logs")
        if not isinstance(sizes, dict) or any(type(sizes.get(name)) is not int for name in self._logs):
            raise CheckpointError(f"{path} is damaged: it does not say how long the logs were")
        for name, log in self._logs.items():
            log.cut(sizes[name])
        try:
            accept(state)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}; restore it, or train again") from None

    def write_model(self, weights: Mapping[str, np.ndarray]) -> None:
        """Write model.safetensors: a network's `state_dict()`."""
        save_weights(self.model_path, weights)

    def write_normalization(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write normalization.safetensors: the shift and scale of pixels."""
        save_weights(self.path / NORMALIZATION, arrays)

    def write_pipeline(self, text: str) -> None:
        """Write pipeline.json: how pictures become the network's input, and its outputs classes."""
        atomic_write(self.path / PIPELINE, text.encode())

    def write_health(self, health: Mapping[str, Any]) -> None:
        """Write health.json: how the layers fare, epoch by epoch (see runs.health)."""
        atomic_write(self.path / HEALTH, json.dumps(health, allow_nan=False).encode())

    def normalization(self) -> dict[str, np.ndarray]:
        """The arrays of normalization.safetensors. Raises CheckpointError if it is missing or damaged."""
        return read_tensors(self.path / NORMALIZATION)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write result.json, which finishes the run."""
        atomic_write(self.path / RESULT, _json(result))

    def result(self) -> dict[str, Any]:
        """The contents of result.json. Raises CheckpointError if it is damaged."""
        try:
            result = json.loads((self.path / RESULT).read_bytes())
            if not isinstance(result, dict) or not result.keys() >= set(FIGURES):
                raise ValueError(f"it lacks {', '.join(FIGURES)}")
            return result
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{self.path / RESULT} is damaged ({error}); remove it and resume") from None


def new_run_path(name: str, root: Path | str = RUNS) -> Path:
    """A path root/name/<time> that does not exist yet."""
    started = Path(root) / name / datetime.now().strftime("%Y%m%d-%H%M%S")
    path, number = started, 1
    while path.exists():
        number += 1
        path = started.with_name(f"{started.name}-{number}")
    return path


def find_run(run: str) -> RunFolder:
    """The folder that RUN names: a path, or `latest`, the run below `runs/` started last. Raises InputError."""
    if run != LATEST:
        return RunFolder.open(run)
    started = [*RUNS.glob(f"*/{ENVIRONMENT}"), *RUNS.glob(f"*/*/{ENVIRONMENT}")]
    if not started:
        raise InputError(
            f"RUN 'latest': there is no run below {RUNS.resolve()}; "
            "train one first (gpucnn train CONFIG), or give a run's folder"
        )
    return RunFolder.open(max(started, key=lambda file: (file.stat().st_mtime_ns, str(file))).parent)


def _refuse_taken(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise InputError(f"the run folder {path} is a file; give another --run-dir")
    for name in (CONFIG, BATCHES, METRICS, HEALTH, RESULT, ENVIRONMENT, MODEL, NORMALIZATION, PIPELINE, CHECKPOINTS):
        if os.path.lexists(path / name):
            raise _taken(path, name)


def _taken(path: Path, name: str) -> InputError:
    return InputError(f"{path} already holds a run ({name}); give another --run-dir, or continue it: --resume {path}")


def _remove_new(path: Path, made: bool) -> None:
    """Undo `create`: remove the folder if it was made, else its files."""
    if made:
        shutil.rmtree(path, ignore_errors=True)
        return
    shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
    for name in (BATCHES, METRICS, HEALTH, ENVIRONMENT, CONFIG, NORMALIZATION, PIPELINE):
        (path / name).unlink(missing_ok=True)


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
