"""Whether this process is one of several, and what is said where MPI is missing or another."""

import os
import signal
import subprocess
import sys

import launch
import pytest

from gpucnn.cli import main
from gpucnn.errors import InputError
from gpucnn.parallel import ALONE, Communicator, start
from gpucnn.parallel.start import SIZES, describe_mpi
from gpucnn.runs.folder import RunFolder
from gpucnn.runs.silent import SilentFolder
from gpucnn.training.interruption import Interruption

WRITES_NOTHING = {
    "create", "open", "config_path", "model_path", "last_path", "previous_path", "best_path", "finished",
    "epochs_logged", "normalization", "result",
}  # fmt: skip


@pytest.fixture(autouse=True)
def by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SIZES:
        monkeypatch.delenv(name, raising=False)


def test_a_process_started_by_itself_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start() is ALONE
    monkeypatch.setenv("PMI_SIZE", "1")
    assert start() is ALONE
    assert type(ALONE) is Communicator and ALONE.gather(1) == [1] and ALONE.broadcast(2) == 2


def test_without_mpi4py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(InputError, match=r"3 processes were started together.*gpucnn\[mpi\]"):
        start()
    assert describe_mpi().startswith("none: ")
    assert main(["train", "smoke"]) == 2
    assert "gpucnn[mpi]" in capsys.readouterr().err


@pytest.mark.skipif(launch.why_not() is not None, reason=str(launch.why_not()))
def test_an_mpi_that_sees_another_number_of_processes_is_refused() -> None:
    """As where mpi4py is built for another MPI than the mpirun that started it."""
    done = subprocess.run(
        [sys.executable, "-m", "gpucnn.cli", "train", "smoke"],
        env=launch.environment(SLURM_STEP_NUM_TASKS="2"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "mpi4py sees 1" in done.stderr and "--mpi=pmix" in done.stderr


def test_a_folder_that_another_process_writes_overrides_all_that_writes() -> None:
    public = {name for name in dir(RunFolder) if not name.startswith("_")} - WRITES_NOTHING
    assert public <= vars(SilentFolder).keys()


def test_sigterm_is_noted_as_ctrl_c_where_it_raises_the_same() -> None:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGTERM)
            assert interruption.requested
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
