"""A workload: all contestants are prepared side by side, and then measured in turns, one at a time."""

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from bench.gpu.contestants import CONTESTANTS, TRAINING
from bench.gpu.planning import GROUP_SECONDS, Budget
from bench.gpu.processes import START_SECONDS, Worker
from bench.processes import ContestantError
from bench.rounds import Failures, turn
from bench.workloads import Network, Workload
from gpucnn.threads import usable_cores

Figures = dict[str, Any]  # of a contestant: a list of milliseconds for each kind of step, and single figures
OUT_AFTER = 2  # workloads at which a contestant failed: it then takes part in no more
LEAST_PATIENCE = 10.0  # seconds for a preparation, when time is almost over
PAUSE = 0.1  # before the rounds, for processes that have just ended to give back what they held


def measure(
    workload: Workload,
    network: Network,
    names: Sequence[str],
    folder: Path,
    log: IO[str],
    failures: Failures,
    rounds: Callable[[], int],
    budget: Budget,
    note: Callable[[dict[str, Figures]], None],
) -> dict[str, Figures]:
    """Every contestant's figures; `note` is given what there is after each round.

    `folder` keeps compiled code. `rounds` is asked once all are prepared. A contestant that fails is out, and told of.
    """
    found: dict[str, Figures] = {}
    with budget.workload(), contextlib.ExitStack() as open_workers:
        pool = open_workers.enter_context(ThreadPoolExecutor(usable_cores()))
        workers = {name: open_workers.enter_context(Worker(CONTESTANTS[name], folder, log)) for name in names}
        open_workers.callback(_kill, list(workers.values()))  # all of them, before one is waited for
        patience = max(LEAST_PATIENCE, min(START_SECONDS, budget.left()))
        prepared = pool.map(lambda name: _prepared(name, workers[name], workload, network, failures, patience), names)
        found = {name: figures for name, figures in zip(names, prepared, strict=True) if figures is not None}
        note(found)
        time.sleep(PAUSE)
        with budget.measuring():
            for number in range(rounds()):
                if number and budget.left() <= 0:
                    break
                for name in turn(list(found), number):
                    _measure(name, workers[name], workload, found, failures)
                note(found)
        if budget.left() > 0:
            list(pool.map(lambda name: _count(name, workers[name], found), list(found)))
            note(found)
    return found


def _kill(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.kill()


def _prepared(
    name: str, worker: Worker, workload: Workload, network: Network, failures: Failures, patience: float
) -> Figures | None:
    """A contestant's figures of its preparation, those of its steps still empty; None where it fails."""
    figures: Figures = {}
    given = {"network": network.to_json(), "batch": workload.batch}
    with failures.noted(workload.name, name):
        for kind in CONTESTANTS[name].kinds:
            ready = worker.ask("prepare", patience, kind=kind, **given)
            figures[f"{kind}_ms"] = []
            figures[f"{kind}_ready_s"] = ready["ready_s"]
            if kind == TRAINING:  # what inference takes comes on top of it
                figures["memory_MiB"] = ready["memory_MiB"]
        return figures
    worker.close()
    return None


def _measure(name: str, worker: Worker, workload: Workload, found: dict[str, Figures], failures: Failures) -> None:
    """One round of a contestant, all of it or nothing; a failure takes its figures away."""
    with failures.noted(workload.name, name):
        kinds = CONTESTANTS[name].kinds
        times = [worker.ask("measure", kind=kind, seconds=GROUP_SECONDS) for kind in kinds]
        for kind, milliseconds in zip(kinds, times, strict=True):
            found[name][f"{kind}_ms"].append(milliseconds)
        return
    worker.close()
    del found[name]


def _count(name: str, worker: Worker, found: dict[str, Figures]) -> None:
    """What a contestant's steps launch; a profiler that fails costs this count alone."""
    for kind in CONTESTANTS[name].kinds:
        with contextlib.suppress(ContestantError):
            found[name][f"{kind}_launches"] = worker.ask("launches", kind=kind)


def still_in(names: Sequence[str], failures: Failures) -> list[str]:
    """The contestants that have not failed too often; each failure costs the others time."""
    return [name for name in names if sum(what.endswith(f" {name}") for what in failures) < OUT_AFTER]
