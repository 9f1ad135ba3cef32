"""The GPU benchmark's processes, turns and failures, on libraries that compute nothing and need no GPU."""

import json
import threading
import time
from collections import Counter
from pathlib import Path

import bench_gpu
import pytest
from bench.gpu import extras, planning, run, steps, trials
from bench.gpu.contestants import CONTESTANTS, FORMS, MODULES
from bench.gpu.planning import Budget
from bench.gpu.processes import Worker, environment
from bench.processes import ContestantError
from bench.rounds import Failures

CIRCUMSTANCES = {
    "device": "a GPU", "driver": "1 (CUDA 13.0)", "machine": "a machine", "system": "a system",
    "versions": {"numpy": "2"}, "commit": "abc", "date": "today",
}  # fmt: skip


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Every library is the fake one; what is returned makes contestants fail."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("fakes")))
    monkeypatch.setenv("FAKE_ORDER", str(tmp_path / "order"))
    for library in MODULES:
        monkeypatch.setitem(MODULES, library, "library_on_a_gpu")
    monkeypatch.setattr(bench_gpu, "why_no_gpu", lambda: None)
    monkeypatch.setattr(run, "circumstances", lambda: dict(CIRCUMSTANCES))
    monkeypatch.setattr(steps, "GROUP_SECONDS", 0.001)
    monkeypatch.setattr(planning, "MOST", planning.FEWEST)

    def fail(**forms: str) -> None:
        monkeypatch.setenv("FAKE_FAILURES", json.dumps({name.replace("_", "-"): why for name, why in forms.items()}))

    return fail


def results(folder: Path) -> dict:
    return json.loads((folder / "benchmarks_gpu.json").read_text())


THREE = ["--contestant", "gpucnn-captured", "--contestant", "torch-eager", "--contestant", "gpucnn-loader"]


def test_a_run(fakes, tmp_path, capsys):
    assert bench_gpu.main(["--quick", *THREE, "--out", str(tmp_path / "new")]) == 0
    found = results(tmp_path / "new")
    assert set(found["steps"]) == {"lenet-64"}
    assert set(found["steps"]["lenet-64"]) == {name for name in CONTESTANTS if CONTESTANTS[name].form in THREE}
    ours = found["steps"]["lenet-64"]["gpucnn-captured-tf32"]
    assert len(ours["training_ms"]) == len(ours["inference_ms"]) == planning.FEWEST
    assert min(ours["training_ms"]) > 0 and ours["memory_MiB"] == 12.5 and ours["training_launches"] == 7
    assert "inference_ms" not in found["steps"]["lenet-64"]["gpucnn-loader-tf32"]
    assert found["limits"] == {"copy_gbytes": 4000.0, "float32": 50.0, "tf32": 50.0}
    assert found["failures"] == {} and found["libraries"]["gpucnn"]["version"] == "1.0"
    said = capsys.readouterr().out
    assert said.startswith("this takes about") and "at most 7.5 minutes" in said
    assert "lenet-64" in said and "renom-64 |" not in said
    assert "libraries print" in (tmp_path / "new/bench_gpu.log").read_text()


def test_failures_cost_their_own_cells(fakes, tmp_path, capsys):
    fakes(
        torch_eager_float32="cannot prepare", torch_graph_tf32="dies", jax_float32="is absent",
        gpucnn_captured_float32="cannot count",
    )  # fmt: skip
    forms = ["gpucnn-captured", "torch-eager", "torch-graph", "jax"]
    arguments = [argument for form in forms for argument in ("--contestant", form)]
    assert bench_gpu.main(["--quick", *arguments, "--out", str(tmp_path)]) == 1
    found = results(tmp_path)
    assert found["libraries"]["JAX"] == {"absent": "ImportError: no such library"}
    assert found["failures"] == {
        "lenet-64 torch-eager-float32": "MemoryError: out of memory: batch 64 | the largest",
        "lenet-64 torch-graph-tf32": "its process ended with exit code 3",
    }
    there = {"gpucnn-captured-float32", "gpucnn-captured-tf32", "torch-eager-tf32", "torch-graph-float32"}
    assert set(found["steps"]["lenet-64"]) == there
    assert "training_launches" not in found["steps"]["lenet-64"]["gpucnn-captured-float32"]
    page = (tmp_path / "benchmarks_gpu.md").read_text()
    assert "failed: MemoryError: out of memory: batch 64 \\| the largest" in page and "absent" in page
    assert "failed: its process ended with exit code 3" in page
    assert "and a stack" in (tmp_path / "bench_gpu.log").read_text()  # the whole traceback
    assert "failed: lenet-64 torch-graph-tf32" in capsys.readouterr().err


