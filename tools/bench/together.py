"""LeNet trained by several processes together: steps, sums of gradients, and what both come to on a network.

As a program, in every process: trains for some seconds and prints what rank 0 measured.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import launch
import numpy as np
from results_page import NOT_MEASURED, table

from bench.figures import Results, found, median_and_best, rounded
from bench.processes import ContestantError
from bench.rounds import Failures, contest
from gpucnn import manual_seed
from gpucnn.config.build import build_network
from gpucnn.config.check import load_config
from gpucnn.optim import SGD
from gpucnn.parallel import Communicator, start
from gpucnn.training import Trainer
from gpucnn.training.gradient_sums import bucket_bytes
from gpucnn.training.records import BatchRecord
from gpucnn.training.shares import FEWEST

BATCH = 512  # images, of all processes together
IMAGES = 8 * BATCH
WARM_UP = 6  # steps


class Form(NamedTuple):
    """So many processes with so many threads each."""

    processes: int
    threads: int

    @property
    def title(self) -> str:
        """In words."""
        return (
            f"{self.processes} process{'es' * (self.processes > 1)} of {self.threads} thread{'s' * (self.threads > 1)}"
        )


FORMS = {form.title: form for form in (Form(1, 1), Form(2, 1), Form(1, 2))}
NETWORKS = {"10 Gbit/s": (10e9 / 8, 20e-6), "100 Gbit/s": (100e9 / 8, 5e-6)}  # bytes a second, seconds a message
SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)  # processes


def measure(rounds: int, seconds: float, failures: Failures) -> dict[str, Any]:
    """Each form's figures, in turns; nothing where there is no MPI."""
    if cause := launch.why_not():
        print(f"not measured: {cause}", flush=True)
        return {}
    return contest(list(FORMS), rounds, "processes", failures, lambda name, _: _run(FORMS[name], seconds))


