"""The house: a file imports only from those above it, and only a few know the libraries that are optional or slow."""

import ast
import functools
import graphlib
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpucnn

PACKAGE = Path(gpucnn.__file__).parent

HOUSE = runpy.run_path(str(PACKAGE.parent / "tools/house.py"))
ROWS: list[list[str]] = HOUSE["ROWS"]  # of the package's files and packages, from the top down
FACES = {"gpucnn": "cli", "__main__": "cli"}  # gpucnn/__init__.py, and what starts the command line
KNOW_CUPY = {"gpucnn.backend"}
OPTIONAL: dict[str, set[str]] = {
    "torch": {"gpucnn.training.pytorch"},
    "scipy": set(),
    "sklearn": {"gpucnn.sklearn", "gpucnn.explain.space"},
    "umap": {"gpucnn.explain.space"},
}
NOT_AT_ONCE = {"PIL", "matplotlib", "pooch", "pydantic", "requests", "safetensors", "threadpoolctl", "tqdm", "yaml"}


@functools.cache
def imports() -> dict[str, set[str]]:
    """Module -> what it imports, wherever in the file: modules of gpucnn, else the dotted name as it is written."""
    trees = {_module(path): ast.parse(path.read_bytes()) for path in sorted(PACKAGE.rglob("*.py"))}
    return {
        module: {_known(name, trees) for node in ast.walk(tree) for name in _imported(node)}
        for module, tree in trees.items()
    }


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _imported(node: ast.AST) -> Iterator[str]:
    """The names that one statement imports; `from a import b` is a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        yield from (name.value for name in node.args[:1] if isinstance(name, ast.Constant))


def _known(name: str, modules: dict[str, ast.Module]) -> str:
    """The module that a.b lies in, where a.b is one of ours or something in one."""
    return name if name in modules or name.rpartition(".")[0] not in modules else name.rpartition(".")[0]


def within(module: str) -> set[str]:
    """What a module imports from gpucnn."""
    return {name for name in imports()[module] if name.split(".")[0] == "gpucnn"}


def part(module: str) -> str:
    """The part of `ROWS` that a module belongs to."""
    name = module.split(".")[1] if "." in module else module
    return FACES.get(name, name)


def row(module: str) -> int:
    """The row that a module stands in, from the top."""
    return next(number for number, names in enumerate(ROWS) if part(module) in names)


def those_that_import(library: str) -> set[str]:
    return {module for module, names in imports().items() for name in names if name.split(".")[0] == library}


@pytest.mark.parametrize("module", sorted(imports()))
def test_a_file_imports_only_from_lower_rows(module) -> None:
    wrong = [name for name in within(module) if part(name) != part(module) and row(name) <= row(module)]
    assert not wrong, f"{module} imports {sorted(wrong)}, which are not below it in tools/house.py"


def test_no_files_import_each_other_in_a_circle() -> None:
    graphlib.TopologicalSorter({module: within(module) for module in imports()}).prepare()  # CycleError names them


@pytest.mark.parametrize("name", ["numpy", "c", "cuda"])
def test_a_set_of_kernels_imports_another_only_to_inherit_from_numpy(name) -> None:
    own = f"gpucnn.kernels.{name}"
    allowed = {"gpucnn.kernels.interface", "gpucnn.kernels.plans"} | ({"gpucnn.kernels.numpy"} - {own})
    for module in imports():
        if module == own or module.startswith(f"{own}."):
            kernels = {found for found in within(module) if found.startswith("gpucnn.kernels.")}
            others = {found for found in kernels if found != own and not found.startswith(f"{own}.")}
            assert others <= allowed, module


def test_every_part_has_a_place_and_every_place_a_part() -> None:
    parts = {part(module) for module in imports()}
    assert sorted(name for names in ROWS for name in names) == sorted(parts)


def test_the_picture_and_the_page_show_the_same_order() -> None:
    """`python tools/house.py` makes both again."""
    assert HOUSE["PICTURE"].read_text() == HOUSE["picture"]()
    text = HOUSE["PAGE"].read_text()
    assert text == HOUSE["page"](text)


def test_only_the_backend_imports_cupy() -> None:
    assert those_that_import("cupy") == KNOW_CUPY


@pytest.mark.parametrize(("library", "known_to"), OPTIONAL.items())
def test_only_few_modules_know_a_library_that_is_optional(library, known_to) -> None:
    assert those_that_import(library) == known_to


def test_import_gpucnn_brings_no_library_that_is_needed_later() -> None:
    program = "import sys, gpucnn; print(*{name.split('.')[0] for name in sys.modules})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "numpy" in done.stdout.split()
    assert NOT_AT_ONCE.isdisjoint(done.stdout.split())
