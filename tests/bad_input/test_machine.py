"""No GPU, odd variables, a full disk, a loss that is no number, a terminal of few letters."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gpucnn
from tests.bad_input import files as bad
from tests.bad_input.commands import GO_ON, LAST, MODEL, TRAIN, process


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (f"{TRAIN} --device cuda", {}),
        (f"{TRAIN} --device cuda:1", {}),
        (f"{TRAIN} device=cuda", {}),
        (TRAIN, {"GPUCNN_DEVICE": "cuda"}),
    ],
)
def test_a_gpu_that_is_not_there(command: str, variables: dict[str, str], refused, monkeypatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("gpucnn.backend.why_no_gpu", lambda index=0: "there is no driver")
    refused(command, "device 'cuda", "cannot be used: there is no driver. Use device cpu or auto to train without")


@pytest.mark.skipif(gpucnn.backend.why_no_gpu() is None, reason="this machine has a GPU")
def test_a_gpu_that_this_machine_has_not(refused) -> None:
    refused(f"{TRAIN} --device cuda", f"device 'cuda' cannot be used: {gpucnn.backend.why_no_gpu()}. Use device cpu")


@pytest.mark.parametrize(
    ("command", "variables", "words"),
    [
        (f"{TRAIN} --device tpu", {}, "device 'tpu' is not known; expected auto, cpu, cuda or cuda:N"),
        (f"{TRAIN} device=gpu", {}, "override 'device=gpu': device: given 'gpu', expected auto, cpu, cuda or cuda:N"),
        (TRAIN, {"GPUCNN_DEVICE": "gpu"}, "device 'gpu' is not known; expected auto, cpu, cuda or cuda:N"),
        (TRAIN, {"GPUCNN_KERNELS": "foo"}, "GPUCNN_KERNELS is 'foo'; expected auto or numpy, or leave it unset"),
        ("data fetch minst", {}, "data fetch minst: did you mean mnist"),
        (f"{TRAIN} data.name=mnist", {"GPUCNN_DATA_DIR": "x.yaml"}, "Set GPUCNN_DATA_DIR to a folder to write to"),
    ],
)
def test_the_environment(command: str, variables: dict[str, str], words: str, refused, monkeypatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    refused(command, words)


@pytest.mark.parametrize("threads", ["zero", "0", "1.5", "100000"])
def test_a_number_of_threads_that_is_none(threads: str, folder) -> None:
    done = process(TRAIN, GPUCNN_THREADS=threads)
    message = f"GPUCNN_THREADS is '{threads}'; expected 1 to 1024, or leave it unset\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
    assert list(folder.iterdir()) == [folder / "x.yaml"]


def test_no_room_for_the_first_checkpoint(folder) -> None:
    done = process(TRAIN, limit=20_000)  # with Adam's averages it has 70,000 bytes
    message = f"the system refused: [Errno {errno.EFBIG}] File too large: 'run/{LAST}'\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)
    assert list(folder.iterdir()) == [folder / "x.yaml"]


def test_a_full_disk_while_training_leaves_the_checkpoint_before(folder, run) -> None:
    """The third epoch's has no room; later there is room again, and training ends as if nothing had been."""
    whole = Path(shutil.copytree(run, folder / "whole"))
    before = (run / LAST).read_bytes()
    done = process(GO_ON, limit=20_000)
    assert done.returncode == 1 and done.stderr.startswith(f"the system refused: [Errno {errno.EFBIG}] File too large")
    assert (run / LAST).read_bytes() == before and not list(run.rglob(".*"))
    for path in (run, whole):
        assert process(GO_ON.replace("--resume run", f"--resume {path}")).returncode == 0
    assert (run / MODEL).read_bytes() == (whole / MODEL).read_bytes()


@pytest.mark.parametrize("number", [1, 3, 5, 6])
def test_a_full_disk_from_some_write_on_before_anything_was_trained(number: int, refused, monkeypatch) -> None:
    sync, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    refused(TRAIN, "the disk is full", "No space left on device; free some space and try again", code=1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", ["train x.yaml --run-dir run", "info"])
def test_a_full_disk_behind_standard_output(folder, arguments, unbuffered) -> None:
    command = f"{sys.executable} -m gpucnn.cli {arguments} > /dev/full"
    settings = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, env=settings)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("the disk is full: No space left on device; free some space")
    assert list(folder.iterdir()) == [folder / "x.yaml"]


def test_a_loss_that_is_no_number_says_where(folder) -> None:
    done = process(f"{TRAIN} 'optimizer={{name: sgd, lr: 1e30}}'")
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "training stopped: the training loss of epoch 1, step 2 is nan (learning rate 1e+30)" in done.stderr
    assert "the output of layer 3 (Linear) is the first that is not" in done.stderr
    assert "Lower the learning rate (optimizer.lr), or clip the gradients" in done.stderr
    assert not (folder / "run/result.json").exists() and not list((folder / "run").rglob(".*"))


def test_a_name_that_the_terminal_cannot_show(folder, run) -> None:
    """Not UTF-8, as an old archive may hold it."""
    name = os.fsdecode(b"caf\xe9.png")
    bad.write_files(folder, {name: bad.png()})
    done = process(f"predict run {name} --invert", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("caf\\xe9.png: ")
