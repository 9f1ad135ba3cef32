"""What every command shares: exit codes, help, and errors as one message."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import gpucnn
from gpucnn.cli import PAGES, main


def gpucnn_process(*arguments: str, **keywords: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gpucnn.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **keywords)  # type: ignore[call-overload]


def test_wrong_input_exits_with_2_and_one_message_without_a_traceback() -> None:
    done = gpucnn_process("train", "lenet", "train.epochs=0", "optimizer.lr=x")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines() == [
        "override 'optimizer.lr=x': optimizer.lr: given \"x\", expected a number above 0",
        "override 'train.epochs=0': train.epochs: given 0, expected a whole number at least 1",
    ]


def test_help_needs_none_of_the_heavy_libraries() -> None:
    heavy = ("pydantic", "PIL", "matplotlib", "tqdm", "pooch", "yaml", "safetensors")
    code = (
        "import sys\nfrom gpucnn.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"sys.exit(', '.join(name for name in {heavy!r} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("train", "eval", "predict", "summary", "filter", "info", "data", "config"):
        assert f"\n    {command} " in done.stdout


def test_a_reader_that_has_gone_is_no_error() -> None:
    command = f"{sys.executable} -m gpucnn.cli config schema | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{\n" and done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["trian", "lenet"],
        ["train"],
        ["train", "lenet", "--verbose"],
        ["train", "lenet", "--run-dir"],
        ["eval"],
        ["eval", "one", "two"],
        ["predict", "run"],
        ["data"],
        ["data", "drop"],
        ["config", "show"],
        ["info", "more"],
    ],
)
def test_a_command_line_that_cannot_be_understood_exits_with_2(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and "usage: gpucnn" in capsys.readouterr().err


def test_overrides_are_not_asked_for(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["train"])
    assert capsys.readouterr().err.endswith("the following arguments are required: CONFIG\n")


def test_the_version(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0 and capsys.readouterr().out.startswith("gpucnn 0.")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError("Unable to allocate 9 GiB"), 1, "out of memory: Unable to allocate 9 GiB"),
        (OSError(28, "No space left on device", "x.csv"), 1, "the disk is full while writing x.csv"),
        (OSError(28, "No space left on device"), 1, "the disk is full: No space left on device; free some space"),
        (OSError(122, "Disk quota exceeded"), 1, "the disk is full"),
        (PermissionError(13, "Permission denied", "x"), 2, "x: Permission denied; give another path, or change"),
        (FileNotFoundError(2, "No such file or directory", "x"), 2, "x: No such file or directory; give another path"),
        (OSError(5, "Input/output error", "x"), 1, "the system refused: [Errno 5] Input/output error: 'x'"),
    ],
)
def test_each_end_has_its_exit_code_and_words(error, code, words, monkeypatch, capsys) -> None:
    def fail(parsed: object) -> None:
        raise error

    monkeypatch.setattr("gpucnn.cli.info.run", fail)
    assert main(["info"]) == code
    assert capsys.readouterr().err.startswith(words)


@pytest.mark.parametrize(("kind", "page"), PAGES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_an_error_names_its_page_on_a_terminal_alone(kind, page, monkeypatch, capsys) -> None:
    def fail(parsed: object) -> None:
        raise kind("something is wrong")

    monkeypatch.setattr("gpucnn.cli.info.run", fail)
    assert main(["info"]) == 2
    assert capsys.readouterr().err == "something is wrong\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["info"]) == 2
    assert capsys.readouterr().err == f"something is wrong\nsee {page}\n"


@pytest.mark.parametrize("page", PAGES.values())
def test_the_page_of_an_error_is_there(page) -> None:
    name, _, anchor = page.partition("#")
    text = (Path(gpucnn.__file__).parents[1] / name).read_text()
    heads = [re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()]
    assert not anchor or anchor in heads
