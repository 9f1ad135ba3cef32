"""The page on sweeps: every command on it runs as it stands there, but for fewer epochs."""

import re
import shlex
from pathlib import Path

import pytest

from gpucnn.cli import main
from gpucnn.sweep import Local, Sweep
from gpucnn.sweep.folder import PAGE

TEXT = (Path(__file__).parents[2] / "docs/sweep.md").read_text()
TAKES = {"sweep.md": {"sh"}}
COMMANDS = re.findall(r"```sh\n(.*?)\n```", TEXT)
RUNS = {"--random 6": 6, "--search 6": 6, "--halving 3": 9, "--mpi": 6}  # of each sweep; of the first, 18


@pytest.fixture
def in_this_process(tmp_path, monkeypatch) -> None:
    """Members train in this process, one after another, which saves their start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        Local, "train", lambda self, arguments: None if main(["train", *arguments]) == 0 else "it failed"
    )


def test_the_page_has_a_command_of_each_kind() -> None:
    assert len(COMMANDS) == 6
    assert all(any(kind in command for command in COMMANDS) for kind in [*RUNS, "--resume"])


@pytest.mark.parametrize("command", [command for command in COMMANDS if "--resume" not in command])
def test_its_commands_run(command, in_this_process, capsys) -> None:
    if "--search" in command:
        pytest.importorskip("optuna", reason="Optuna, which proposes settings, is not installed")
    *launcher, program, name, config = shlex.split(command.partition(" smoke")[0] + " smoke")
    options = [word for word in shlex.split(command)[len(launcher) + 3 :] if word != "--mpi"]  # tests/cli has that
    assert (program, name, config) == ("gpucnn", "sweep", "smoke")
    short = [] if "train.epochs" in command else ["train.epochs=1"]
    assert main(["sweep", config, *options, *short, "data.limit=200", "--workers", "1", "--run-dir", "SWEEP"]) == 0
    sweep = Sweep.open(Path("SWEEP"))
    assert len(sweep.members) == next((runs for kind, runs in RUNS.items() if kind in command), 18)
    assert all(member.fault is None for member in sweep.members)
    page = Path("SWEEP", PAGE).read_bytes()
    (resume,) = [shlex.split(each) for each in COMMANDS if "--resume" in each]
    assert main(resume[1:]) == 0
    assert Path("SWEEP", PAGE).read_bytes() == page