def test_one_that_fails_twice_is_left_out(fakes, tmp_path):
    fakes(torch_eager_tf32="cannot prepare")
    names = ["lenet-64", "lenet-256", "scala_cnn-64"]
    workloads = [argument for name in names for argument in ("--workload", name)]
    assert bench_gpu.main([*workloads, "--contestant", "torch-eager", "--out", str(tmp_path)]) == 1
    failures = results(tmp_path)["failures"]
    assert failures["scala_cnn-64 torch-eager-tf32"] == "left out, as it failed before"
    assert len(results(tmp_path)["steps"]["scala_cnn-64"]) == 1


def test_what_there_is_is_written_after_every_round(fakes, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(bench_gpu, "write", lambda folder, results: written.append(json.dumps(results)))
    bench_gpu.main(["--quick", "--contestant", "gpucnn-eager", "--out", str(tmp_path)])
    rounds = [
        len(json.loads(text)["steps"].get("lenet-64", {}).get("gpucnn-eager-tf32", {}).get("training_ms", []))
        for text in written
    ]
    assert sorted(set(rounds)) == list(range(planning.FEWEST + 1)) and rounds == sorted(rounds)


def test_when_time_is_over_workloads_are_left_out(fakes, tmp_path, monkeypatch, capsys):
    clock = iter(range(0, 1_000_000, 40))
    monkeypatch.setattr(run, "Budget", lambda seconds: Budget(seconds, clock=lambda: next(clock)))
    bench_gpu.main(["--contestant", "gpucnn-eager", "--minutes", "8", "--out", str(tmp_path)])
    found = results(tmp_path)
    assert found["steps"] and len(found["steps"]) < 9 and found["unfinished"]
    assert "left out, time is over" in capsys.readouterr().out
    assert "Time was over before all was measured" in (tmp_path / "benchmarks_gpu.md").read_text()


def test_without_a_gpu_it_says_why_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(bench_gpu, "why_no_gpu", lambda: "there is none")
    assert bench_gpu.main(["--quick"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err == "nothing is measured: there is none\n"


def test_the_turns_change_and_one_measures_at_a_time(fakes, tmp_path, monkeypatch):
    asked = []
    answer = Worker.ask

    def ask(self, do, *others, **given):
        asked.append((do, self))
        return answer(self, do, *others, **given)

    monkeypatch.setattr(Worker, "ask", ask)
    bench_gpu.main(["--quick", "--contestant", "gpucnn-loader", "--out", str(tmp_path)])
    measured = [worker for do, worker in asked if do == "measure"]
    assert len(measured) == 2 * planning.FEWEST and set(Counter(measured).values()) == {planning.FEWEST}
    assert measured[0] is not measured[1] and measured[1] is measured[2]  # the second round begins with the other
    last_prepared = max(number for number, (do, _) in enumerate(asked) if do == "prepare")
    assert last_prepared < min(number for number, (do, _) in enumerate(asked) if do == "measure")


def test_processes_stay_for_the_next_workload(fakes, tmp_path, monkeypatch):
    started = []
    start = Worker.__init__
    monkeypatch.setattr(Worker, "__init__", lambda self, *given: started.append(given[0].name) or start(self, *given))
    workloads = ["--workload", "lenet-64", "--workload", "lenet-256"]
    bench_gpu.main([*workloads, "--contestant", "gpucnn-eager", "--contestant", "jax", "--out", str(tmp_path)])
    assert {len(figures) for figures in results(tmp_path)["steps"].values()} == {4}
    # JAX's peak of memory cannot be set back: a process serves one workload (the first has described itself, too).
    assert Counter(started) == {
        **dict.fromkeys(["gpucnn-eager-float32", "gpucnn-eager-tf32"], 1),
        "jax-float32": 2,
        "jax-tf32": 2,
    }


def test_a_process_that_does_not_answer_is_given_up(fakes, tmp_path):
    fakes(jax_tf32="is slow")
    with (tmp_path / "log").open("w") as log, Worker(CONTESTANTS["jax-tf32"], tmp_path, log) as worker:
        worker.ask("describe")
        with pytest.raises(ContestantError, match="no answer after 1 s"):
            worker.ask("limits", 1)
    worker.close()  # a second time


def test_a_request_that_is_not_known_fails(fakes, tmp_path):
    with (tmp_path / "log").open("w") as log, Worker(CONTESTANTS["jax-tf32"], tmp_path, log) as worker:
        with pytest.raises(ContestantError, match="AttributeError"):
            worker.ask("dance")
        assert worker.ask("describe") == {"version": "1.0", "beneath": "1"}  # the process lives on


def test_a_contestant_has_its_own_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GPUCNN_KERNELS", "numpy")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    found = environment("float32", tmp_path)
    assert "GPUCNN_KERNELS" not in found and "NVIDIA_TF32_OVERRIDE" not in found
    assert found["GPUCNN_DEVICE"] == "cuda" and found["CUPY_TF32"] == "0"
    assert found["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert environment("tf32", tmp_path)["CUPY_TF32"] == "1"


def test_trials_are_made_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv(trials.LOCK, str(tmp_path / "lock"))
    order = []

    def tries(name: str) -> None:
        with trials.alone():
            order.append(name)
            time.sleep(0.05)
            order.append(name)

    before = trials.waited()
    threads = [threading.Thread(target=tries, args=name) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "".join(order) in ("aabb", "bbaa") and trials.waited() - before >= 0.04


def test_rounds_are_as_many_as_there_is_time_for():
    one = planning.one_round(30)
    assert planning.rounds(1e4, 30, 0, 20) == planning.MOST
    assert planning.rounds(0, 30, 0, 20) == planning.FEWEST
    assert planning.rounds(7.5 * one, 30, 0, 20) == 7
    assert planning.rounds(3 * (20 + 7.5 * one) - 20, 30, 2, 20) == 7  # and two more workloads, with as many


def test_a_run_of_everything_is_told_to_take_less_than_eight_minutes():
    assert bench_gpu.WHOLE.estimate() <= 480
    assert bench_gpu.QUICK.estimate() < 120
    least = bench_gpu.WHOLE.extras_seconds + planning.DESCRIPTION_SECONDS + planning.LIMITS_SECONDS
    kinds = run.kinds_of(bench_gpu.WHOLE.names)
    least += 9 * (planning.PREPARATION_SECONDS + planning.FEWEST * planning.one_round(kinds))
    assert least <= 60 * bench_gpu.MINUTES  # every workload has its rounds, if processes start as fast as planned


def test_a_budget():
    now = [0.0]
    budget = Budget(100.0, clock=lambda: now[0])
    assert budget.left() == 100 and budget.allows(kinds=10)
    with budget.workload():
        now[0] = 30.0
        with budget.measuring():
            now[0] = 80.0
        now[0] = 82.0
    assert budget.preparation == 32.0
    now[0] = 99.0
    assert budget.left() == 1 and not budget.allows(kinds=10)


def test_fast99_needs_mnist(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path))
    assert extras.fast99(tmp_path, None, Failures(), lambda: False, lambda runs: None) == []
    assert "GPUCNN_DATA_DIR" in capsys.readouterr().out


def test_fast99_ends_when_time_is_over_and_after_a_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(extras.jobs, "missing", lambda folder: None)
    monkeypatch.setattr(extras, "_trained", lambda seed, folder, log: {"train_seconds": seed})
    noted = []
    runs = extras.fast99(tmp_path, None, Failures(), lambda: len(noted) == 3, lambda runs: noted.append(len(runs)))
    assert [run["cold"] for run in runs] == [True, False, False] and [run["train_seconds"] for run in runs] == [0, 0, 1]
    assert len(extras.fast99(tmp_path, None, Failures(), lambda: False, lambda runs: None)) == 1 + extras.SEEDS

    def fails(seed, folder, log):
        raise ContestantError("it broke")

    monkeypatch.setattr(extras, "_trained", fails)
    failures = Failures()
    assert extras.fast99(tmp_path, None, failures, lambda: False, lambda runs: None) == []
    assert failures == {"fast99 gpucnn": "it broke"}


def test_a_training_that_fails_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path))  # an empty one
    monkeypatch.setenv("GPUCNN_OFFLINE", "1")
    with (tmp_path / "log").open("w") as log, pytest.raises(ContestantError, match="CalledProcessError"):
        monkeypatch.setattr(extras, "environment", lambda precision, caches: {"GPUCNN_DEVICE": "nonsense"})
        extras._trained(0, tmp_path, log)


@pytest.mark.parametrize("wrong", [["--minutes", "0"], ["--workload", "lenet-1"], ["--contestant", "torch"]])
def test_wrong_arguments_are_told_before_anything_is_measured(wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        bench_gpu.main(wrong)
    assert "error:" in capsys.readouterr().err


def test_forms_take_part_in_both_precisions():
    assert len(CONTESTANTS) == 2 * len(FORMS)
