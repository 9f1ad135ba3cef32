"""Kill a random rank of a training at random moments, and go on each time: the run must end as one left alone.

    python tools/kill_ranks.py                        20 times, two processes
    python tools/kill_ranks.py --times 5 --processes 4 --seed 1

After each `kill -9` all processes must end within 10 seconds, and the run's folder must be whole: what is killed before
the first checkpoint begins anew, everything else resumes. In the end logs and weights must equal, to the bit, those of
a run that was not interrupted. Needs Open MPI's mpirun and mpi4py.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import launch

from gpucnn.runs import RunFolder
from gpucnn.training.checkpoint import read_tensors

CONFIG = """
name: killed
data: {name: digits, validation: 0.1}
model: [{conv2d: {out_channels: 4, kernel_size: 3}}, batch_norm2d, relu, {dropout: {p: 0.2}}, flatten, {linear: {out_features: 10}}]
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
train: {epochs: EPOCHS, batch_size: 64, timeout: 60}
report: false
"""  # noqa: E501  (YAML)
END_SECONDS = 10.0  # in which all processes must end
LATEST_SECONDS = 3.0  # after the first step: the latest moment of a kill


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each kill, and what came of all; 1 where the run differs from one left alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if cause := launch.why_not():
        raise SystemExit(cause)
    with tempfile.TemporaryDirectory() as scratch:
        return killed(Path(scratch), given.times, given.processes, given.epochs, random.Random(given.seed))


def killed(scratch: Path, times: int, processes: int, epochs: int, rng: random.Random) -> int:
    """As `main`, in the folder `scratch`."""
    config, alone, run = scratch / "config.yaml", scratch / "alone", scratch / "run"
    config.write_text(CONFIG.replace("EPOCHS", str(epochs)))
    _finish(launch.command(processes, "train", str(config), "--quiet", "--run-dir", str(alone)), scratch)
    for number in range(1, times + 1):
        print(f"kill {number}: {_kill(_line(config, run, processes), run, processes, rng)}; {_state(run)}", flush=True)
    _finish(_line(config, run, processes), scratch)
    different = [what for what, of in FIGURES.items() if of(run) != of(alone)]
    print(f"{times} kills; " + (f"other than a run left alone: {', '.join(different)}" if different else "to the bit"))
    return 1 if different else 0


def _kill(line: list[str], run: Path, processes: int, rng: random.Random) -> str:
    """Begin the run, or go on with it, until a rank is killed; returns which, and how it ended."""
    before, delay = launch.lines(run / "batches.csv"), rng.uniform(-0.5, LATEST_SECONDS)
    with launch.started(line, run.with_name("log")) as launcher:
        launch.until(lambda: len(launch.ranks(launcher)) == processes, "the ranks start")
        if delay > 0:
            launch.until(lambda: launch.lines(run / "batches.csv") != before, "the first step")
        time.sleep(abs(delay))  # negative: while it starts
        ranks = launch.ranks(launcher)
        if len(ranks) < processes:
            raise SystemExit("the run was finished before it was killed as often: give more --epochs")
        victim = rng.randrange(processes)
        os.kill(ranks[victim], signal.SIGKILL)
        seconds = launch.until(
            lambda: not any(map(launch.alive, ranks)) and launcher.poll() is not None, "all ranks end", END_SECONDS
        )
    return f"rank {victim}, {delay:.2f} s: all ended after {seconds:.2f} s"


def _line(config: Path, run: Path, processes: int) -> list[str]:
    """The command that begins the run, or goes on with it."""
    if run.exists() and not RunFolder(run).resumable:
        shutil.rmtree(run)
    where = ["--resume", str(run)] if run.exists() else ["--run-dir", str(run)]
    return launch.command(processes, "train", str(config), "--quiet", *where)


def _finish(line: list[str], scratch: Path) -> None:
    with launch.started(line, scratch / "log") as process:
        if process.wait():
            raise SystemExit((scratch / "log").read_text())


def _state(run: Path) -> str:
    """How far the run is; raises CheckpointError for a file that is not whole."""
    files = sorted(run.glob("checkpoints/*.safetensors"))
    for file in files:
        read_tensors(file)
    return f"{len(files)} whole checkpoints, {launch.lines(run / 'metrics.jsonl')} epochs"


def _metrics(run: Path) -> list[dict[str, float]]:
    times = ("seconds", "images_per_second")
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{name: value for name, value in row.items() if name not in times} for row in rows]


FIGURES = {
    "batches.csv": lambda run: (run / "batches.csv").read_bytes(),
    "metrics.jsonl": _metrics,
    "the weights": lambda run: (run / "model.safetensors").read_bytes(),
}

if __name__ == "__main__":
    sys.exit(main())
