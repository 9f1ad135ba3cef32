"""The pages on the five published systems: what they print is up to date, their figures are those of the results."""

import json
import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest

from gpucnn.cli import main
from gpucnn.cli.arguments import parse
from gpucnn.config.check import load_config
from gpucnn.course import pages

ROOT = Path(__file__).parents[2]
COURSE = runpy.run_path(str(ROOT / "tools/course.py"))
FOLDER = ROOT / "docs/systems"
RESULTS = json.loads((ROOT / "docs/results.json").read_text())
SYSTEMS = ("lenet_published", "scala_cnn", "fashion_mlp", "renom", "three_digits")
TAKES = {f"systems/{name}.md": {"sh", "python"} for name in SYSTEMS}
SHOWN = {  # the rows of the results that a page quotes
    "lenet_published": ("lenet_published", "lenet_best"),
    "scala_cnn": ("scala_cnn", "scala_cnn_best"),
    "fashion_mlp": ("fashion_mlp", "fashion_mlp_official"),
    "renom": ("renom", "renom_by_label", "renom_best"),
    "three_digits": ("three_digits", "three_digits_best", "ten_digits"),
}
PUBLISHED = {
    "lenet_published": ("10.3", "86.3", "96.2", "97.4", "98.1", "98.7", "62,074", "61,684"),
    "scala_cnn": ("92", "32 and 1", "50 and 10"),
    "fashion_mlp": ("81.93", "0.5210", "87.40", "0.3514", "4.3 s"),
    "renom": ("0.2918", "0.1192", "about 45"),
    "three_digits": ("70", "0.73", "41 s", "about 10 %"),
}


def text(name) -> str:
    return (FOLDER / f"{name}.md").read_text()


def mean(row, figure) -> float:
    return float(np.mean([run[figure] for run in RESULTS[row]["runs"]]))


@pytest.mark.parametrize("name", SYSTEMS)
def test_figures_are_those_of_the_results(name) -> None:
    for row in SHOWN[name]:
        assert f"{100 * mean(row, 'accuracy'):.2f}" in text(name), row
    for figure in PUBLISHED[name]:
        assert figure in text(name)
    index = text("index")
    assert f"{100 * mean(name, 'accuracy'):.2f}" in index or f"{mean(name, 'loss'):.4f}" in index


@pytest.mark.parametrize("name", SYSTEMS)
def test_summaries_and_programs_print_what_the_page_says(name, capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert COURSE["again"](FOLDER / f"{name}.md") == text(name)
    blocks = pages.blocks(FOLDER / f"{name}.md")
    [shown] = [after.text for block, after in zip(blocks, blocks[1:], strict=False) if "summary" in block.text]
    assert main(["summary", name]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("name", SYSTEMS)
def test_commands_are_valid(name) -> None:
    commands = [line for block in pages.blocks(FOLDER / f"{name}.md") if block.language == "sh"
                for line in block.text.splitlines()]  # fmt: skip
    assert f"gpucnn train {name}" in commands
    for command in commands:
        given = parse(shlex.split(command)[1:])
        if command.startswith("gpucnn train"):
            load_config(given.config, given.overrides)


def test_links_lead_somewhere() -> None:
    for path in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (FOLDER / target).exists(), f"{path.name}: {target}"
    assert {path.stem for path in FOLDER.glob("*.md")} == {"index", *SYSTEMS}
