"""One contestant's figures for one workload, in a process that loads its library alone.

    python -m bench.child CONTESTANT --describe
    python -m bench.child CONTESTANT --batch 64 --seconds 0.7 --spawned T < network.json

T is what time.monotonic() was when the process was started. The figures are one line of JSON.
"""

import argparse
import importlib
import json
import sys
import time
from types import ModuleType
from typing import Any

from bench.clock import median_seconds, peak_memory
from bench.contestants import CONTESTANTS, Contestant
from bench.workloads import Network


def main() -> None:
    """Measure, or describe, as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("contestant", choices=CONTESTANTS)
    parser.add_argument("--describe", action="store_true")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--spawned", type=float)
    options = parser.parse_args()
    contestant = CONTESTANTS[options.contestant]
    if options.describe:
        found = _library(contestant).describe(contestant.form)
    else:
        network = Network.from_json(sys.stdin.read())
        found = measure(contestant, network, options.batch, options.seconds, options.spawned)
    print(json.dumps(found))


def measure(contestant: Contestant, network: Network, batch: int, seconds: float, spawned: float) -> dict[str, Any]:
    """Training, where the contestant trains, then inference, each timed for `seconds`; memory is that of training."""
    began = time.perf_counter()
    library = _library(contestant)
    figures = {"import_s": time.perf_counter() - began}
    if contestant.trains:
        with library.training(network, batch, contestant.form) as step:
            step()
            figures["first_step_s"] = time.monotonic() - spawned
            figures["training_ms"] = 1e3 * median_seconds(step, seconds) / getattr(step, "steps", 1)
        figures["peak_MiB"] = peak_memory()
    with library.inference(network, batch, contestant.form) as step:
        figures["inference_ms"] = 1e3 * median_seconds(step, seconds)
    return figures


def _library(contestant: Contestant) -> ModuleType:
    return importlib.import_module(f"bench.{contestant.module}")


if __name__ == "__main__":
    main()
