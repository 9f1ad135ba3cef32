"""The page on recipes: its commands and programs run, and its YAML is accepted."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

import gpucnn
from gpucnn import nn, optim
from gpucnn.cli import main
from gpucnn.config.check import check, read_config
from gpucnn.config.schema import Train
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.optim import OPTIMIZERS
from gpucnn.training import AVERAGES, Trainer

TEXT = (Path(__file__).parents[2] / "docs/recipes.md").read_text()
TAKES = {"recipes.md": {"sh", "yaml", "python"}}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", TEXT, re.DOTALL)


def test_the_page_names_every_optimizer_and_average() -> None:
    assert all(f"`{name}`" in TEXT for name in OPTIMIZERS) and all(f"name: {name}" in TEXT for name in AVERAGES)
    assert "decay" in TEXT and f"{AVERAGES['ema']().decay:g}, the default" in TEXT and Train().accumulate == 1


@pytest.mark.parametrize("command", blocks("sh"))
def test_its_commands_run(command, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "gpucnn"
    short = ["train.epochs=2", "data.limit=200", "report=false", "device=cpu"]
    assert main([*arguments, *short]) == 0
    made = "find_lr.png" if "--find-lr" in arguments else "*/result.json"
    assert len(list(tmp_path.glob(f"runs/smoke/{made}"))) == 1


@pytest.mark.parametrize("block", blocks("yaml"))
def test_its_yaml_is_accepted(block) -> None:
    text, _ = read_config("smoke")
    check(read_yaml(yaml.safe_dump(yaml.safe_load(text) | yaml.safe_load(block)), "x.yaml"))


@pytest.mark.parametrize("program", blocks("python"))
def test_its_programs_run(program, rng) -> None:
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    images, labels = rng.random((64, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, 64)
    given = {"gpucnn": gpucnn, "net": net, "optimizer": optimizer, "images": images, "labels": labels}
    exec(program, {**given, "trainer": Trainer(net, optimizer)})
