"""Processes started by mpirun, for tests and for programs."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 120.0  # for what takes a few on an idle machine


def why_not() -> str | None:
    """Why processes cannot be started together here."""
    if shutil.which("mpirun") is None:
        return "there is no mpirun (apt-get install openmpi-bin)"
    return None if importlib.util.find_spec("mpi4py") else "mpi4py is not installed (pip install mpi4py)"


def command(processes: int, *arguments: str) -> list[str]:
    """The command line of `gpucnn ARGUMENTS` in that many processes, on however few cores."""
    return [*mpirun(processes), sys.executable, "-m", "gpucnn.cli", *arguments]


def mpirun(processes: int) -> list[str]:
    """mpirun and its options."""
    openmpi = "Open MPI" in subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=True).stdout
    return ["mpirun", "-n", str(processes), *(["--oversubscribe", "--bind-to", "none"] if openmpi else [])]


def environment(**more: str) -> dict[str, str]:
    """The environment for processes that share the cores, as root or not."""
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **as_root, "GPUCNN_THREADS": "1", "PYTHONPATH": paths, "GPUCNN_DEVICE": "cpu", **more}


def run(processes: int, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`gpucnn ARGUMENTS` in that many processes; environment variables by name."""
    line = command(processes, *arguments)
    return subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, env=environment(**more), check=False)


@contextlib.contextmanager
def started(line: Sequence[str], log: Path, **more: str) -> Iterator[subprocess.Popen]:
    """A command that runs meanwhile, and writes what it says to `log`."""
    with log.open("w") as file:
        process = subprocess.Popen(line, stdout=file, stderr=subprocess.STDOUT, env=environment(**more))
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def ranks(launcher: subprocess.Popen) -> list[int]:
    """The process numbers of the ranks that an mpirun on this machine started, in their order."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            variables = dict(
                entry.split("=", 1) for entry in (folder / "environ").read_text().split("\0") if "=" in entry
            )
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == launcher.pid:
                found[int(variables["OMPI_COMM_WORLD_RANK"])] = int(folder.name)
    return [found[rank] for rank in sorted(found)]


def alive(pid: int) -> bool:
    """Whether a process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: Callable[[], bool], what: str, seconds: float = SECONDS) -> float:
    """Wait until it is true; returns how many seconds that took. Raises TimeoutError."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)
    return time.monotonic() - began


def lines(path: Path) -> int:
    """How many lines a file has; 0 where there is none yet."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
