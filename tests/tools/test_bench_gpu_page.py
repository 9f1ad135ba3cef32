"""The GPU page: medians, ratios, shares and marks of stored figures; what is missing says why."""

import copy
import json
import re

import bench_gpu
import pytest
from bench.gpu import page
from bench.gpu.contestants import CONTESTANTS, FORMS
from bench.gpu.marks import MARKS, best_pytorch, ratios
from bench.gpu.workloads import WORKLOADS, training_work

GRAPH = CONTESTANTS["torch-graph-float32"].title


def figures(*training: float, inference: float = 0.01) -> dict:
    """A contestant's figures of so many rounds."""
    return {
        "training_ms": list(training), "inference_ms": [inference] * len(training), "training_ready_s": 2.5,
        "inference_ready_s": 1.0, "memory_MiB": 120.0, "training_launches": 21, "inference_launches": None,
    }  # fmt: skip


def trainings(seconds: float, accuracy: float) -> list[dict]:
    """Ten seeds, after a cold one."""
    each = {"train_seconds": seconds, "whole_seconds": seconds + 2, "accuracy": accuracy, "cold": False}
    return [{**each, "train_seconds": 9.0, "cold": True}, *[each] * 10]


STORED = {
    "circumstances": {
        "device": "a GPU", "driver": "1 (CUDA 13.0)", "machine": "a machine", "system": "a system",
        "versions": {"numpy": "2.0"}, "commit": "abc", "date": "today", "seconds": 400.0,
    },
    "libraries": {
        "gpucnn": {"version": "1.0", "beneath": "CuPy 14"},
        "PyTorch": {"version": "2.0", "beneath": "CUDA 13"},
        "JAX": {"absent": "there is no JAX"},
    },
    "limits": {"copy_gbytes": 4000.0, "float32": 50.0, "tf32": 400.0},
    "steps": {
        "lenet-64": {
            "gpucnn-captured-float32": figures(0.02, 0.02, 0.04),
            "torch-eager-float32": figures(0.2, 0.2, 0.2),
            "torch-graph-float32": figures(0.04, 0.05, 0.04),
            "torch-compiled-float32": figures(0.03, 0.09, 0.09),
        },
        "renom-64": {
            "gpucnn-captured-tf32": figures(0.2, 0.2, 0.2),
            "torch-eager-tf32": figures(0.1, 0.1, 0.1),
            "torch-graph-tf32": figures(0.12, 0.12, 0.12),
        },
    },
    "lasting": {
        "steps": 10318, "device_before_MiB": 700.0, "device_after_MiB": 700.0, "pool_before_MiB": 50.0,
        "pool_after_MiB": 50.0,
    },
    "fast99": trainings(0.08, 0.9905),
    "failures": {"lenet-64 torch-graph-channels-last-float32": f"OutOfMemoryError: a | b {'x' * 200}"},
    "unfinished": ["scala_cnn-1024"],
}  # fmt: skip


def rows(text: str, title: str) -> dict[str, list[str]]:
    """The cells of the table under a heading, by their row's first cell."""
    (section,) = [part for part in re.split(r"(?m)^##+ ", text) if part.startswith(title)]
    lines = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        for line in re.findall(r"(?m)^\|.*\|$", section)
    ]
    return {cells[0]: cells[1:] for cells in [lines[0], *lines[2:]]}


def row(text: str, title: str, name: str) -> dict[str, str]:
    """A row's cells by their column."""
    found = rows(text, title)
    return dict(zip(found[""], found[name], strict=True))


def test_medians_and_ratios_are_those_of_the_stored_rounds():
    cells = row(page.page(STORED), "Training step, ms; float32", "lenet-64")
    assert cells["gpucnn, captured"] == "0.020 (0.020)"
    assert cells[GRAPH] == "0.040 (0.040)"
    assert cells["PyTorch, compiled, reduce-overhead"] == "0.090 (0.030)"
    assert cells["captured gpucnn: times as fast as PyTorch"] == "2.00 (1.00 to 2.50)"  # 0.04 / 0.02, 0.05 / 0.02, 1


def test_what_is_missing_says_why():
    cells = row(page.page(STORED), "Training step, ms; float32", "lenet-64")
    assert cells["JAX, jit"] == "absent" and cells["gpucnn, eager"] == "not measured"
    failed = cells["PyTorch, CUDA graph, channels-last"]
    assert failed.startswith("failed: OutOfMemoryError: a \\| b x") and failed.endswith("…") and len(failed) < 120
    text = page.page(STORED)
    assert "absent: there is no JAX" in text and "left out: scala_cnn-1024" in text and "rounds: 3." in text


