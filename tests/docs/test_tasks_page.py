"""The page on tasks: its program, configurations and commands run in their order, and do what it says."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from gpucnn.cli import main
from gpucnn.sweep import Local
from gpucnn.training import LOSSES

TEXT = (Path(__file__).parents[2] / "docs/tasks.md").read_text()
TAKES = {"tasks.md": {"sh", "yaml", "python"}}
BLOCKS = re.findall(r"```(python|yaml|sh)\n(.*?)\n```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder in which all of the page has run; runs that have no folder of their own are in `runs`."""
    folder = tmp_path_factory.mktemp("tasks")
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        context.setattr(Local, "train", lambda self, given: None if main(["train", *given]) == 0 else "it failed")
        for kind, block in BLOCKS:
            if kind == "python":
                exec(compile(block, "tasks.md", "exec"), {})
            elif kind == "yaml":
                name, text = re.fullmatch(r"# (\w+\.yaml)\n(.*)", block, re.DOTALL).groups()
                Path(name).write_text(text)
            else:
                for line in block.splitlines():
                    program, *command = shlex.split(line)
                    short = ["data.limit=200", "train.epochs=1", "--quiet"] if "smoke" in command else []
                    assert program == "gpucnn" and main([*command, *short]) == 0, line
        yield folder


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_both_ways_to_weigh_classes_train(done):
    assert len(list(done.glob("runs/smoke/*/result.json"))) == 2


def test_pairs_are_told_apart(done):
    found = result(done / "pairs")
    assert found["exact_match"] > 0.6 and [row["threshold"] for row in found["labels"]][:3] == [0.5, 0.4, 0.5]


def test_places_are_found(done):
    found = result(done / "places")
    assert found["outputs"] == ["right", "down"] and min(found["r2"]) > 0.9
    assert (done / "places/report.html").is_file()


def test_folds_are_there(done):
    told = json.loads((done / "folds/folds.json").read_text())
    shares = [row["validation_accuracy"] for row in told["folds"]]
    assert len(shares) == 5 and told["mean"]["validation_accuracy"] == pytest.approx(np.mean(shares))
    (second,) = (done / "folds").glob("002*")
    weights = [(folder / "model.safetensors").read_bytes() for folder in (second, done / "second")]
    assert weights[0] == weights[1]


def test_every_loss_is_on_the_page():
    assert all(f"`{name}`" in TEXT for name in LOSSES)
