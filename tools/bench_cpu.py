"""A training step of LeNet on the CPU: gpucnn against PyTorch, alternately, each time in a new process.

    python tools/bench_cpu.py [--processes 5] [--batch 64] [--json FILE]

A step is forward, backward and update (SGD with Nesterov momentum) on one batch. Every process warms up, then takes the
median of many steps; quoted are the median and the best of the processes, and the ratio pair by pair. Also: the time
`import` takes, the time to the end of the first step, and the process's peak memory. Needs PyTorch (pip install
torch==2.13.0), which is timed in its eager form with its own choice of threads.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

CONTESTANTS = ("gpucnn", "torch")
SECONDS_EACH = 7  # of one process, imports and warm-up included, for the estimate
WARM_UP, STEPS = 30, 400


def main() -> None:
    """Run the contest, or, as a child, one contestant."""
    options = _options()
    if options.child:
        print(json.dumps(measure(options.child, options.batch)))
        return
    expected = options.processes * len(CONTESTANTS) * SECONDS_EACH
    print(f"{options.processes} processes each of {', '.join(CONTESTANTS)}; this takes about {expected} s", flush=True)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
    for _ in range(options.processes):
        for name in CONTESTANTS:
            runs[name].append(_in_new_process(name, options.batch))
    result = summary(runs, options.batch)
    print(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=5, help="of each contestant (default 5)")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch (default 64)")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    parser.add_argument("--child", choices=CONTESTANTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_new_process(name: str, batch: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", name, "--batch", str(batch)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(name: str, batch: int) -> dict[str, float]:
    """One contestant's figures: times in milliseconds, memory in MiB."""
    began = time.perf_counter()
    make = {"gpucnn": gpucnn_step, "torch": torch_step}[name]
    imported, step = make(batch)
    step()
    first = time.perf_counter()
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {
        "step_ms": 1e3 * statistics.median(times),
        "import_ms": 1e3 * (imported - began),
        "first_step_ms": 1e3 * (first - began),
        "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def gpucnn_step(batch: int) -> tuple[float, Callable[[], Any]]:
    """When gpucnn was imported, and its training step, as the trainer takes it."""
    import gpucnn
    from gpucnn import Tensor, nn, optim
    from gpucnn import functional as F
    from gpucnn.arena import Arena
    from gpucnn.threads import one_blas_thread

    imported = time.perf_counter()
    import numpy as np

    gpucnn.set_device("cpu")
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding="same", bias=False), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5, bias=False), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((1, 28, 28, batch), dtype=np.float32)  # (C, H, W, N), as the loader makes them
    labels = rng.integers(0, 10, batch)
    arena = Arena()

    def step() -> float:
        with one_blas_thread(), arena.step(batch):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(Tensor.from_batch_last(images)), labels)
            loss.backward()
            optimizer.step()
            return loss.item()

    return imported, step


def torch_step(batch: int) -> tuple[float, Callable[[], Any]]:
    """When PyTorch was imported, and the same step in it."""
    import torch
    from torch import nn

    imported = time.perf_counter()
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding="same", bias=False), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5, bias=False), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    images, labels = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    criterion = nn.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return imported, step


def summary(runs: dict[str, list[dict[str, float]]], batch: int) -> dict[str, Any]:
    """Median and best of every figure, the ratios pair by pair, machine and versions."""
    pairs = [theirs["step_ms"] / ours["step_ms"] for ours, theirs in zip(runs["gpucnn"], runs["torch"], strict=True)]
    return {
        "batch": batch,
        "machine": _processor(),
        "versions": {name: version(name) for name in ("gpucnn", "numpy", "torch")},
        "python": platform.python_version(),
        "figures": {
            name: {
                key: {"median": statistics.median(values), "best": min(values), "all": values}
                for key in found[0]
                for values in [[run[key] for run in found]]
            }
            for name, found in runs.items()
        },
        "times_as_fast": {"median": statistics.median(pairs), "all": pairs},
    }


def _processor() -> str:
    """The processor's name where Linux tells it, and how many of its cores this process may use."""
    from gpucnn.threads import usable_cores

    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{names[0].partition(':')[2].strip() if names else platform.machine()}, {usable_cores()} cores"


def table(result: dict[str, Any]) -> str:
    """The figures as lines of text."""
    labels = {
        "step_ms": "training step, ms",
        "import_ms": "import, ms",
        "first_step_ms": "start to end of first step, ms",
        "peak_MiB": "peak memory, MiB",
    }
    lines = [
        f"{result['machine']}; {result['versions']}",
        f"{'median (best)':32}" + "".join(f"{n:>20}" for n in CONTESTANTS),
    ]
    for key, label in labels.items():
        cells = (result["figures"][name][key] for name in CONTESTANTS)
        lines.append(f"{label:32}" + "".join(f"{c['median']:>11.2f} ({c['best']:.2f})".rjust(20) for c in cells))
    ratio = result["times_as_fast"]
    spread = ", ".join(f"{pair:.2f}" for pair in ratio["all"])
    lines.append(f"LeNet, batch {result['batch']}: {ratio['median']:.2f} times as fast as PyTorch (pairs: {spread})")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
