"""Training on chosen classes, and the curves of every minibatch, from the command line to the files of a run."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpucnn.cli import main
from gpucnn.data import load_source

SUBSET = ["data.classes=[8, 3, 5]", "model.3.linear.out_features=3", "train.epochs=6"]


@pytest.fixture
def three_digits(config, tmp_path) -> Path:
    """A run that learned 8, 3 and 5, in that order."""
    assert main(["train", config, "--run-dir", "subset", "--quiet", *SUBSET]) == 0
    return tmp_path / "subset"


def test_chosen_classes_are_renumbered_in_the_order_given(three_digits) -> None:
    result = json.loads((three_digits / "result.json").read_text())
    counts = np.bincount(load_source("digits").source.test.labels)
    assert [row["name"] for row in result["classes"]] == ["8", "3", "5"]
    assert [row["support"] for row in result["classes"]] == [counts[8], counts[3], counts[5]]
    assert [sum(row) for row in result["confusion_matrix"]] == [counts[8], counts[3], counts[5]]
    assert result["test_accuracy"] > 0.85


def test_chosen_classes_keep_their_names_when_asked(three_digits, capsys) -> None:
    test = load_source("digits").source.test
    files = [f"{digit}-{i}.png" for digit in (3, 5, 8) for i in range(5)]
    for file in files:
        of_class = np.flatnonzero(test.labels == int(file[0]))
        Image.fromarray(test.images[of_class[int(file[2])], 0]).save(file)
    assert main(["predict", str(three_digits), *files, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert all(set(each["probabilities"]) == {"3", "5", "8"} for each in told)
    assert np.mean([each["class"] == each["file"][0] for each in told]) > 0.8
    assert main(["eval", str(three_digits)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line[:1].isdigit()] == ["8", "3", "5"]


def test_a_network_with_an_output_for_every_class_is_told_of_the_subset(config, fails) -> None:
    message = fails(2, "train", config, "data.classes=[8, 3, 5]")
    assert "the network has 10 outputs, expected 3" in message and "model.3.linear.out_features=3" in message


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "batches.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_curves_hold_training_as_it_goes_and_validation_after_each_epoch(run) -> None:
    """240 training images in batches of 32, 60 validation images at once, two epochs."""
    steps = [(row["split"], row["epoch"], row["step"], row["images"]) for row in rows(run)]
    epochs = [
        [*(("train", epoch, str(step), "32") for step in range(1, 8)), ("train", epoch, "8", "16")]
        + [("validation", epoch, "1", "60")]
        for epoch in ("1", "2")
    ]
    assert steps == sum(epochs, [])


def test_a_training_loss_is_that_before_the_update(run) -> None:
    """The first is near that of guessing, ln 10, though the step after it learned from that very minibatch."""
    table = rows(run)
    assert float(table[0]["loss"]) == pytest.approx(np.log(10), abs=0.7)
    last = [float(row["loss"]) for row in table if row["split"] == "train"][-4:]
    assert max(last) < float(table[0]["loss"])
