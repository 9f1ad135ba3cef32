"""gpucnn sweep: every member a plain run, faults before any training, killed and resumed, over MPI."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gpucnn.cli import main
from gpucnn.sweep import Local, Sweep

FINISHED = ["config.yaml", "metrics.jsonl", "model.safetensors", "result.json"]
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]


@pytest.fixture
def here(monkeypatch) -> list[list[str]]:
    """Members train in this process, which saves their start; the list holds their arguments.

    One after another whatever the number of workers: threads of a process share its random generator.
    """
    trained: list[list[str]] = []
    one_at_a_time = threading.Lock()

    def train(self, arguments: list[str]) -> str | None:
        with one_at_a_time:
            trained.append(arguments)
            return None if main(["train", *arguments]) == 0 else "it failed"

    monkeypatch.setattr(Local, "train", train)
    return trained


def rows(printed: str) -> list[list[str]]:
    """The rows of the ranking that was printed."""
    lines = printed.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("rank "))
    return [line.split() for line in lines[start + 1 : -1]]


def test_all_combinations_are_plain_runs_in_folders_of_their_own(config, here, capsys) -> None:
    assert main(["sweep", config, "optimizer.lr=0.01,0.001", "seed=0..1", "--workers", "1", "--run-dir", "s"]) == 0
    printed = capsys.readouterr().out
    names = ["001-lr=0.01-seed=0", "002-lr=0.01-seed=1", "003-lr=0.001-seed=0", "004-lr=0.001-seed=1"]
    assert sorted(path.name for path in Path("s").iterdir() if path.is_dir()) == names
    assert all((Path("s") / name / file).is_file() for name in names for file in FINISHED)
    assert [row[:5] for row in rows(printed)] == [["1", "0.01", "2", "of", "2"], ["2", "0.001", "2", "of", "2"]]
    assert main(["train", config, "optimizer.lr=0.001", "seed=1", "--run-dir", "alone", "--quiet"]) == 0
    assert Path("alone/model.safetensors").read_bytes() == Path("s", names[3], "model.safetensors").read_bytes()


def test_halving_trains_the_best_to_the_end_as_if_alone(config, here, capsys) -> None:
    assert main([
        "sweep", config, "optimizer.lr=0.01,0.001,0.0001", "train.epochs=3", "--halving", "3", "--workers", "1",
        "--run-dir", "s",
    ]) == 0  # fmt: skip
    table = rows(capsys.readouterr().out)
    assert [row[1] for row in table] == ["0.01", "0.001", "0.0001"]
    assert table[1][-4:] == ["stopped", "after", "epoch", "1"]
    epochs = [len(path.read_text().splitlines()) for path in sorted(Path("s").glob("*/metrics.jsonl"))]
    assert epochs == [3, 1, 1] and len(here) == 4
    assert main(["train", config, "optimizer.lr=0.01", "train.epochs=3", "--run-dir", "alone", "--quiet"]) == 0
    assert Path("alone/model.safetensors").read_bytes() == Path("s/001-lr=0.01/model.safetensors").read_bytes()
    assert main(["sweep", "--resume", "s"]) == 0 and len(here) == 4  # all is done


def test_a_search_goes_on_where_it_was(config, here, capsys) -> None:
    pytest.importorskip("optuna", reason="Optuna, which proposes settings, is not installed")
    options = ["sweep", config, "optimizer.lr=1e-4~1e-1", "train.epochs=1", "--search", "4", "--workers", "2"]
    assert main([*options, "--run-dir", "whole"]) == 0
    assert main([*options, "--run-dir", "cut"]) == 0
    plan = json.loads(Path("cut/sweep.json").read_text())
    for member in plan["members"][2:]:
        shutil.rmtree(Path("cut") / member["name"])
    plan["members"] = plan["members"][:2]
    Path("cut/sweep.json").write_text(json.dumps(plan))
    assert main(["sweep", "--resume", "cut"]) == 0
    assert Path("cut/sweep.html").read_bytes() == Path("whole/sweep.html").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "CONFIG is missing"),
        (["CONFIG", "optimizer.lr=0.1,high"], "with optimizer.lr=high:"),
        (["CONFIG", "optimizer.lr=0.1,0.2", "train.epoch=3"], "train.epoch"),
        (["CONFIG", "model.0.conv2d.kernel_size=3,50"], "with model.0.conv2d.kernel_size=50:"),
        (["CONFIG", "optimizer.lr=0.1"], "nothing is varied"),
        (["CONFIG", "optimizer.lr=0.1,0.2", "data.validation=0", "--halving", "2"], "by validation images"),
        (["CONFIG", "optimizer.lr=0.1,0.2", "--run-dir", "."], "is not an empty folder"),
        (["CONFIG", "optimizer.lr=0.1,0.2", "--device", "cuda:9"], "cuda:9"),
        (["--resume", "."], "no sweep at .: it holds no sweep.json"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(arguments, words, config, fails, tmp_path) -> None:
    before = sorted(tmp_path.iterdir())
    assert words in fails(2, "sweep", *[config if word == "CONFIG" else word for word in arguments])
    assert sorted(tmp_path.iterdir()) == before


def test_a_sweep_is_resumed_with_its_own_options_alone(config, here, fails) -> None:
    assert main(["sweep", config, "seed=0,1", "train.epochs=1", "--workers", "1", "--run-dir", "s", "--quiet"]) == 0
    assert main(["sweep", config, "seed=0,1", "train.epochs=1", "--resume", "s", "--quiet"]) == 0
    assert "it tries seed=0,1 train.epochs=1" in fails(2, "sweep", config, "seed=0,2", "--resume", "s")
    assert "it tries" in fails(2, "sweep", "--halving", "2", "--resume", "s")
    Path(config).write_text(Path(config).read_text() + "\n")
    assert "has changed since" in fails(2, "sweep", config, "--resume", "s")
    Path("s/sweep.json").write_text("{}")
    assert "sweep.json is damaged" in fails(2, "sweep", "--resume", "s")


def test_a_sweep_that_runs_is_not_run_twice(config, here, fails) -> None:
    assert main(["sweep", config, "seed=0,1", "train.epochs=1", "--run-dir", "s", "--workers", "1", "--quiet"]) == 0
    with Sweep.open(Path("s")):
        assert "another process is training in s" in fails(2, "sweep", "--resume", "s")


def test_where_every_run_fails_so_does_the_sweep(config, monkeypatch, fails) -> None:
    monkeypatch.setattr(Local, "train", lambda self, arguments: "the loss is nan")
    message = fails(2, "sweep", config, "seed=0,1", "--run-dir", "s")
    assert message.strip().endswith("every run failed; the first, 001-seed=0: the loss is nan")


def sweep(*arguments: str, **options) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "gpucnn", "sweep", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle_and_resumed_its_page_is_the_same(way, config, here) -> None:
    """With a member that fails; those that train in their own processes end when the sweep's process does."""
    options = [config, "optimizer.lr=0.01,1e30", "seed=0..1", "train.epochs=4"]
    running = sweep(*options, "--workers", "2", "--run-dir", "cut")
    until = time.monotonic() + 60
    while not list(Path("cut").glob("*/checkpoints/last.safetensors")):
        assert running.poll() is None and time.monotonic() < until, running.communicate()
        time.sleep(0.02)
    running.send_signal(way)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == (-9 if way == signal.SIGKILL else 130)
    assert way == signal.SIGKILL or "gpucnn sweep --resume cut --workers 2" in errors
    assert main(["sweep", "--resume", "cut", "--workers", "1", "--quiet"]) == 0
    assert main(["sweep", *options, "--workers", "1", "--run-dir", "whole", "--quiet"]) == 0
    faults = [member.fault is not None for member in Sweep.open(Path("cut")).members]
    assert faults == [False, False, True, True]
    page = Path("whole/sweep.html").read_text()
    assert Path("cut/sweep.html").read_text() == page and "2 of 4 runs failed" in page


def test_members_of_mpi_train_in_its_processes(config, here) -> None:
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    if shutil.which("mpirun") is None:
        pytest.skip("there is no mpirun")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    options = [config, "optimizer.lr=0.01,1e30", "train.epochs=1"]
    command = [*MPIRUN, "-n", "2", sys.executable, "-m", "gpucnn", "sweep", *options, "--mpi", "--run-dir", "mpi"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    (_, first, *_), (_, second, *_) = rows(done.stdout)
    assert (first, second) == ("0.01", "1e30") and "002-lr=1e30: failed: training stopped" in done.stdout