def _run(form: Form, seconds: float) -> dict[str, float]:
    """What one training in this form measures."""
    line = [*(launch.mpirun(form.processes) if form.processes > 1 else []), sys.executable, "-m", "bench.together"]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), str(launch.ROOT)])
    settings = launch.environment(GPUCNN_THREADS=str(form.threads), PYTHONPATH=paths)
    done = subprocess.run([*line, str(seconds)], capture_output=True, text=True, env=settings, timeout=600, check=False)
    if done.returncode:
        raise ContestantError((done.stderr.strip().splitlines() or ["no cause is given"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def train(communicator: Communicator, seconds: float) -> dict[str, float]:
    """Milliseconds of a step on the wall and on a core, of a sum of its gradients, of one of few numbers."""
    manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, 28, 28)).astype(np.uint8)
    labels = np.random.default_rng(1).integers(0, 10, IMAGES)
    net = build_network(load_config("lenet"), (1, 28, 28), 10)
    trainer = Trainer(net, SGD(net.parameters(), lr=0.01, momentum=0.9), communicator=communicator)
    began, busy, steps = math.inf, 0.0, -WARM_UP
    for record in trainer.run((images, labels), epochs=10**6, batch_size=BATCH):
        steps += isinstance(record, BatchRecord)
        if not trainer.settled or steps < 0:  # captured steps come many at a time
            continue
        if began == math.inf:
            began, busy, steps = time.perf_counter(), time.process_time(), 0
        passed = time.perf_counter() - began
        if communicator.sum(np.array([float(passed > seconds)]))[0]:  # all stop after the same step
            break
    busy = time.process_time() - busy
    gradients = sum(parameter.size for parameter in net.parameters())
    return {
        "step_ms": 1e3 * passed / steps,
        "cpu_ms": 1e3 * busy / steps,
        "sum_ms": _milliseconds_of_sum(communicator, gradients),
        "small_sum_ms": _milliseconds_of_sum(communicator, 4),
        "bytes": 4 * gradients,
    }


def _milliseconds_of_sum(communicator: Communicator, length: int) -> float:
    array, times = np.zeros(length, np.float32), []
    for _ in range(200):
        began = time.perf_counter()
        communicator.sum(array)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def sections(results: Results) -> list[str]:
    """What several processes take, and what more of them would; nothing where it was not measured."""
    runs = found(results, "processes")
    if not runs:
        return []
    return [
        f"## LeNet in several processes, {BATCH} images a step in all\n\n{steps(runs)}",
        f"## Simulated: as many times as fast as one process\n\n{simulated(runs)}",
    ]


def steps(runs: dict[str, list[dict[str, float]]]) -> str:
    """A row for each form: milliseconds, and how many times as fast as the first."""
    alone = [run["step_ms"] for run in runs[Form(1, 1).title]]
    rows = []
    for name in FORMS:
        figures = {key: [run[key] for run in runs.get(name, [])] for key in ("step_ms", "cpu_ms", "sum_ms")}
        if figures["step_ms"]:
            pairs = [one / other for one, other in zip(alone, figures["step_ms"], strict=False)]
            sums = median_and_best(figures["sum_ms"]) if FORMS[name].processes > 1 else ""
            times = (median_and_best(figures[key]) for key in ("step_ms", "cpu_ms"))
            rows.append([name, *times, f"{statistics.median(pairs):.2f}", sums])
        else:
            rows.append([name, *[NOT_MEASURED] * 4])
    head = ["", "a step, ms", "its time on a process's cores, ms", "times as fast", "a sum of all gradients, ms"]
    return table(head, rows)


def simulated(runs: dict[str, list[dict[str, float]]]) -> str:
    """A row for each number of processes of one thread, a machine each: how many times as fast as one."""
    alone = runs[Form(1, 1).title]
    step = min(run["cpu_ms"] for run in alone) / 1e3  # where other programs run, more than that passes
    size = alone[0]["bytes"]
    call = min(run["small_sum_ms"] for run in runs.get(Form(2, 1).title, alone)) / 1e3
    rows = []
    for processes in SIZES:
        row = [f"{processes:,}"]
        for bandwidth, latency in NETWORKS.values():
            for images in (BATCH, BATCH * processes):
                share = images / processes
                if share < FEWEST:  # all would compute the whole batch
                    row.append("-")
                    continue
                seconds = simulated_step(processes, share / BATCH * step, size, Wire(bandwidth, latency, call))
                row.append(rounded(images / BATCH * step / seconds))
        rows.append(row)
    kinds = (f"{BATCH} images in all", f"{BATCH} each")
    return table(["processes", *(f"{name}, {kind}" for name in NETWORKS for kind in kinds)], rows)


class Wire(NamedTuple):
    """Between two machines: bytes a second, seconds a message takes, seconds a call of a sum costs at both ends."""

    bandwidth: float
    latency: float
    call: float


def simulated_step(processes: int, computing: float, size: float, wire: Wire) -> float:
    """Seconds of a step in which each process computes for `computing` and `size` bytes of gradients are summed.

    The sums, and one of a few numbers, go up and down a tree (latency) and around a ring (bandwidth). What is sent
    while the backward pass still runs, two thirds of a step, costs nothing; the last bucket follows it.
    """
    rounds = 2 * math.ceil(math.log2(processes))
    small = wire.call + rounds * wire.latency
    ring = 2 * (processes - 1) / processes / wire.bandwidth
    follows = min(size, bucket_bytes(int(size)))
    first, last = (wire.call + rounds * wire.latency + ring * sent for sent in (size - follows, follows))
    if follows == size:  # one sum, which begins with that of a few numbers
        return computing + small + last
    hidden = min(first + small, computing * 2 / 3)
    return computing + (first + small - hidden) + last


def main() -> None:
    """Measure in this process and those started with it."""
    communicator = start()
    figures = train(communicator, float(sys.argv[1]))
    if communicator.rank == 0:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
