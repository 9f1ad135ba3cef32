"""The page of benchmarks: figures of stored processes, ratios pair by pair, and what is missing says why."""

import json
import re

import bench_cpu
import pytest
from bench import page
from bench.contestants import CONTESTANTS
from bench.jobs import JOBS
from bench.workloads import WORKLOADS


def figures(*training: float) -> dict[str, list[float]]:
    """A contestant's figures of so many processes."""
    others = ("inference_ms", "import_s", "first_step_s", "peak_MiB")
    return {"training_ms": list(training), **{name: [1.5] * len(training) for name in others}}


STORED = {
    "circumstances": {
        "machine": "a machine", "system": "a system", "versions": {"numpy": "2.0"}, "commit": "abc", "date": "today",
        "processes": 3,
    },
    "contestants": {
        "gpucnn": {"version": "1.0", "kernels": "c-plain", "threads": 2},
        "gpucnn-numpy": {"version": "1.0", "kernels": "numpy", "threads": 2},
        "torch": {"version": "2.0", "threads": 2},
        "torch-channels-last": {"version": "2.0", "threads": 2},
        "torch-compiled": {"version": "2.0", "threads": 2},
        "jax": {"absent": "there is no JAX"},
    },
    "steps": {
        "lenet-64": {
            "gpucnn": figures(1.0, 2.0, 4.0),
            "gpucnn-numpy": figures(8.0, 4.0, 8.0),
            "torch": figures(2.0, 6.0, 4.0),
            "torch-channels-last": figures(1.0, 9.0, 9.0),
        },
    },
    "layers": {
        "limits": {"1": {"gflops": 50.0, "copy_gbytes": 10.0}, "2": {"gflops": 100.0, "copy_gbytes": 20.0}},
        "workloads": {
            "lenet-64": {
                "gpucnn": [
                    {"layer": "0 conv2d", "part": "forward", "work": 1e9, "unit": "FLOP", "seconds": [0.01, 0.02, 0.3]},
                    {"layer": "1 relu", "part": "forward", "work": 1e9, "unit": "bytes", "seconds": [0.1, 0.1, 0.1]},
                    {"layer": "2 tiny", "part": "forward", "work": 1.0, "unit": "bytes", "seconds": [0.001] * 3},
                ],
            },
        },
    },
    "jobs": {
        "lenet": {
            "gpucnn": {"seconds": [2.0, 1.0], "peak_MiB": [100.0, 90.0], "accuracy": [0.98, 0.99]},
            "torch": {"seconds": [8.0, 6.0], "peak_MiB": [600.0, 601.0], "accuracy": [0.98, 0.98]},
        },
    },
    "installed": {"gpucnn": 100 << 20, "torch": 800 << 20, "jax": None},
    "failures": {"lenet-64 torch-compiled": "it broke"},
}  # fmt: skip


def rows(text: str, title: str) -> dict[str, list[str]]:
    """The cells of the table under a heading, by their row's first cell."""
    (section,) = [part for part in re.split(r"(?m)^##+ ", text) if part.startswith(title)]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"(?m)^\|.*\|$", section)]
    return {cells[0]: cells[1:] for cells in [lines[0], *lines[2:]]}


def test_medians_and_ratios_are_those_of_the_stored_processes():
    found = rows(page.page(STORED), "Training step")
    cells = dict(zip(found[""], found["lenet-64"], strict=True))
    assert cells["gpucnn"] == "2.00 (1.00)"
    assert cells["PyTorch, channels-last"] == "9.00 (1.00)"  # its best process is the best, its median is not
    assert cells["gpucnn: times as fast as the best rival"] == "2.00 (1.00 to 3.00)"  # eager: 2 / 1, 6 / 2, 4 / 4
    assert cells["gpucnn, NumPy: times as fast as the best rival"] == "0.50 (0.25 to 1.50)"


def test_what_is_missing_says_why():
    found = rows(page.page(STORED), "Training step")
    cells = dict(zip(found[""], found["lenet-64"], strict=True))
    assert cells["JAX, jit"] == "absent"
    assert cells["PyTorch, compiled"] == "failed"
    assert cells["gpucnn, 1 thread"] == "not measured"
    assert set(found["mlp-256"]) == {"not measured", "absent"}
    text = page.page(STORED)
    assert "absent: there is no JAX" in text and "Failed: lenet-64 torch-compiled: it broke" in text


