"""A contestant's processes: started one at a time, each with the environment of its contestant alone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.contestants import CHOSEN_HERE, CONTESTANTS, ON_THE_CPU, OURS
from bench.workloads import Network

TOOLS = Path(__file__).parents[1]
PATIENCE = 900  # seconds, before a process is given up


class ContestantError(Exception):
    """A contestant's process failed; the message is the last line it said."""


def describe(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Versions, kernels and threads of each contestant, or under `absent` why it does not take part.

    Where gpucnn has no kernels beside NumPy's, those are not measured a second time.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            found[name] = run_module(name, "bench.child", [name, "--describe"], "")
        except ContestantError as error:
            found[name] = {"absent": str(error)}
        twin = name.replace("-numpy", "")
        if twin != name and CONTESTANTS[name].module == OURS and found.get(twin, {}).get("kernels") == "numpy":
            found[name] = {"absent": f"the same as {twin} here: gpucnn has no other kernels on this machine"}
    return found


def measure_step(name: str, network: Network, batch: int, seconds: float, cache: str) -> dict[str, float]:
    """A contestant's figures for one workload; see bench.child. `cache` is a folder for compiled code."""
    arguments = [name, "--batch", str(batch), "--seconds", str(seconds), "--spawned", str(time.monotonic())]
    return run_module(name, "bench.child", arguments, network.to_json(), {"TORCHINDUCTOR_CACHE_DIR": cache})


def measure_layers(name: str, network: Network, batch: int, seconds: float) -> list[dict[str, Any]]:
    """The layers of one of gpucnn's forms; see bench.layers."""
    return run_module(name, "bench.layers", ["--batch", str(batch), "--seconds", str(seconds)], network.to_json())


def measure_command(name: str, command: Sequence[str], stdin: str) -> dict[str, float]:
    """Wall time and peak memory of a command that is run with the environment of contestant `name`."""
    return run_module(name, "bench.timed", command, stdin)


def run_module(name: str, module: str, arguments: Sequence[str], stdin: str, more: dict[str, str] | None = None) -> Any:
    """What `module` prints, read as JSON, run as a program with the environment of contestant `name`.

    Raises ContestantError where it fails.
    """
    command = [sys.executable, "-m", module, *arguments]
    environment = _environment(name) | (more or {})
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=True
        )
    except subprocess.TimeoutExpired:
        raise ContestantError(f"no answer after {PATIENCE} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        raise ContestantError(said[-1] if said else f"exit code {error.returncode}") from None
    return json.loads(done.stdout)


def _environment(name: str) -> dict[str, str]:
    """This process's environment, without what a contestant chooses for itself, with what this one is given."""
    kept = {key: value for key, value in os.environ.items() if key not in CHOSEN_HERE}
    path = os.pathsep.join(filter(None, [str(TOOLS), os.environ.get("PYTHONPATH", "")]))
    return kept | ON_THE_CPU | CONTESTANTS[name].environment | {"PYTHONPATH": path}
