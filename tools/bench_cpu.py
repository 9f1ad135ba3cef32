"""gpucnn on the CPU against PyTorch and JAX: steps, layer by layer, and whole jobs. Writes docs/benchmarks.md.

    python tools/bench_cpu.py                    everything; it says first how long that takes
    python tools/bench_cpu.py --quick            three workloads against PyTorch eager, in about a minute
    python tools/bench_cpu.py --part layers --workload renom-64

Figures are those of several processes, the contestants in turn; each process warms up and takes the median of many
steps. Only a run of everything replaces docs/benchmarks.json and the page made from it; others print, and write where
--out says. PyTorch (pip install torch==2.13.0) and JAX (pip install jax) take part where they are installed. The whole
jobs take MNIST from GPUCNN_DATA_DIR.
"""

import argparse
import datetime
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import results_page
from bench import page
from bench.arguments import positive, told
from bench.contestants import CONTESTANTS
from bench.parts import PARTS, Plan
from bench.processes import describe
from bench.rounds import Failures
from bench.workloads import WORKLOADS

from gpucnn.files import atomic_write
from gpucnn.runs import describe_environment
from gpucnn.threads import usable_cores

DOCS = Path(__file__).parents[1] / "docs"
WHOLE = Plan(tuple(WORKLOADS), tuple(CONTESTANTS), tuple(PARTS), processes=5, seconds=0.5)
QUICK = Plan(("lenet-1", "lenet-64", "renom-64"), ("gpucnn", "torch"), ("steps", "installed"), processes=4, seconds=0.5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, print it, and write it where it belongs; 1 where a contestant failed."""
    plan, folder = _asked_for(arguments)
    print(f"this takes about {told(sum(PARTS[part].estimate(plan) for part in plan.parts))}", flush=True)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)  # now, not when all is measured
    results = measure(plan)
    if folder is not None:
        write(folder, results)
    print(page.brief(results))
    for what, why in results["failures"].items():
        print(f"failed: {what}: {why}", file=sys.stderr)
    return 1 if results["failures"] else 0


def _asked_for(arguments: Sequence[str] | None) -> tuple[Plan, Path | None]:
    """What to measure, and the folder to write it to, if any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three workloads, gpucnn and PyTorch eager")
    parser.add_argument("--workload", choices=WHOLE.workloads, action="append", help="only this one; may be repeated")
    parser.add_argument("--contestant", choices=WHOLE.contestants, action="append", help="only this; may be repeated")
    parser.add_argument("--part", choices=WHOLE.parts, action="append", help="only this one; may be repeated")
    parser.add_argument("--processes", type=positive(int), help=f"of each contestant (default {WHOLE.processes})")
    parser.add_argument("--seconds", type=positive(float), help=f"timed, twice a process (default {WHOLE.seconds})")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write benchmarks.json and benchmarks.md there")
    given = parser.parse_args(arguments)
    base = QUICK if given.quick else WHOLE
    plan = Plan(
        tuple(given.workload or base.workloads),
        tuple(given.contestant or base.contestants),
        tuple(given.part or base.parts),
        given.processes or base.processes,
        given.seconds or base.seconds,
    )
    return plan, given.out or (DOCS if plan == WHOLE else None)


def measure(plan: Plan) -> dict[str, Any]:
    """All that docs/benchmarks.json holds."""
    failures = Failures()
    taking_part = {name for part in plan.parts for name in PARTS[part].contestants}
    contestants = describe([name for name in plan.contestants if name in taking_part])
    present = [name for name, found in contestants.items() if "absent" not in found]
    return {
        "circumstances": circumstances(plan),
        "contestants": contestants,
        **{part: PARTS[part].measure(plan, present, failures) for part in plan.parts},
        "failures": failures,
    }


def circumstances(plan: Plan) -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "machine": f"{results_page.processor()}, {usable_cores()} cores",
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), "numpy": describe_environment()["versions"]["numpy"]},
        "commit": describe_environment()["git_commit"],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processes": plan.processes,
    }


def write(folder: Path, results: dict[str, Any]) -> None:
    """Write the figures, and the page made from them."""
    atomic_write(folder / "benchmarks.json", (json.dumps(results, indent=1, sort_keys=True) + "\n").encode())
    atomic_write(folder / "benchmarks.md", page.page(results).encode())


if __name__ == "__main__":
    sys.exit(main())
