"""Augmentation from the YAML to a trained run; and options that do not fit the images."""

import json
from pathlib import Path

import numpy as np
import pytest

from gpucnn.cli import main

CONFIG = """
name: augmented
data: {name: synthetic, train: 200, test: 60, shape: [%d, 12, 12], classes: 3, augment: %s}
model: [conv2d: {out_channels: 4, kernel_size: 3}, relu, flatten, linear: {out_features: 3}]
optimizer: {name: sgd, lr: 0.02, momentum: 0.9}
train: {epochs: 2, batch_size: 16}
report: false
"""
WAYS = {
    "elastic": (1, "{elastic: 8, elastic_sigma: 3, erase: 0.3}"),
    "colours": (3, "{brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.1, flip: true}"),
    "mixed": (1, "{shift: 1, mixup: 0.2, cutmix: 1.0}"),
}


def written(tmp_path: Path, channels: int, augment: str) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG % (channels, augment))
    return str(path)


@pytest.mark.parametrize("ways", WAYS)
def test_a_run_is_trained_and_the_same_again(tmp_path, ways) -> None:
    config = written(tmp_path, *WAYS[ways])
    losses = []
    for name in ("one", "two"):
        assert main(["train", config, "--run-dir", str(tmp_path / name), "--quiet", "--device", "cpu"]) == 0
        rows = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        losses.append([(row["train_loss"], row["train_accuracy"]) for row in rows])
    assert losses[0] == losses[1] and len(losses[0]) == 2
    assert np.isfinite(losses[0]).all() and 0 <= losses[0][1][1] <= 1
    assert json.loads((tmp_path / "one" / "result.json").read_text())["test_accuracy"] > 0.5


WRONG = {
    "hue: 0.6": (3, "given 0.6, expected a number at least 0 and at most 0.5"),
    "erase: 1.5": (1, "given 1.5, expected a number at least 0 and at most 1"),
    "mixup: -1": (1, "given -1, expected a number at least 0"),
    "elastic_sigma: 0": (1, "given 0, expected a number above 0"),
    "saturation: 0.1": (1, "the images have 1 channels; saturation and hue change those with red, green and blue"),
}


@pytest.mark.parametrize("option", WRONG)
def test_what_does_not_fit_is_refused_before_a_folder_is_made(tmp_path, capsys, option) -> None:
    channels, words = WRONG[option]
    config = written(tmp_path, channels, f"{{{option}}}")
    assert main(["train", config, "--run-dir", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert words in message and option.split(":")[0] in message
    assert not (tmp_path / "run").exists()
