"""What is measured beside the workloads: the device's limits, memory over many steps, and the time to 99 % on MNIST."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from bench import jobs
from bench.gpu.contestants import CONTESTANTS, PRECISIONS
from bench.gpu.processes import START_SECONDS, Workers, environment
from bench.processes import ContestantError
from bench.rounds import Failures
from bench.workloads import network_of
from gpucnn.data.download import data_folder

LASTING_STEPS, LASTING_CONFIG, LASTING_BATCH = 10_000, "lenet", 64
SEEDS = 10
OVERRIDES: list[str] = []  # of fast99's configuration: none, but in a rehearsal
TRAINING_PATIENCE = 120.0  # seconds, for one training


def describe(names: Sequence[str], workers: Workers) -> dict[str, dict[str, Any]]:
    """By library, its versions, or under `absent` why it takes no part."""
    first = {CONTESTANTS[name].library: name for name in reversed(names)}
    for name in first.values():
        workers.get(name)
    with ThreadPoolExecutor() as side_by_side:
        return dict(zip(first, side_by_side.map(lambda name: _described(workers, name), first.values()), strict=True))


def _described(workers: Workers, name: str) -> dict[str, Any]:
    try:
        return workers.get(name).ask("describe", START_SECONDS)
    except ContestantError as error:
        workers.end(name)
        return {"absent": str(error)}


def limits(workers: Workers, failures: Failures) -> dict[str, float]:
    """`copy_gbytes`, and by precision TFLOP/s; each only where it could be measured."""
    found: dict[str, float] = {}
    for precision in PRECISIONS:
        with failures.noted("limits", precision):
            measured = workers.get(f"gpucnn-eager-{precision}").ask("limits", START_SECONDS)
            found |= {"copy_gbytes": measured["copy_gbytes"], precision: measured["tflops"]}
    return found


def lasting(workers: Workers, failures: Failures) -> dict[str, float]:
    """Device memory in MiB before and after many captured steps of LeNet; see with_gpucnn.Library.lasting."""
    name = "gpucnn-loader-float32"
    given = {"network": network_of(LASTING_CONFIG).to_json(), "batch": LASTING_BATCH, "steps": LASTING_STEPS}
    workers.end(name)  # what other steps have left is not counted
    with failures.noted("lasting", name):
        return workers.get(name).ask("lasting", START_SECONDS, **given)
    return {}


def fast99(
    folder: Path, log: IO[str], failures: Failures, late: Callable[[], bool], note: Callable[[Any], None]
) -> list[dict[str, float]]:
    """Of each seed's training by configs/fast99.yaml the seconds of training and of the whole process, and accuracy.

    Another training comes first, and is marked as `cold`: it compiles kernels that the others find compiled. `note` is
    given what there is after each, until it is `late`. Nothing where there is no MNIST; none after one that fails.
    """
    if cause := jobs.missing(data_folder() / "mnist"):
        print(f"fast99 is not measured: {cause}", flush=True)
        return []
    runs: list[dict[str, float]] = []
    for number in range(1 + SEEDS):
        if late() or failures.has("fast99", "gpucnn"):
            break
        with failures.noted("fast99", "gpucnn"):
            runs.append(_trained(max(0, number - 1), folder / "fast99", log) | {"cold": number == 0})
            note(runs)
    return runs


def _trained(seed: int, caches: Path, log: IO[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        command = [
            sys.executable,
            "-m",
            "gpucnn",
            "train",
            "fast99",
            f"seed={seed}",
            "report=false",
            "--quiet",
            *OVERRIDES,
        ]
        start = time.perf_counter()
        try:
            subprocess.run(
                [*command, "--run-dir", str(path)],
                stdout=log,
                stderr=log,
                env=environment("float32", caches),
                timeout=TRAINING_PATIENCE,
                check=True,
            )
        except subprocess.SubprocessError as error:
            raise ContestantError(f"{type(error).__name__}: {error}") from None
        seconds = time.perf_counter() - start
        result = json.loads((path / "result.json").read_text())
    if not result["device"].startswith("cuda"):
        raise ContestantError(f"it trained on {result['device']}")
    return {
        "train_seconds": result["train_seconds"], "whole_seconds": seconds, "accuracy": result["test_accuracy"]
    }  # fmt: skip
