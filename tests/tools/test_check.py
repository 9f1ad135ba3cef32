"""The check of a GPU, as far as its own program goes; tools/check_gpu.sh --rehearse goes through its parts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from check import cases, launches, parts, smoke
from check.record import PAGE, Part, PartError, Record

SCRIPT = Path(__file__).parents[2] / "tools/check_gpu.sh"


def record(tmp_path, seconds=100.0) -> Record:
    return Record(tmp_path, tmp_path, parts.WHOLE, seconds)


def fails(_: Record) -> str:
    raise PartError("3 | kernels differ")


def breaks(_: Record) -> str:
    raise KeyError("gone")


def test_every_part_is_written_when_it_ends(tmp_path):
    found = record(tmp_path)
    for part, row in (
        (Part("first", "a.txt", 0.0, lambda _: "all is well"), "| first | passed |"),
        (Part("second", "b.txt", 0.0, fails), "3 \\| kernels differ"),
        (Part("third", "c.txt", 0.0, breaks), "KeyError: 'gone'"),
        (Part("fourth", "d.txt", 1000.0, lambda _: "never"), "| fourth | not measured |"),
    ):
        found.run(part)
        assert row in (tmp_path / PAGE).read_text()
    assert found.failed and "## What is required" in found.page()


def test_a_check_of_which_nothing_fails_passes(tmp_path):
    found = record(tmp_path)
    found.run(Part("only", "a.txt", 0.0, lambda _: "fine"))
    assert not found.failed


def test_at_most_eight_files_are_written():
    files = {part.file for part in (*parts.PARTS, parts.MEMCHECK)}
    assert len(files | {PAGE, parts.LOG, "benchmarks_gpu.json"}) <= 8


def test_a_command_is_ended_in_time_and_keeps_what_it_said(tmp_path):
    sleeps = "import time; print('begun', flush=True); time.sleep(60)"
    code, text = parts._run([sys.executable, "-c", sleeps], tmp_path / "cut.txt", 2)
    assert code != 0 and "begun" in text and "ended after 2 s" in text
    code, text = parts._run([sys.executable, "-c", "print('done')"], tmp_path / "said.txt", 60)
    assert code == 0 and text.strip() == (tmp_path / "said.txt").read_text().strip() == "done"


def test_wheels_are_lacking_where_a_package_is_absent_or_excluded(tmp_path):
    """In a process of its own: in one that has imported pip, setuptools can no longer be imported."""
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    wheels.mkdir()
    for name, version in {"pyyaml": "6.0.2", "safetensors": "0.8.0"}.items():
        folder = installed / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for name in ("PyYAML-6.0.3", "safetensors-0.7.0", "nowhere_installed-2.14.4"):
        (wheels / f"{name}-py3-none-any.whl").touch()
    command = [sys.executable, SCRIPT.parent / "check/missing_wheels.py", wheels]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(installed)}, check=True)
    assert [Path(line).name.split("-")[0] for line in done.stdout.splitlines()] == ["nowhere_installed", "safetensors"]


@pytest.mark.parametrize("arguments", [[], ["--wheels"], ["a", "b"], ["--rehearse", "a"], ["--nonsense"]])
def test_wrong_arguments_show_how_it_is_used(arguments):
    done = subprocess.run(["bash", SCRIPT, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and "tools/check_gpu.sh WHEELS DATA OUT" in done.stderr


def test_a_difference_is_seen_and_nan_is_one():
    expected = {"y": np.ones((3, 4), "float32")}
    assert smoke._differs({"y": np.ones((3, 4), "float32")}, expected, 1e-6) is None
    for wrong in (np.full((3, 4), 1.1, "f4"), np.full((3, 4), np.nan, "f4"), np.ones((4, 3), "f4"), np.ones((3, 4))):
        assert smoke._differs({"y": wrong}, expected, 1e-6)


def test_cases_have_names_of_their_own():
    names = [name for name, _ in cases.all_cases()]
    assert len(set(names)) == len(names) > 80


def test_kernels_are_found_in_their_sources():
    found = launches.kernels()
    assert {("conv", "contract_16x4"), ("step", "begin"), ("norm", "training_forward")} <= found


def test_a_wrong_kernel_is_seen(emulated, monkeypatch):
    """The check of a case fails where a kernel computes something else."""
    from gpucnn.kernels.cuda import program

    case = dict(cases.all_cases())["relu"]
    assert smoke._agrees(case, "float32") is None
    launch = program.launch
    monkeypatch.setattr(
        program, "launch", lambda source, name, *rest: launch(source, name.replace("relu", "sigmoid"), *rest)
    )
    assert "off by" in smoke._agrees(case, "float32")


def test_the_tests_that_run_on_a_gpu_exist():
    assert [path for path in parts.TESTED if not (parts.ROOT / path).exists()] == []
