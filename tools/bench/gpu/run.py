"""The whole benchmark: what is measured in which order, and what is left out when time is over."""

import datetime
import platform
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import results_page

from bench.gpu import extras, planning, steps
from bench.gpu.contestants import CONTESTANTS, PRECISIONS
from bench.gpu.planning import Budget
from bench.gpu.processes import Workers
from bench.gpu.workloads import FIRST, WORKLOADS
from bench.rounds import Failures
from gpucnn.backend import load_cupy
from gpucnn.runs import describe_environment
from gpucnn.threads import usable_cores

Results = dict[str, Any]
LASTING, FAST99 = "lasting", "fast99"  # what is measured beside the workloads


class Plan(NamedTuple):
    """What is measured; `forms` are contestants', each taking part in every precision."""

    workloads: tuple[str, ...]
    forms: tuple[str, ...]
    extras: tuple[str, ...]
    minutes: float

    @property
    def names(self) -> list[str]:
        """The contestants."""
        return [f"{form}-{precision}" for precision in PRECISIONS for form in self.forms]

    @property
    def extras_seconds(self) -> float:
        """What the extras take, about."""
        trainings = planning.COLD_SECONDS + (1 + extras.SEEDS) * planning.TRAINING_SECONDS
        return (LASTING in self.extras) * planning.LASTING_SECONDS + (FAST99 in self.extras) * trainings

    def estimate(self) -> float:
        """Seconds that all of it takes, about."""
        return planning.estimate(
            kinds_of(self.names), len(self.workloads), self.extras_seconds, seconds=60 * self.minutes
        )


def kinds_of(names: Sequence[str]) -> int:
    """Kinds of steps, those of all these contestants together."""
    return sum(len(CONTESTANTS[name].kinds) for name in names)


class Run:
    """A run of the benchmark. `note` is given all results so far after every round: what is cut off leaves them.

    `between` is called once all is measured that something is required of, before the rest. Compiled code is kept in
    the folder `caches`, or for this run alone.
    """

    def __init__(
        self,
        plan: Plan,
        log: IO[str],
        note: Callable[[Results], None],
        between: Callable[[], None] = lambda: None,
        caches: Path | None = None,
    ) -> None:
        self._plan, self._log, self._note, self._between, self._caches = plan, log, note, between, caches
        self._budget = Budget(60 * plan.minutes)
        self._failures = Failures()
        self.results: Results = {"steps": {}, "failures": self._failures, "unfinished": []}

    def measure(self) -> Results:
        """Everything that there is time for; that which something is required of comes first."""
        self.results["circumstances"] = circumstances()
        first = [name for name in self._plan.workloads if name in FIRST]
        rest = [name for name in self._plan.workloads if name not in FIRST]
        with tempfile.TemporaryDirectory() as scratch:
            folder = self._caches or Path(scratch)
            with Workers(folder, self._log) as workers:
                print("libraries and limits ...", flush=True)
                self.results["libraries"] = extras.describe(self._plan.names, workers)
                self._noted()
                self.results["limits"] = extras.limits(workers, self._failures)
                self._noted()
                self._workloads(first, workers, len(rest), self._plan.extras_seconds)
                self._extras(folder, workers)
                self._between()
                self._workloads(rest, workers, 0, 0.0)
        self._noted()
        return self.results

    def _workloads(self, names: Sequence[str], workers: Workers, later: int, reserved: float) -> None:
        """These workloads, so that there is time for so many later ones, and `reserved` seconds are left."""
        for number, name in enumerate(names, 1):
            taking_part = self._taking_part(name)
            kinds = kinds_of(taking_part)
            if not taking_part:
                continue
            if not self._budget.allows(kinds):
                self._leave_out(name)
                continue
            print(f"{name} ...", flush=True)
            after = later + len(names) - number
            self._contest(name, taking_part, workers).run(
                lambda kinds=kinds, after=after: self._budget.rounds(kinds, after, reserved)  # type: ignore[misc]
            )

    def _contest(self, workload: str, names: Sequence[str], workers: Workers) -> steps.Contest:
        return steps.Contest(
            WORKLOADS[workload],
            names,
            workers,
            self._failures,
            self._budget,
            lambda found: self._noted(**{workload: found}),
        )

    def _taking_part(self, workload: str) -> list[str]:
        """The contestants that are there and have not failed too often; those that have are told of."""
        libraries = self.results["libraries"]
        there = [name for name in self._plan.names if "absent" not in libraries[CONTESTANTS[name].library]]
        kept = steps.still_in(there, self._failures)
        for name in there:
            if name not in kept:
                self._failures[f"{workload} {name}"] = "left out, as it failed before"
        return kept

    def _extras(self, folder: Path, workers: Workers) -> None:
        """Device memory over many steps, and the time to 99 %."""
        if LASTING in self._plan.extras:
            print("memory over many steps ...", flush=True)
            self.results[LASTING] = extras.lasting(workers, self._failures)
            self._noted()
        if FAST99 in self._plan.extras:
            print("99 % on MNIST ...", flush=True)
            self.results[FAST99] = extras.fast99(
                folder,
                self._log,
                self._failures,
                lambda: self._budget.left() < planning.TRAINING_SECONDS,
                self._trained,
            )
            failed = self._failures.has(FAST99, "gpucnn")
            if not failed and len(self.results[FAST99]) not in (0, 1 + extras.SEEDS):
                self._leave_out("some seeds of fast99")

    def _trained(self, runs: list[dict[str, float]]) -> None:
        self.results[FAST99] = runs
        self._noted()

    def _leave_out(self, what: str) -> None:
        print(f"{what}: left out, time is over", flush=True)
        self.results["unfinished"].append(what)

    def _noted(self, **workloads: dict[str, steps.Figures]) -> None:
        """Hand on all that there is, with these workloads' figures added."""
        self.results["steps"] |= workloads
        self.results["circumstances"]["seconds"] = self._budget.seconds - self._budget.left()
        self._note(self.results)


def circumstances() -> Results:
    """What the figures are measured on."""
    environment = describe_environment()
    return {
        "device": device_name(),
        "driver": driver_version(),
        "machine": f"{results_page.processor()}, {usable_cores()} cores",
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), "numpy": environment["versions"]["numpy"]},
        "commit": environment["git_commit"],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def device_name() -> str:
    """As the driver tells it, with the compute capability and the multiprocessors."""
    found = load_cupy().cuda.runtime.getDeviceProperties(0)
    name = found["name"].decode()
    return f"{name} (compute capability {found['major']}.{found['minor']}, {found['multiProcessorCount']} SMs)"


def driver_version() -> str:
    """The driver's own, where nvidia-smi tells it, and the CUDA that it serves."""
    number = load_cupy().cuda.runtime.driverGetVersion()
    cuda = f"CUDA {number // 1000}.{number % 1000 // 10}"
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return cuda
    return f"{said[0]} ({cuda})" if said else cuda
