"""What docs/export.md shows runs: its commands, its programs in Python and in C."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import gpucnn
from gpucnn.cli import main

PAGE = Path(__file__).parents[2] / "docs/export.md"
TAKES = {"export.md": {"sh", "python", "c"}}
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.S)


def test_its_commands_and_programs_run(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("onnx", reason="the library onnx is not installed (pip install 'gpucnn[onnx]')")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime, which the page uses, is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPUCNN_DEVICE", "cpu")
    names: dict = {"gpucnn": gpucnn}
    for language, text in BLOCKS:
        if language == "sh":
            for command in text.splitlines():
                program, *arguments = shlex.split(command)
                assert program == "gpucnn" and main(arguments) == 0
        elif language == "python":
            exec(compile(text, PAGE.name, "exec"), names)
        elif shutil.which("gcc"):
            (tmp_path / "main.c").write_text(text)
            subprocess.run(
                ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "main.c", "-o", "main", "-lm"], check=True
            )
            assert re.fullmatch(r"\d: [01]\.\d{3}\n", subprocess.run("./main", capture_output=True, text=True).stdout)
    printed = capsys.readouterr().out
    assert "ONNX Runtime's answers differ by" in printed and "weights in 8 bits; accuracy on the test images" in printed
    assert {language for language, _ in BLOCKS} == {"sh", "python", "c"}
    for name in ("digits.onnx", "bare.onnx", "digits.html", "digits_int8.h", "again.onnx", "again.html", "again.h"):
        assert (tmp_path / name).stat().st_size > 1000


def test_its_picture_is_there() -> None:
    for name in re.findall(r"!\[.*?\]\((.*?)\)", PAGE.read_text()):
        assert (PAGE.parent / name).stat().st_size < 200_000
