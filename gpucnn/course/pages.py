"""The lessons: pages of Markdown, whose blocks of Python make one program, each followed by what it prints."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from gpucnn.errors import InputError
from gpucnn.threads import one_blas_thread

PATTERN = re.compile(r"^```(?P<language>\w+)(?: title=\"(?P<title>.*?)\")?\n(?P<text>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A block of code or of output: its language, title ("" where there is none), and text."""

    language: str
    title: str
    text: str


def pages() -> list[Path]:
    """The lessons in order, `01-window.md` first: in the package, or in the docs of a checkout."""
    package = Path(__file__).parent
    installed = package / "pages"
    folder = installed if installed.is_dir() else package.parents[1] / "docs/course"
    return sorted(folder.glob("[0-9][0-9]-*.md"))


def page(number: int) -> Path:
    """The lesson of that number. Raises InputError where there is none."""
    found = pages()
    if not 1 <= number <= len(found):
        raise InputError(f"there is no lesson {number}; give a number from 1 to {len(found)}")
    return found[number - 1]


def title(path: Path) -> str:
    """The first line of a lesson, without its mark."""
    with path.open(encoding="utf-8") as lines:
        return lines.readline().strip("# \n")


def blocks(path: Path) -> list[Block]:
    """All blocks of a lesson, in order."""
    text = path.read_text(encoding="utf-8")
    return [Block(found["language"], found["title"] or "", found["text"]) for found in PATTERN.finditer(text)]


def execute(text: str, name: str, names: dict[str, Any]) -> None:
    """Run a piece of a lesson with those names; BLAS with one thread, so that it adds in the same order everywhere."""
    with one_blas_thread():
        exec(compile(text, name, "exec"), names)


def program(path: Path) -> str:
    """The blocks of Python of a lesson, one after the other."""
    return "\n\n".join(block.text for block in blocks(path) if block.language == "python")
