"""What docs/watching.md shows runs, and the figures that it names are those of health.json."""

import json
import re
import shlex
from pathlib import Path

from gpucnn.cli import main
from gpucnn.report.health import OF_UNITS, OF_WEIGHTS
from gpucnn.runs.health import IMAGES, MOST_EPOCHS, MOST_INPUTS, MOST_OUTPUTS
from gpucnn.training.health import SATURATED, SLOPES

TAKES = {"watching.md": {"sh", "python"}}
PAGE = (Path(__file__).parents[2] / "docs/watching.md").read_text()


def test_its_command_and_program_run(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPUCNN_DEVICE", "cpu")
    for language, text in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.S):
        if language == "sh":
            assert main(shlex.split(text)[1:]) == 0
            assert re.search(r"^live: http://127\.0\.0\.1:\d+/$", capsys.readouterr().out, re.M)
        else:
            exec(compile(text, "watching.md", "exec"), {})
    (path,) = tmp_path.glob("runs/smoke/*/health.json")
    told = json.loads(path.read_text())["epochs"][-1]["layers"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(told)
    assert "conv2d" in lines[0] and "'weights': " in lines[0] and "'dead': " in "".join(lines)


def test_it_names_every_figure_and_the_bounds() -> None:
    assert re.findall(r"^\| `(\w+)`", PAGE, re.M) == [*OF_WEIGHTS, *OF_UNITS]
    assert all(f"`{kind}`" in PAGE for kind in SLOPES) and f"below {SATURATED:.0%}".replace("%", " %") in PAGE
    assert f"{IMAGES} validation images" in PAGE and f"at most {MOST_EPOCHS + 1} epochs" in PAGE
    assert f"up to {MOST_OUTPUTS} outputs of {MOST_INPUTS} inputs" in PAGE
