"""Every file and function that docs/architecture.md names exists, and every part of gpucnn is named there."""

import importlib
import re
from pathlib import Path

import pytest

import gpucnn

PACKAGE = Path(gpucnn.__file__).parent
ROOT = PACKAGE.parent
TEXT = (ROOT / "docs/architecture.md").read_text()
NAMES = sorted(set(re.findall(r"`([^`\n]+)`", TEXT)))
FILES = [name for name in NAMES if "/" in name or name.endswith(".py")]
DOTTED = [name for name in NAMES if re.fullmatch(r"\w+(\.\w+)+", name) and name not in FILES]


@pytest.mark.parametrize("name", FILES)
def test_a_file_exists(name: str) -> None:
    found = [path for path in (PACKAGE / name, ROOT / name) if path.exists()]
    assert found and found[0].is_dir() == name.endswith("/")


@pytest.mark.parametrize("name", DOTTED)
def test_a_function_exists(name: str) -> None:
    """The longest part of the name that is a module, and what it holds under the rest of the name."""
    parts = ["gpucnn", *name.split(".")]
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = vars(found)[attribute]  # defined there, not inherited
        return


def test_the_test_reads_the_page() -> None:
    assert len(FILES) > 40 and len(DOTTED) > 60
    with pytest.raises(KeyError):
        test_a_function_exists("tensor.function.Function.no_such_name")


def test_every_part_is_named() -> None:
    parts = {path.name for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    named = {name.split("/")[0] for name in FILES}
    assert parts - named <= {"__init__.py", "__main__.py", "__pycache__"}
