"""`mpirun -n N gpucnn train`: the same results as in one process, and what happens when a process fails."""

import json
import os
import random
import signal
import sys
from pathlib import Path

import kill_ranks
import launch
import numpy as np
import pytest

from gpucnn.data.download import data_folder

pytestmark = pytest.mark.skipif(launch.why_not() is not None, reason=str(launch.why_not()))

CONFIG = """
name: small
data: {name: npz, path: train.npz, validation: 0.2}
model: [{batch_norm2d: {sync: true}}, {dropout: {p: 0.2}}, flatten, {linear: {out_features: 4}}]
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
train: {epochs: EPOCHS, batch_size: 16, timeout: 5}
report: false
"""
ENOUGH = 100_000  # epochs: until it is stopped


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and its data, where processes are started."""
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG.replace("EPOCHS", str(ENOUGH)))
    return tmp_path


def write_data(folder: Path, seed: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (90, 1, 6, 6)).astype(np.uint8)
    np.savez(folder / "train.npz", x_train=images, y_train=np.arange(90) % 4)


def train(folder: Path, *options: str) -> list[str]:
    return ["train", str(folder / "config.yaml"), "--quiet", "--run-dir", str(folder / "run"), *options]


def losses(run: Path) -> np.ndarray:
    return np.loadtxt(run / "batches.csv", delimiter=",", skiprows=1, usecols=4)


@pytest.mark.skipif(not (data_folder() / "mnist").is_dir(), reason="MNIST is not there")
def test_lenet_on_mnist_trains_alike_in_one_two_and_four_processes(tmp_path: Path) -> None:
    options = ["data.limit=5200", "data.validation=1000", "train.epochs=2", "dtype=float64", "report=false"]
    runs = {}
    for name, processes in (("1", 1), ("2", 2), ("2 again", 2), ("4", 4)):
        runs[name] = tmp_path / name
        done = launch.run(processes, "train", "lenet", *options, "--quiet", "--run-dir", str(runs[name]))
        assert done.returncode == 0, done.stderr
    results = {name: json.loads((run / "result.json").read_text()) for name, run in runs.items()}
    for name in ("2", "4"):
        np.testing.assert_allclose(losses(runs[name]), losses(runs["1"]), rtol=0, atol=1e-6)
        assert results[name]["test_accuracy"] == pytest.approx(results["1"]["test_accuracy"], abs=2e-4)
    assert results["1"]["test_accuracy"] > 0.9
    for name in ("model.safetensors", "batches.csv"):
        assert (runs["2"] / name).read_bytes() == (runs["2 again"] / name).read_bytes()
    assert json.loads((runs["4"] / "environment.json").read_text())["processes"] == 4


def test_a_killed_rank_ends_all_and_the_run_resumes_to_the_bit(tmp_path: Path, capsys) -> None:
    assert kill_ranks.killed(tmp_path, times=2, processes=2, epochs=100, latest=0.8, rng=random.Random(2)) == 0
    assert "2 kills; to the bit" in capsys.readouterr().out


@pytest.mark.parametrize("steps", ["captured", "single"])
def test_ctrl_c_writes_one_checkpoint_and_another_number_of_processes_goes_on(work: Path, steps: str) -> None:
    run, config = work / "run", work / "config.yaml"
    if steps == "captured":  # statistics of the whole batch are summed in Python
        config.write_text(config.read_text().replace("sync: true", "sync: false"))
    with launch.started(launch.command(2, *train(work)), work / "log") as process:
        launch.until(lambda: launch.lines(run / "batches.csv") > 50, "the first epochs")
        ranks = launch.ranks(process)
        process.send_signal(signal.SIGINT)
        launch.until(lambda: process.poll() is not None and not any(map(launch.alive, ranks)), "the end", 10)
    said = (work / "log").read_text()
    assert said.count("a checkpoint is written") == 1 and "mpirun -n 2 gpucnn train" in said
    epochs = launch.lines(run / "metrics.jsonl") + 2
    resume = ["train", str(work / "config.yaml"), f"train.epochs={epochs}", "--quiet", "--resume", str(run)]
    done = launch.run(1, *resume)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("made by 2 processes, the next are by 1") == 1
    assert launch.lines(run / "metrics.jsonl") == epochs


def test_a_rank_that_hangs_is_named_after_the_timeout(work: Path) -> None:
    with launch.started(launch.command(3, *train(work)), work / "log") as process:
        launch.until(lambda: launch.lines(work / "run" / "batches.csv") > 20, "the first epochs")
        ranks = launch.ranks(process)
        os.kill(ranks[1], signal.SIGSTOP)
        launch.until(lambda: process.poll() is not None and not any(map(launch.alive, ranks)), "the end", 5 + 10)
    said = (work / "log").read_text()
    assert process.returncode == 1
    assert "rank 1 of 3" in said and "did not answer for 5 s (train.timeout)" in said
    assert said.count("did not answer") == 1


def test_a_loss_that_is_not_finite_ends_all_with_one_message(work: Path) -> None:
    done = launch.run(2, *train(work, "optimizer.lr=1e30", "schedule={name: constant}"))
    assert done.returncode == 1
    assert done.stderr.count("training stopped") == 1 and "rank 0 of 2" in done.stderr


def test_an_error_of_all_ranks_is_reported_once_as_of_one_process(work: Path) -> None:
    alone, together = (launch.run(processes, "train", "no such file.yaml") for processes in (1, 2))
    assert alone.returncode == together.returncode == 2
    [message] = [line for line in alone.stderr.splitlines() if "no such file" in line]
    assert together.stderr.splitlines().count(message) == 1


@pytest.mark.parametrize("what", ["other data", "no data"])
def test_a_rank_with_other_data_or_none_is_named_at_the_start(work: Path, what: str) -> None:
    there = work / "there"
    there.mkdir()
    if what == "other data":
        write_data(there, seed=1)
    program = [sys.executable, "-m", "gpucnn.cli", *train(work)]
    line = [*launch.mpirun(1), "-wdir", str(work), *program, ":", "-n", "1", "-wdir", str(there), *program]
    with launch.started(line, work / "log") as process:
        launch.until(lambda: process.poll() is not None, "the end")
    said = (work / "log").read_text()
    assert process.returncode == 2, said
    assert "rank 1 of 2" in said
    assert ("other pixels" if what == "other data" else "train.npz") in said
    assert not (work / "run").exists()
