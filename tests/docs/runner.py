"""Reads the code blocks of a page, and runs them in their order."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gpucnn.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]*)\")?\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)


class Block(NamedTuple):
    """A code block of a page."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order; those inside lists without their indentation."""
    for found in FENCE.finditer(page.read_text(encoding="utf-8")):
        text = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.M)
        yield Block(found["language"], found["title"] or "", text)


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block of sh, as words, without comments; lines that end with a backslash are joined."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def gpucnn(words: list[str]) -> None:
    """Run a command of gpucnn's, which must succeed."""
    assert words[0] == "gpucnn" and main(words[1:]) == 0, shlex.join(words)


def run(page: Path, command: Callable[[list[str]], None] = gpucnn, names: dict[str, Any] | None = None) -> dict:
    """Run a page in the current folder: its commands, its programs, and its configurations written to NAME.yaml.

    Programs of another library, whose title is its name, are compiled only. Returns what the programs left behind.
    """
    names = {} if names is None else names
    for block in blocks(page):
        if block.language == "sh":
            for words in commands(block.text):
                command(words)
        elif block.language == "python":
            program = compile(block.text, page.name, "exec")
            if block.title in ("", "gpucnn"):
                exec(program, names)
        elif block.language == "yaml":
            Path(f"{yaml.safe_load(block.text)['name']}.yaml").write_text(block.text)
        else:
            assert block.language == "text", f"{page.name}: a block of {block.language!r}"
    return names
