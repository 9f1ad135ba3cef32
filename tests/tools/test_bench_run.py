"""The benchmark's processes: each alone with its library, in turns; one that fails is told of."""

import gzip
import json
import os
import re
import shutil
import sys
from collections import Counter

import bench_cpu
import numpy as np
import pytest
from bench import jobs, limits, processes, rounds
from bench.installed import installed_bytes

SMALLEST = ["--workload", "mlp-256", "--part", "steps", "--seconds", "0.01"]


def stored(folder) -> dict:
    return json.loads((folder / "benchmarks.json").read_text())


def test_the_smallest_run(tmp_path, capsys):
    arguments = [*SMALLEST, "--contestant", "gpucnn", "--processes", "2", "--out", str(tmp_path / "new")]
    assert bench_cpu.main(arguments) == 0
    figures = stored(tmp_path / "new")["steps"]["mlp-256"]["gpucnn"]
    assert {name: len(values) for name, values in figures.items()} == dict.fromkeys(
        ("training_ms", "inference_ms", "import_s", "first_step_s", "peak_MiB"), 2
    )
    runs = [dict(zip(figures, values, strict=True)) for values in zip(*figures.values(), strict=True)]
    for run in runs:
        assert run["training_ms"] > run["inference_ms"] > 0 and run["first_step_s"] > run["import_s"] > 0
        assert 20 < run["peak_MiB"] < 200  # NumPy alone takes 20, PyTorch would take 300
    page = (tmp_path / "new/benchmarks.md").read_text()
    (row,) = [line for line in page.split("##")[1].splitlines() if line.startswith("| mlp-256 ")]
    assert row.split("|")[2].strip() != "not measured" and row.split("|")[3].strip() == "not measured"
    said = capsys.readouterr().out
    assert re.match(r"this takes about \d s\n", said)
    assert "mlp-256" in said and "lenet-64 |" not in said


def test_the_smallest_comparison(torch, tmp_path):
    arguments = [*SMALLEST, "--contestant", "gpucnn", "--contestant", "torch", "--processes", "1"]
    assert bench_cpu.main([*arguments, "--out", str(tmp_path)]) == 0
    results = stored(tmp_path)
    (ours,), (theirs,) = (results["steps"]["mlp-256"][name]["training_ms"] for name in ("gpucnn", "torch"))
    assert f"{theirs / ours:.2f} (" in (tmp_path / "benchmarks.md").read_text()
    assert results["contestants"]["torch"]["version"] == torch.__version__


def test_a_library_that_is_not_there_is_absent(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('there is no PyTorch')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert processes.describe(["torch"]) == {"torch": {"absent": "ModuleNotFoundError: there is no PyTorch"}}


def test_kernels_are_not_measured_twice_where_there_are_only_numpys(monkeypatch):
    monkeypatch.setattr(processes, "run_module", lambda *arguments: {"kernels": "numpy"})
    found = processes.describe(["gpucnn", "gpucnn-1", "gpucnn-numpy", "gpucnn-numpy-1"])
    assert found["gpucnn"] == found["gpucnn-1"] == {"kernels": "numpy"}
    assert "the same as gpucnn here" in found["gpucnn-numpy"]["absent"]
    assert "the same as gpucnn-1 here" in found["gpucnn-numpy-1"]["absent"]


def test_a_contestant_has_its_own_environment_and_no_other(monkeypatch):
    monkeypatch.setenv("GPUCNN_THREADS", "7")
    monkeypatch.setenv("GPUCNN_KERNELS", "numpy")
    found = processes.describe(["gpucnn-1", "gpucnn-numpy"])
    assert found["gpucnn-1"]["threads"] == 1
    assert found["gpucnn-numpy"].get("threads") != 7


def test_each_round_is_begun_by_the_next_contestant():
    turns = list(rounds.in_turn(["a", "b", "c"], 4))
    assert [name for _, name in turns] == list("abcbcacababc")
    assert Counter(number for number, _ in turns) == dict.fromkeys(range(4), 3)


def test_one_that_fails_is_out_and_told_of():
    def measure(name: str, number: int) -> dict[str, float]:
        calls.append((name, number))
        if (name, number) == ("b", 1):
            raise processes.ContestantError("it broke")
        return {"figure": number}

    calls: list[tuple[str, int]] = []
    failures = rounds.Failures()
    found = rounds.contest(["a", "b"], 3, "a workload", failures, measure)
    assert found == {"a": [{"figure": 0}, {"figure": 1}, {"figure": 2}]}
    assert failures == {"a workload b": "it broke"} and ("b", 2) not in calls


def test_a_failing_process_says_why():
    with pytest.raises(processes.ContestantError, match="^ValueError: so it is$"):
        processes.run_module("gpucnn", "bench.timed", [sys.executable, "-c", "raise ValueError('so it is')"], "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count a process's peak memory from its start")
def test_memory_is_that_of_the_command_alone():
    held = np.ones(300 << 20, np.uint8)  # by this process
    small = processes.measure_command("gpucnn", [sys.executable, "-c", "pass"], "")
    large = processes.measure_command("gpucnn", [sys.executable, "-c", "bytearray(200 << 20)"], "")
    assert held.all() and small["peak_MiB"] < 50 and 200 <= large["peak_MiB"] < 250


def test_what_the_machine_can_do(monkeypatch):
    assert limits.copy_gbytes(2) > 0.1
    if shutil.which("cc"):
        assert limits.peak_gflops(1) > 0.1
    monkeypatch.setenv("CC", "no-such-compiler")
    assert limits.peak_gflops(1) is None


def test_the_size_of_what_is_installed():
    assert installed_bytes("gpucnn") > installed_bytes("numpy") > 10 << 20
    assert installed_bytes("no-such-distribution") is None


@pytest.fixture
def mnist(tmp_path):
    """A data folder with MNIST's files: noise, enough of it to hold 10,000 images out."""
    folder = tmp_path / "data/mnist"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 10_200), ("t10k", 100)):
        for kind, sizes, largest in (("images-idx3", (count, 28, 28), 256), ("labels-idx1", (count,), 10)):
            head = bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)
            body = rng.integers(0, largest, sizes, np.uint8).tobytes()
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + body, 1))
    return folder


@pytest.mark.parametrize("name", ["gpucnn", "torch"])
def test_a_whole_job(request, mnist, monkeypatch, name):
    if name == "torch":
        request.getfixturevalue("torch")
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(mnist.parent))
    assert jobs.missing(mnist) is None
    failures = rounds.Failures()
    figures = jobs.measure(jobs.JOBS["lenet"], [name], 1, mnist, failures)
    assert not failures
    assert figures[name]["seconds"][0] > 0 and figures[name]["peak_MiB"][0] > 30
    assert 0 <= figures[name]["accuracy"][0] < 0.5  # noise


def test_without_mnist_there_are_no_jobs(tmp_path):
    assert "GPUCNN_DATA_DIR" in jobs.missing(tmp_path)


@pytest.mark.parametrize("wrong", [["--processes", "0"], ["--seconds", "-1"], ["--workload", "vgg"], ["--part", "x"]])
def test_wrong_arguments_are_told_before_anything_is_measured(wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        bench_cpu.main(wrong)
    assert "error:" in capsys.readouterr().err
