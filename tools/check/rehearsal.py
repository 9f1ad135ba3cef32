"""A rehearsal: every part on the emulated GPU, made small. It shows that the check runs, and nothing of a GPU."""

import os
import sys
from pathlib import Path

from bench.gpu import extras, planning, steps
from bench.gpu.workloads import WORKLOADS
from bench.workloads import Workload

from check import parts
from check.parts import Scale

EMULATION = Path(__file__).parents[2] / "tests" / "emulation" / "installed"
SMALL = Scale(
    smoke=("--batch", "2", "--repeats", "1"),
    tests=("tests/optim/test_clipping.py", "tests/training/test_captured_operations.py"),
    workloads=("lenet-64", "lenet-256"),
    least_minutes=4.0,
)
BATCH = 2


def prepare(caches: Path) -> None:
    """Put the emulation in CuPy's place, here and in every process that is started, and make everything small."""
    os.environ["GPUCNN_EMULATION_FOLDER"] = str(caches)
    sys.path.insert(0, str(EMULATION))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(EMULATION), os.environ["PYTHONPATH"]])
    os.environ["GPUCNN_BENCH_REHEARSED"] = "1"
    for name in SMALL.workloads:
        WORKLOADS[name] = Workload(name, WORKLOADS[name].config, BATCH)
    planning.FEWEST = planning.MOST = 1
    steps.GROUP_SECONDS = 0.0
    extras.SEEDS, extras.LASTING_STEPS, extras.LASTING_BATCH = 1, 8, BATCH
    extras.OVERRIDES = ["data.limit=64", "train.epochs=1", "train.batch_size=8", "report=false"]
    parts.SMOKE_SECONDS = parts.TESTS_SECONDS = 900.0
    extras.TRAINING_PATIENCE = 600.0
