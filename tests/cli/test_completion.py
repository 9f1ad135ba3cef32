"""The scripts that complete the command line, asked in the shells themselves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gpucnn.cli import main

ASK = """
source ./script
COMP_WORDBREAKS=$' =:'
ask() {
    COMP_LINE="$1" COMP_POINT=${#1} COMPREPLY=()
    _gpucnn 2>/dev/null
    echo "${COMPREPLY[*]}"
}
"""


@pytest.fixture
def script(tmp_path, capsys, in_an_empty_folder):
    """Writes the script for a shell into the file `script` of the working folder."""

    def write(shell: str) -> None:
        assert main(["completion", shell]) == 0
        Path("script").write_text(capsys.readouterr().out)

    return write


def answers(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_configurations_runs_and_overrides(script) -> None:
    script("bash")
    Path("runs/lenet/20260101-000000").mkdir(parents=True)
    Path("runs/lenet/20260101-000000/config.yaml").touch()
    Path("mine.yaml").touch()
    expected = {
        "gpucnn tr": "train",
        "gpucnn --ver": "--version",
        "gpucnn train mi": "mine.yaml",
        "gpucnn train three": "three_digits three_digits_best",
        "gpucnn train lenet optimizer.l": "optimizer.lr=",
        "gpucnn train lenet --quiet optimizer.lr=1 train.ep": "train.epochs=",
        "gpucnn train lenet optimizer.name=adam": "adam adamw",  # bash takes what is behind = for a word of its own
        "gpucnn train lenet data.augment.flip=": "true false",
        "gpucnn train lenet --dev": "--device",
        "gpucnn train lenet --device c": "cpu cuda",
        "gpucnn train lenet --resume la": "latest",
        "gpucnn train lenet --until ": "",
        "gpucnn train --device cpu sm": "smoke small_fashion",
        "gpucnn eval ": "latest runs/lenet/20260101-000000",
        "gpucnn eval latest ": "",
        "gpucnn report latest ru": "runs/lenet/20260101-000000",
        "gpucnn data ": "list fetch",
        "gpucnn data fetch mn": "mnist",
        "gpucnn config sh": "show",
        "gpucnn config show thr": "three_digits three_digits_best",
        "gpucnn completion f": "fish",
        "gpucnn predict latest ": "",  # files, which the shell completes itself
    }
    asked = "\n".join(f'ask "{line}"' for line in expected)
    found = dict(zip(expected, answers("bash", "--norc", "-c", ASK + asked), strict=True))
    assert {line: sorted(words.split()) for line, words in found.items()} == {
        line: sorted(words.split()) for line, words in expected.items()
    }


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_commands_options_and_overrides(script) -> None:
    script("fish")
    Path("runs/lenet/1").mkdir(parents=True)
    Path("runs/lenet/1/config.yaml").touch()
    lines = ["gpucnn tr", "gpucnn train lenet5", "gpucnn train lenet train.ep", "gpucnn eval ", "gpucnn data fetch mn"]
    asked = "; ".join(f'complete -C "{line}"' for line in lines)
    found = [line.split("\t")[0] for line in answers("fish", "--no-config", "-c", f"source script; {asked}")]
    assert found == ["train", "lenet5_1998", "train.epochs=", "latest", "runs/lenet/1", "mnist"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script(script) -> None:
    script("zsh")
    program = "autoload -U compinit && compinit -u -D; source script; echo ${_comps[gpucnn]}"
    assert "_gpucnn" in answers("zsh", "-f", "-c", program)[-1]


def test_a_shell_that_is_not_known(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["completion", "tcsh"])
    assert stopped.value.code == 2 and "bash" in capsys.readouterr().err
