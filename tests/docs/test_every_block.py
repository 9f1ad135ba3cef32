"""Every code block of the docs is run by a test, or checked by one, or is output.

A module of tests that takes the blocks of a page says so in TAKES: the page, and the languages of the blocks it takes.
Most run them as they stand. What would take minutes or several machines is shortened (fewer epochs or images), or
parsed by the command line's own parser; YAML is checked as `gpucnn config validate` does. Output is `text`.
"""

import importlib
from pathlib import Path

import pytest

from tests.docs import runner

TESTS = Path(__file__).parents[1]
OUTPUT = "text"
PAGES = [*runner.DOCS.rglob("*.md"), runner.ROOT / "CONTRIBUTING.md"]


def taken() -> dict[str, set[str]]:
    """The languages that tests take, for each page."""
    found: dict[str, set[str]] = {}
    for path in sorted([*TESTS.glob("docs/test_*.py"), *TESTS.glob("course/test_*.py")]):
        module = importlib.import_module(f"tests.{path.parent.name}.{path.stem}")
        for page, languages in getattr(module, "TAKES", {}).items():
            found[page] = found.get(page, set()) | languages
    return found


def of(path: Path) -> tuple[str, set[str]]:
    """A page's name, and the languages of its blocks that are no output."""
    name = str(path.relative_to(runner.DOCS if path.is_relative_to(runner.DOCS) else runner.ROOT))
    return name, {block.language for block in runner.blocks(path)} - {OUTPUT}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_block_is_taken_or_output(path) -> None:
    if "reference" in path.parts:
        pytest.skip("made from the code")
    name, languages = of(path)
    assert "" not in languages, f"{name}: a block without a language; output is ```text"
    assert languages <= taken().get(name, set()), f"{name}: no test takes its blocks"


def test_no_block_is_missed() -> None:
    """As many fences begin and end blocks as are read."""
    for path in PAGES:
        fences = sum(line.lstrip().startswith("```") for line in path.read_text(encoding="utf-8").splitlines())
        assert fences == 2 * len([*runner.blocks(path)]), path


def test_what_tests_take_is_there() -> None:
    names = {of(path)[0] for path in PAGES}
    assert set(taken()) <= names and len(taken()) > 30


def test_a_block_that_nobody_takes_is_noticed(tmp_path, monkeypatch) -> None:
    page = runner.ROOT / "CONTRIBUTING.md"
    assert of(page)[1] >= {"python", "sh"}
    (tmp_path / "page.md").write_text("```\nls\n```\n\n1. a list\n\n   ```yaml\n   a: 1\n   ```\n")
    assert [block.language for block in runner.blocks(tmp_path / "page.md")] == ["", "yaml"]
    assert [block.text for block in runner.blocks(tmp_path / "page.md")] == ["ls\n", "a: 1\n"]
