"""Run folders of earlier versions: they resume, and their weights load."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gpucnn
from gpucnn.cli import main
from gpucnn.kernels import dispatch

STOPPED = Path(__file__).parent / "version_0_1_0"  # a run of 0.1.0 on the digits, interrupted after one of two epochs


@pytest.fixture
def run(tmp_path) -> Path:
    return Path(shutil.copytree(STOPPED, tmp_path / "run"))


@pytest.fixture
def on_numpy(monkeypatch) -> Iterator[None]:
    """The kernels that every machine has; the choice is the process's, so it is undone."""
    before = dispatch.asked()
    monkeypatch.setenv("GPUCNN_KERNELS", "numpy")
    yield
    dispatch.choose(before)


def test_a_run_of_0_1_0_resumes(run, on_numpy):
    assert main(["train", str(run / "config.yaml"), "--resume", str(run), "--quiet", "--device", "cpu"]) == 0
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2
    result = json.loads((run / "result.json").read_text())
    assert result["test_loss"] == pytest.approx(2.29845904774136, rel=1e-3)  # what 0.1.0 itself comes to


def test_the_weights_of_a_run_of_0_1_0_load(run):
    scores = gpucnn.load(run).net(gpucnn.Tensor(np.zeros((2, 1, 28, 28), np.float32))).numpy()
    assert scores.shape == (2, 10)
    assert np.isfinite(scores).all()
