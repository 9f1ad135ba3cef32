"""A workload: all contestants are prepared side by side, and then measured in turns, one at a time."""

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bench.gpu.contestants import CONTESTANTS, JAX, TRAINING
from bench.gpu.planning import GROUP_SECONDS, Budget
from bench.gpu.processes import START_SECONDS, Workers
from bench.processes import ContestantError
from bench.rounds import Failures, turn
from bench.workloads import Workload, network_of
from gpucnn.threads import usable_cores

Figures = dict[str, Any]  # of a contestant: a list of milliseconds for each kind of step, and single figures
OUT_AFTER = 2  # workloads at which a contestant failed: it then takes part in no more
LEAST_PATIENCE = 10.0  # seconds for a preparation, when time is almost over
PAUSE = 0.1  # before the rounds, for processes that have just ended to give back what they held


@dataclass
class Contest:
    """Contestants `names` at a workload, each in a process of its own. One that fails is out, and told of.

    The processes stay for the next workload, but for JAX's, whose peak of memory cannot be set back. `note` is given
    the contestants' figures after each round.
    """

    workload: Workload
    names: Sequence[str]
    workers: Workers
    failures: Failures
    budget: Budget
    note: Callable[[dict[str, Figures]], None]
    _network: str = field(init=False)
    _found: dict[str, Figures] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._network = network_of(self.workload.config).to_json()

    def run(self, rounds: Callable[[], int]) -> None:
        """Prepare, measure, count. `rounds` is asked how many there are once all are prepared."""
        with self.budget.workload(), ThreadPoolExecutor(usable_cores()) as side_by_side:
            for name in self.names:
                self.workers.get(name)
            prepared = side_by_side.map(self._prepared, self.names)
            self._found = {name: found for name, found in zip(self.names, prepared, strict=True) if found is not None}
            self.note(self._found)
            time.sleep(PAUSE)
            with self.budget.measuring():
                self._rounds(rounds())
            if self.budget.left() > 0:
                list(side_by_side.map(self._count, list(self._found)))
                self.note(self._found)
        self.workers.end(*(name for name in self.names if CONTESTANTS[name].library == JAX))

    def _prepared(self, name: str) -> Figures | None:
        """A contestant's figures of its preparation, those of its steps still empty; None where it fails."""
        figures: Figures = {}
        patience = max(LEAST_PATIENCE, min(START_SECONDS, self.budget.left()))
        given = {"network": self._network, "batch": self.workload.batch}
        with self.failures.noted(self.workload.name, name):
            for kind in CONTESTANTS[name].kinds:
                ready = self.workers.get(name).ask("prepare", patience, kind=kind, **given)
                figures[f"{kind}_ms"] = []
                figures[f"{kind}_ready_s"] = ready["ready_s"]
                if kind == TRAINING:  # what inference takes comes on top of it
                    figures["memory_MiB"] = ready["memory_MiB"]
            return figures
        self.workers.end(name)
        return None

    def _rounds(self, number: int) -> None:
        """So many rounds, or as many as there is time for; the first in any case."""
        for done in range(number):
            if done and self.budget.left() <= 0:
                break
            for name in turn(list(self._found), done):
                self._measure(name)
            self.note(self._found)

    def _measure(self, name: str) -> None:
        """One round of a contestant, all of it or nothing; a failure takes its figures away."""
        kinds = CONTESTANTS[name].kinds
        with self.failures.noted(self.workload.name, name):
            times = [self.workers.get(name).ask("measure", kind=kind, seconds=GROUP_SECONDS) for kind in kinds]
            for kind, milliseconds in zip(kinds, times, strict=True):
                self._found[name][f"{kind}_ms"].append(milliseconds)
            return
        self.workers.end(name)
        del self._found[name]

    def _count(self, name: str) -> None:
        """What a contestant's steps launch; a profiler that fails costs this count alone."""
        for kind in CONTESTANTS[name].kinds:
            with contextlib.suppress(ContestantError):
                self._found[name][f"{kind}_launches"] = self.workers.get(name).ask("launches", kind=kind)


def still_in(names: Sequence[str], failures: Failures) -> list[str]:
    """The contestants that have not failed too often; each failure costs the others time."""
    return [name for name in names if sum(what.endswith(f" {name}") for what in failures) < OUT_AFTER]
