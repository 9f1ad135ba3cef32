"""gpucnn on a GPU against PyTorch and JAX: steps, memory, the time to 99 % on MNIST. Writes docs/benchmarks_gpu.md.

    python tools/bench_gpu.py                    everything, in less than 8 minutes; it says first how long that takes
    python tools/bench_gpu.py --quick            LeNet at batch 64, in a minute or two
    python tools/bench_gpu.py --out FOLDER       write there what there is, after every round, and the log
    python tools/bench_gpu.py --page             make the page again from docs/benchmarks_gpu.json; needs no GPU

Without a usable GPU it says why, and ends with exit code 2. Only a run of everything replaces docs/benchmarks_gpu.json
and the page made from it; others print, and write where --out says. PyTorch and JAX take part where they are installed,
in builds for CUDA. The time to 99 % takes MNIST from GPUCNN_DATA_DIR.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.arguments import positive, told
from bench.gpu import page
from bench.gpu.contestants import FORMS
from bench.gpu.run import FAST99, LASTING, Plan, Run
from bench.gpu.workloads import WORKLOADS

from gpucnn import set_device
from gpucnn.backend import why_no_gpu
from gpucnn.files import atomic_write

DOCS = Path(__file__).parents[1] / "docs"
NAME = "benchmarks_gpu"
MINUTES = 7.5
WHOLE = Plan(tuple(WORKLOADS), tuple(FORMS), (LASTING, FAST99), MINUTES)
QUICK = WHOLE._replace(workloads=WHOLE.workloads[:1], extras=())
LOG = "bench_gpu.log"
NO_GPU = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, print it, and write it where it belongs.

    Returns 1 where a contestant failed, and 2, having said why, where there is no usable GPU.
    """
    given = _parser().parse_args(arguments)
    set_device("cpu")  # this process itself computes nothing on the GPU
    if given.page:
        write(DOCS, stored(DOCS))
        return 0
    if cause := why_no_gpu():
        print(f"nothing is measured: {cause}", file=sys.stderr)
        return NO_GPU
    plan = _asked_for(given)
    folder = given.out or (DOCS if plan == WHOLE else None)
    seconds = plan.estimate()
    print(
        f"this takes {f'about {told(seconds)}, ' * (seconds < 60 * plan.minutes)}at most {plan.minutes:g} minutes",
        flush=True,
    )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)  # now, not when all is measured
    log_path = given.out / LOG if given.out else Path(tempfile.gettempdir()) / LOG
    with log_path.open("w") as log:
        results = Run(plan, log, lambda results: write(folder, results) if folder else None).measure()
    print(page.brief(results))
    for what, why in results["failures"].items():
        print(f"failed: {what}: {why}", file=sys.stderr)
    if results["failures"]:
        print(f"all that the contestants said is in {log_path}", file=sys.stderr)
    return 1 if results["failures"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK.workloads[0]} alone, and nothing beside it")
    parser.add_argument("--workload", choices=WHOLE.workloads, action="append", help="only this one; may be repeated")
    parser.add_argument("--contestant", choices=WHOLE.forms, action="append", help="only this one; may be repeated")
    parser.add_argument("--extra", choices=WHOLE.extras, action="append", help="with --workload or --quick, this too")
    parser.add_argument("--minutes", type=positive(float), default=MINUTES, help=f"at most (default {MINUTES})")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=f"write {NAME}.json, {NAME}.md and {LOG} there")
    parser.add_argument("--page", action="store_true", help="measure nothing, make the page of the stored figures")
    return parser


def _asked_for(given: argparse.Namespace) -> Plan:
    """What to measure. What is measured beside the workloads is left out where a choice of these is given."""
    base = QUICK if given.quick else WHOLE
    chosen = given.workload or given.contestant
    return Plan(
        tuple(name for name in WHOLE.workloads if name in (given.workload or base.workloads)),
        tuple(name for name in WHOLE.forms if name in (given.contestant or base.forms)),
        tuple(given.extra or (() if chosen else base.extras)),
        given.minutes,
    )


def stored(folder: Path) -> dict[str, Any]:
    """The figures that were written to a folder; none where nothing was measured yet."""
    path = folder / f"{NAME}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(folder: Path, results: dict[str, Any]) -> None:
    """Write the figures, and the page made from them."""
    atomic_write(folder / f"{NAME}.json", (json.dumps(results, indent=1, sort_keys=True) + "\n").encode())
    atomic_write(folder / f"{NAME}.md", page.page(results).encode())


if __name__ == "__main__":
    sys.exit(main())
