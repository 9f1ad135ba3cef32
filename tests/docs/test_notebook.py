"""The notebooks in docs run from top to bottom and show what they say; they are stored without what they printed."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = sorted(path.name for path in DOCS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def formats() -> Any:
    pytest.importorskip("ipykernel", reason="ipykernel, which runs notebooks, is not installed")
    pytest.importorskip("nbclient", reason="nbclient, which runs notebooks, is not installed")
    return pytest.importorskip("nbformat")


@pytest.fixture
def outputs(formats, tmp_path, monkeypatch):
    """Runs a notebook in an empty folder; returns the outputs of its cells, none of which may be on standard error."""
    import nbclient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("GPUCNN_DEVICE", "cpu")

    def run(name: str) -> list[Any]:
        notebook = formats.read(DOCS / name, as_version=4)
        resources = {"metadata": {"path": tmp_path}}
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
        found = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        assert not [output for output in found if output.get("name") == "stderr"]
        return found

    return run


def words(outputs: list[Any]) -> str:
    return "".join(output.get("text", "") for output in outputs)


def pictures(outputs: list[Any]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def percent(outputs: list[Any], end: str) -> float:
    """The number before the % in the one line with this in it."""
    (line,) = (line for line in words(outputs).splitlines() if end in line)
    return float(line.split("%")[0].split()[-1])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_stored_without_what_it_printed(name, formats) -> None:
    notebook = formats.read(DOCS / name, as_version=4)
    formats.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.mark.filterwarnings("default")  # those of Jupyter's own programs are not ours
def test_look_inside_runs_and_shows_its_pictures(outputs) -> None:
    found = outputs("look_inside.ipynb")
    assert pictures(found) == 3
    assert "unit (2, 3) sees rows" in words(found)
    assert percent(found, "of the test images") > 90


@pytest.mark.filterwarnings("default")
def test_own_pictures_runs_and_names_the_shapes(outputs) -> None:
    found = outputs("own_pictures.ipynb")
    assert pictures(found) == 2
    assert "180 colour images of 48 x 48 pixels, 3 classes (circle, square, triangle)" in words(found)
    assert percent(found, "of the test images are named right") > 60  # by chance it is 33
    tables = [output["data"]["text/html"] for output in found if "text/html" in output.get("data", {})]
    assert "Classifier of" in tables[0] and "conv2d" in tables[1].lower() and "test accuracy" in tables[2]


@pytest.mark.filterwarnings("default")
def test_sklearn_runs_and_learns(outputs) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    found = outputs("sklearn.ipynb")
    assert percent(found, "of the test images") > 95 and "best: {'lr': 0.01}" in words(found)
