"""The notebook in docs runs from top to bottom and shows its pictures; it is stored without them."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs/look_inside.ipynb"


@pytest.fixture(scope="module")
def formats() -> Any:
    pytest.importorskip("ipykernel", reason="ipykernel, which runs notebooks, is not installed")
    pytest.importorskip("nbclient", reason="nbclient, which runs notebooks, is not installed")
    return pytest.importorskip("nbformat")


def test_it_is_stored_without_what_it_printed(formats) -> None:
    notebook = formats.read(NOTEBOOK, as_version=4)
    formats.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.mark.filterwarnings("default")  # those of Jupyter's own programs are not ours
def test_it_runs_and_shows_its_pictures(formats, tmp_path, monkeypatch) -> None:
    import nbclient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = formats.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 3
    assert not [output for output in outputs if output.get("name") == "stderr"]
    words = "".join(output.get("text", "") for output in outputs)
    assert "unit (2, 3) sees rows" in words
    (accuracy,) = (float(line.split("%")[0]) for line in words.splitlines() if line.endswith("of the test images"))
    assert accuracy > 90
