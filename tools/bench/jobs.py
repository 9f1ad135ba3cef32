"""Whole jobs on MNIST, from the start of a process to its result.json."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import CONTESTANTS, OURS
from bench.processes import measure_command
from bench.rounds import Failures, Figures, contest, transposed
from bench.workloads import network_of

KINDS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
FILES = tuple(f"{kind}-ubyte.gz" for kind in KINDS)


@dataclass(frozen=True)
class Job:
    """What `gpucnn train` is asked for, who does it, and about how long all of them take, once."""

    name: str
    title: str
    arguments: tuple[str, ...]
    contestants: tuple[str, ...]
    seconds: float


JOBS = {
    job.name: job
    for job in (
        Job(
            "lenet",
            "LeNet, one epoch",
            ("lenet", "train.epochs=1", "report=false"),
            ("gpucnn", "gpucnn-numpy", "torch"),
            seconds=12,
        ),
        Job("fast99", "fast99.yaml", ("fast99",), ("gpucnn", "gpucnn-numpy"), seconds=7),
    )
}


def missing(folder: Path) -> str | None:
    """Why the jobs cannot be done with MNIST in `folder`; None where they can."""
    if all((folder / name).is_file() for name in FILES):
        return None
    return f"MNIST is not in {folder.name}/ of the data folder: set GPUCNN_DATA_DIR, or `gpucnn data fetch mnist`"


def measure(job: Job, names: Sequence[str], rounds: int, data: Path, failures: Failures) -> dict[str, Figures]:
    """Seconds, peak memory and test accuracy of each contestant's processes, the seed another one in each round."""
    network = network_of(job.arguments[0]).to_json()

    def run(name: str, seed: int) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            if CONTESTANTS[name].module == OURS:
                command = ["gpucnn.cli", "train", *job.arguments, f"seed={seed}", "--quiet", "--run-dir", str(path)]
            else:
                command = ["bench.torch_job", str(data), str(path)]
            figures = measure_command(name, [sys.executable, "-m", *command], network)
            result = json.loads((path / "result.json").read_text())
        return figures | {"accuracy": result["test_accuracy"]}

    chosen = [name for name in job.contestants if name in names]
    found = contest(chosen, rounds, f"job {job.name}", failures, run) if chosen else {}
    return {name: transposed(runs) for name, runs in found.items()}