def test_best_forms():
    assert best_pytorch(STORED, "lenet-64", "training", "float32") == "torch-graph-float32"
    assert best_pytorch(STORED, "renom-64", "training", "tf32", ("torch-eager",)) == "torch-graph-tf32"
    assert best_pytorch(STORED, "renom-64", "training", "float32") is None
    assert ratios(STORED, "lenet-64", "training", "gpucnn-captured-float32", "jax-float32") == []


def marks(results: dict) -> list[tuple[str, str]]:
    """What was measured of each mark, and whether it is met."""
    text = page.page(results).split("## ")[1]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [(cells[2], cells[3]) for cells in lines[2:]]


def test_marks_that_are_met_and_not():
    found = marks(STORED)
    assert len(found) == len(MARKS) == 9
    assert found[0] == ("10.00 (5.00 to 10.00), against PyTorch, eager", "met")
    assert found[1] == ("2.00 (1.00 to 2.50), against PyTorch, CUDA graph", "met")
    assert found[2] == found[3] == found[4] == ("not measured", "")
    assert found[5] == ("0.50 (0.50 to 0.50), against PyTorch, eager", "not met")
    assert found[6] == ("0.080 s, 99.05 %, means of 10 seeds", "met")
    assert found[7] == ("5000 steps/s, 111 times", "met")
    assert found[8][1] == "met" and "10318 steps" in found[8][0]


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        (lambda results: results.update(fast99=trainings(0.26, 0.995)), 6),
        (lambda results: results.update(fast99=trainings(0.1, 0.9899)), 6),
        (lambda results: results["steps"]["renom-64"].update({"gpucnn-captured-tf32": figures(0.3)}), 7),
        (lambda results: results["lasting"].update(device_after_MiB=702.0), 8),
        (lambda results: results["lasting"].update(pool_after_MiB=52.0), 8),
        (lambda results: results["steps"]["lenet-64"].update({"torch-compiled-float32": figures(0.025)}), 1),
    ],
)
def test_marks_that_are_missed(change, mark):
    results = copy.deepcopy(STORED)
    change(results)
    assert marks(results)[mark][1] == "not met"


def test_shares_of_what_the_device_can_do():
    work = training_work("lenet-64")
    text = page.page(STORED)
    (line,) = [line for line in text.splitlines() if line.startswith("| lenet-64 | float32 |")]
    flops, moved = work.flops / 2e-5 / 1e12, work.bytes / 2e-5 / 1e9
    assert f"{flops:.2f} TFLOP ({2 * flops:.1f} %), {moved:.0f} GB ({moved / 40:.1f} %)" in line
    without = page.page({**STORED, "limits": {}})
    assert f"{flops:.2f} TFLOP, {moved:.0f} GB" in without


def test_launches_memory_and_trainings():
    text = page.page(STORED)
    assert "| lenet-64 | gpucnn, captured | float32 | 21 |  | 120 | 2.50 |" in text
    assert rows(text, "99 %")["training, s"] == ["0.0800", "0.0000", "0.0800", "0.0800"]
    assert "9.00 s of training" in text


def test_a_run_that_was_cut_off_has_a_page():
    results = copy.deepcopy(STORED)
    results["steps"]["lenet-64"]["gpucnn-captured-float32"]["training_ms"] = []
    results["steps"]["renom-64"]["torch-eager-tf32"]["training_ms"] = [0.1, 0.1]
    assert "not measured" in row(page.page(results), "Training step, ms; float32", "lenet-64")["gpucnn, captured"]
    assert "rounds: 0 to 3." in page.page(results)
    for part in STORED:
        assert page.page({key: value for key, value in STORED.items() if key != part})


def test_the_brief_page_shows_what_was_measured_alone():
    text = page.brief(STORED)
    assert "renom-256" not in text and "JAX, jit" not in text and "lenet-64" in text


def test_without_figures_every_row_says_so():
    text = page.page({})
    for title in ("Training step, ms; float32", "Inference, ms; TF32"):
        found = rows(text, title)
        assert list(found)[1:] == list(WORKLOADS)
        assert all(set(cells) == {"not measured"} for name, cells in found.items() if name)
    assert set(marks({})) == {("not measured", "")}
    assert all(title in text for title, _, _ in FORMS.values())


def test_the_shipped_page_is_made_from_the_shipped_figures(tmp_path):
    bench_gpu.write(tmp_path, bench_gpu.stored(bench_gpu.DOCS))
    for name in ("benchmarks_gpu.md", "benchmarks_gpu.json"):
        assert (tmp_path / name).read_text() == (bench_gpu.DOCS / name).read_text()


def test_the_page_can_be_made_again_without_a_gpu(tmp_path, monkeypatch):
    (tmp_path / "benchmarks_gpu.json").write_text(json.dumps(STORED))
    monkeypatch.setattr(bench_gpu, "DOCS", tmp_path)
    assert bench_gpu.main(["--page"]) == 0
    assert (tmp_path / "benchmarks_gpu.md").read_text() == page.page(STORED)