def test_layers_are_shown_as_shares_of_what_as_many_threads_can_do():
    text = page.page(STORED)
    found = rows(text, "lenet-64")
    assert found["0 conv2d"] == ["forward", "1000 MFLOP", "20000", "50.0 GFLOP", "50 %"]
    assert found["1 relu"] == ["forward", "1000 MB", "100000", "10.0 GB", "50 %"]
    slower = json.loads(json.dumps(STORED))
    slower["layers"]["workloads"]["lenet-64"]["gpucnn"][1]["seconds"] = [0.2] * 3
    assert "furthest from the most is 1 relu, forward: 25 %" in page.page(slower)


def test_a_step_stands_beside_the_most_that_all_threads_do():
    """LeNet's two convolutions take 117,600 and 240,000 multiply-adds an image, its linear maps 58,920."""
    found = rows(page.page(STORED), "A training step beside")
    count = 64 * (3 * (117_600 + 240_000 + 58_920) - 117_600)
    least = 2 * count / 100e9 * 1e3
    assert found["lenet-64"] == [
        f"{count / 1e6:.1f}",
        f"{least:.2f}",
        "2.00",
        f"{100 * least / 2:.0f} %",
        f"{4 / least:.1f} times",
    ]
    assert found["renom-64"][2:] == ["not measured"] * 3


def test_without_a_compiler_the_share_is_not_measured():
    stored = json.loads(json.dumps(STORED))
    stored["layers"]["limits"]["2"]["gflops"] = None
    text = page.page(stored)
    assert rows(text, "lenet-64")["0 conv2d"][-1] == "not measured"
    assert rows(text, "Layers")["2"] == ["not measured", "20.0"]


def test_jobs_and_sizes():
    text = page.brief(STORED)
    section = text.split("## Whole jobs")[1]
    assert (
        "| LeNet, one epoch | gpucnn | 1.50 (1.00) | 5.00 (4.00 to 6.00) | 95.0 (90.0) | 98.50 % (98.00 %) |" in section
    )
    assert rows(text, "Installed") == {
        "": ["size"], "gpucnn": ["100 MiB"], "PyTorch, its CPU build": ["800 MiB"], "JAX": ["absent"]
    }  # fmt: skip


def test_cost_per_image():
    assert rows(page.page(STORED), "LeNet's cost")["64"] == ["31.2", "23.4", "1.50"]  # 2 ms and 1.5 ms for 64 images


def test_the_brief_page_shows_what_was_measured_alone():
    text = page.brief({**STORED, "layers": {}, "jobs": {}, "installed": {}})
    assert set(rows(text, "Training step")) == {"", "lenet-64"}
    assert "Whole jobs" not in text and "Layers" not in text and "Installed" not in text


def test_without_figures_every_row_says_so():
    text = page.page({})
    for title in ("Training step", "Inference"):
        found = rows(text, title)
        assert list(found)[1:] == list(WORKLOADS)
        assert all(set(cells) == {"not measured"} for name, cells in found.items() if name)
    assert len(rows(text, "Start and memory")) == 1 + len(CONTESTANTS)
    assert all(job.title in text for job in JOBS.values())


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.0123, "0.012"), (0.999, "0.999"), (1.005, "1.00"), (9.99, "9.99"), (12.34, "12.3"), (123.4, "123")],
)
def test_three_digits(number, shown):
    from bench.figures import rounded

    assert rounded(number) == shown


def test_the_shipped_page_is_made_from_the_shipped_figures(tmp_path):
    stored = json.loads((bench_cpu.DOCS / "benchmarks.json").read_text())
    bench_cpu.write(tmp_path, stored)
    assert (tmp_path / "benchmarks.md").read_text() == (bench_cpu.DOCS / "benchmarks.md").read_text()


def test_the_shipped_page_of_avx2_is_made_from_its_figures():
    stored = json.loads((bench_cpu.DOCS / "benchmarks_avx2.json").read_text())
    assert page.avx2(stored) == (bench_cpu.DOCS / "benchmarks_avx2.md").read_text()
