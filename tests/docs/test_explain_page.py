"""What docs/explain.md shows runs, in its order: commands and programs."""

import json
import re
import shlex
from pathlib import Path

import numpy as np

import gpucnn
from gpucnn import explain
from gpucnn.cli import main

PAGE = Path(__file__).parents[2] / "docs/explain.md"
TAKES = {"explain.md": {"sh", "python"}}
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.S)


def test_its_commands_and_programs_run(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPUCNN_DEVICE", "cpu")
    names: dict = {}
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, PAGE.name, "exec"), names)
            continue
        for command in text.splitlines():
            program, *arguments = shlex.split(command)
            assert program == "gpucnn" and main(arguments) == 0
    printed = capsys.readouterr().out
    assert names["why"].shape == (28, 28) and names["why"].max() > 0
    (pipeline,) = tmp_path.glob("runs/*/*/pipeline.json")
    assert json.loads(pipeline.read_text())["temperature"] != 1 and "kept in pipeline.json" in printed
    right = names["probabilities"].argmax(axis=1) == names["data"].test.labels
    sure = names["probabilities"].max(axis=1) >= names["threshold"]
    assert right[sure].mean() >= 0.95 and 0 < names["belief"].error < 0.2
    assert names["points"].shape == (200, 2) and names["points"].std(axis=0).min() > 0
    assert names["found"].images.shape == (8, 6) and names["made"].shape == (8, 1, 28, 28)
    assert names["means"].shape == (10, 1, 28, 28) and len(names["doubtful"]) <= 24
    assert "test images are nearly among the training's" in printed


def test_every_method_of_its_table_takes_what_the_table_says(tmp_path, monkeypatch, rng) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "smoke", "report=false", "--quiet", "device=cpu", "--run-dir", "run"]) == 0
    given = {"classifier": gpucnn.load("run"), "image": rng.integers(0, 256, (28, 28)), "label": "3"}
    calls = re.findall(r"^\| `(\w+)(\(.*?\))`", PAGE.read_text(), re.M)
    assert [name for name, _ in calls] == ["grad_cam", "occlusion", "saliency", "smooth_grad"]
    for name, arguments in calls:
        assert np.isfinite(eval(f"{name}{arguments}", vars(explain) | given)).all()
