"""Optimizers, averages, accumulated gradients and the learning rate range test from one YAML file."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import gpucnn
from gpucnn.cli import main

RECIPES = {
    "rmsprop": ["optimizer={name: rmsprop, lr: 0.001, momentum: 0.9, centered: true}"],
    "muon": ["optimizer={name: muon, lr: 0.02, weight_decay: 0.01, adjust_lr_fn: original, adamw_lr: 0.01}"],
    "ema": ["train.average={name: ema, decay: 0.9}"],
    "swa": ["train.average={name: swa, start: 0.3}", "train.accumulate=2"],
    "frozen": ["model.0.conv2d.lr_scale=0", "optimizer={name: muon, lr: 0.02}"],
}


def result(run: Path) -> dict:
    return json.loads((run / "result.json").read_text())


def lines(run: Path) -> list[str]:
    return (run / "batches.csv").read_text().splitlines()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_learns_and_resumes_to_the_same_bytes(config, recipe, tmp_path) -> None:
    options = [*RECIPES[recipe], "train.epochs=4", "--quiet"]
    assert main(["train", config, *options, "--run-dir", "whole"]) == 0
    assert main(["train", config, *options, "--run-dir", "parts", "--until", "2"]) == 0
    assert main(["train", config, *options, "--resume", "parts"]) == 0
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
    assert lines(whole) == lines(parts)
    assert result(whole)["test_accuracy"] == result(parts)["test_accuracy"] > 0.5


def test_the_average_is_what_is_validated_and_saved(config, tmp_path) -> None:
    arguments = ["train", config, "train.average={name: ema, decay: 0.99}", "--run-dir", "run"]
    assert main([*arguments, "train.early_stop={patience: 9}", "train.epochs=3"]) == 0
    run = tmp_path / "run"
    last, best = (load_file(run / "checkpoints" / f"{name}.safetensors") for name in ("last", "best"))
    kept = load_file(run / "model.safetensors")
    epoch = min(map(json.loads, (run / "metrics.jsonl").read_text().splitlines()), key=lambda e: e["validation_loss"])
    assert result(run)["weights"] == {"epoch": epoch["epoch"], "which": "ema"}
    for name, array in kept.items():
        np.testing.assert_array_equal(array, best[f"average.{name}"])
        assert not np.array_equal(array, last[f"model.{name}"])
    assert main(["eval", "run"]) == 0


def test_an_unfinished_run_is_seen_by_its_average(config, tmp_path, capsys) -> None:
    arguments = ["train", config, "train.average={name: ema, decay: 0.9}", "--run-dir", "run", "--until", "1"]
    assert main([*arguments, "--quiet"]) == 0
    saved = load_file(tmp_path / "run/checkpoints/last.safetensors")
    found = gpucnn.load("run").net.state_dict()
    for name, array in found.items():
        np.testing.assert_array_equal(array, saved[f"average.{name}"])


def test_updates_are_counted_where_gradients_accumulate(config, tmp_path) -> None:
    assert main(["train", config, "train.accumulate=3", "train.epochs=1", "--run-dir", "run", "--quiet"]) == 0
    images = [int(line.split(",")[3]) for line in lines(tmp_path / "run") if line.startswith("train")]
    assert images == [96, 96, 48]  # of 240, in minibatches of 32


def test_a_frozen_layer_keeps_its_weights(config, tmp_path) -> None:
    options = ["train.epochs=1", "--quiet", "model.0.conv2d.lr_scale=0"]
    assert main(["train", config, *options, "--run-dir", "one"]) == 0
    assert main(["train", config, *options, "train.epochs=3", "optimizer.weight_decay=1", "--run-dir", "more"]) == 0
    one, more = (load_file(tmp_path / run / "model.safetensors") for run in ("one", "more"))
    assert {name for name, array in one.items() if np.array_equal(array, more[name])} == {"0.weight", "0.bias"}


def test_find_lr_names_a_rate_and_leaves_no_run(config, tmp_path, capsys) -> None:
    assert main(["train", config, "--find-lr"]) == 0
    printed = capsys.readouterr().out
    assert "up to 140 updates" in printed and " s, up to a rate of" in printed
    rate = float(printed.rpartition("optimizer.lr=")[2].rstrip(")\n"))
    assert 1e-4 < rate < 1
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("runs/**/*.*")] == ["runs/tiny/find_lr.png"]
    assert main(["eval", "latest"]) == 2  # there is no run


def test_find_lr_draws_into_the_folder_of_the_run_to_be(config, tmp_path, capsys) -> None:
    assert main(["train", config, "--find-lr", "--run-dir", "here", "--quiet"]) == 0
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["find_lr.png"]
    assert main(["train", config, "train.epochs=1", "--run-dir", "here", "--quiet"]) == 0
    assert main(["train", config, "--find-lr", "--resume", "here"]) == 2
    assert "leave one out" in capsys.readouterr().err
