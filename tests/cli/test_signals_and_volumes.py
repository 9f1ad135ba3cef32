"""Networks over one and three dimensions, from an npz file to a trained run."""

import json

import numpy as np
import pytest

from gpucnn import load
from gpucnn.cli import main

SIGNALS = """\
name: signals
device: cpu
data: {name: npz, path: signals.npz, axes: 1, layout: channels_first, normalize: standard, validation: 60}
model:
  - conv1d: {out_channels: 8, kernel_size: 5, padding: same}
  - batch_norm
  - relu
  - max_pool1d: {kernel_size: 4}
  - residual: [{conv1d: {out_channels: 8, kernel_size: 3, padding: [[2, 0]]}}, relu]
  - avg_pool1d: {kernel_size: 2}
  - flatten
  - linear: {out_features: 3}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 6, batch_size: 32}
report: false
"""
VOLUMES = """\
name: volumes
device: cpu
data: {name: npz, path: volumes.npz, axes: 3, normalize: unit, class_names: [deep, high, wide]}
model:
  - conv3d: {out_channels: 6, kernel_size: 3, padding: same}
  - batch_norm3d
  - relu
  - max_pool3d: {kernel_size: 2}
  - flatten
  - linear: {out_features: 3}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 6, batch_size: 32}
report: false
"""
PATTERNS = np.array([[0, 3, -3, 3, 0], [0, 3, 3, 3, 0], [3, 0, -3, 0, 3]], np.float32)


def save(path: str, x: np.ndarray, y: np.ndarray) -> None:
    """Every fifth is a test image."""
    test = np.arange(len(x)) % 5 == 0
    np.savez(path, x_train=x[~test], y_train=y[~test], x_test=x[test], y_test=y[test])


@pytest.fixture
def signals(tmp_path, rng) -> str:
    """Noise on two channels, and somewhere on the second a pattern, which is the class: (600, 2, 32)."""
    y, at = np.arange(600) % 3, rng.integers(0, 28, 600)
    x = rng.normal(0, 0.7, (600, 2, 32)).astype(np.float32)
    for i in range(600):
        x[i, 1, at[i] : at[i] + 5] += PATTERNS[y[i]]
    save("signals.npz", x, y)
    (tmp_path / "signals.yaml").write_text(SIGNALS)
    return "signals.yaml"


@pytest.fixture
def volumes(tmp_path, rng) -> str:
    """A bar somewhere along one of the three axes, which is the class: (300, 6, 8, 7) without channels."""
    y = np.arange(300) % 3
    x = rng.integers(0, 60, (300, 6, 8, 7), dtype=np.uint8)
    for volume, axis in zip(x, y, strict=True):
        volume[tuple(slice(None) if a == axis else rng.integers(volume.shape[a]) for a in range(3))] = 255
    save("volumes.npz", x, y)
    (tmp_path / "volumes.yaml").write_text(VOLUMES)
    return "volumes.yaml"


def test_a_network_over_signals_learns(signals, tmp_path, capsys):
    assert main(["train", signals, "--run-dir", "run"]) == 0
    printed = capsys.readouterr().out
    assert "input" in printed and "2 x 32" in printed and "8 x 8" in printed  # pooled by four
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["test_accuracy"] > 0.75  # a third by guessing
    assert main(["eval", "run"]) == 0
    assert f"accuracy {result['test_accuracy']:.2%}" in capsys.readouterr().out
    assert load("run").net[0].weight.shape == (8, 2, 5)


def test_it_goes_on_from_where_it_was(signals, tmp_path):
    assert main(["train", signals, "--run-dir", "whole", "--quiet", "train.epochs=2"]) == 0
    assert main(["train", signals, "--run-dir", "part", "--quiet", "train.epochs=1"]) == 0
    assert main(["train", signals, "--resume", "part", "--quiet", "train.epochs=2"]) == 0
    assert (tmp_path / "part/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_a_network_over_volumes_learns(volumes, tmp_path, capsys):
    assert main(["train", volumes, "--run-dir", "run"]) == 0
    assert "6 x 3 x 4 x 3" in capsys.readouterr().out  # pooled by two
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["test_accuracy"] > 0.75  # a third by guessing
    assert [row["name"] for row in result["classes"]] == ["deep", "high", "wide"]


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_pooled_whole_a_unit_sees_the_whole_and_its_padding(kind, signals, volumes, capsys, tmp_path):
    for text, old, new, single, field in (
        (SIGNALS, "avg_pool1d: {kernel_size: 2}", f"global_{kind}_pool1d", "8 x 1", "44"),  # 5 + 3 + 4·2 + 4·7
        (VOLUMES, "max_pool3d: {kernel_size: 2}", f"global_{kind}_pool3d", "6 x 1 x 1 x 1", "8 x 10 x 9"),
    ):
        (tmp_path / "whole.yaml").write_text(text.replace(old, new))
        assert main(["summary", "whole.yaml"]) == 0
        [line] = [line for line in capsys.readouterr().out.splitlines() if new in line]
        assert f" {single} " in line and f" {field} " in line, line


def test_what_is_for_pictures_alone_is_told(signals, tmp_path, fails):
    message = fails(2, "train", signals, "data.augment={flip: true}", "--run-dir", "none")
    assert "data.augment changes pictures (C, H, W), and these are of shape (2, 32); leave it out" in message
    assert not (tmp_path / "none").exists()
    message = fails(2, "train", signals, "data.axes=2")  # grey images of two rows, then
    assert "conv1d): expected 2 axes (channels and 1 sizes), given (1, 2, 32)" in message
    message = fails(2, "train", signals, "data.axes=4")
    assert "data.axes: given 4, expected one of 1, 2, 3" in message
    assert main(["train", signals, "--run-dir", "run", "--quiet", "train.epochs=1"]) == 0
    assert "The network was trained on arrays that are not pictures, 2 x 32" in fails(
        2, "predict", "run", "picture.png"
    )
