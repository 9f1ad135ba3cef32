"""What objects show of themselves in a notebook: short, right, and escaped."""

import re
import xml.etree.ElementTree

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn
from gpucnn.cli import main
from gpucnn.notebook import MOST_ROWS, table
from gpucnn.runs.saved import open_run


def cells(shown: str) -> list[list[str]]:
    """The rows of the table, read as XML: whatever is not escaped is an error."""
    tree = xml.etree.ElementTree.fromstring(shown)
    return [[cell.text or "" for cell in row] for row in tree.iter("tr")]


def test_a_network_shows_its_layers_and_what_is_trained() -> None:
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2))
    net[0].weight.requires_grad_(False)
    rows = cells(net._repr_html_())
    assert rows[0] == ["name", "layer", "parameters"]
    assert [(name, count) for name, _, count in rows[1:]] == [("0", "156"), ("1", "0"), ("2", "0"), ("3", "14")]
    assert rows[1][1] == repr(net[0])
    assert "20 parameters, 150 frozen; in training mode" in net._repr_html_()


def test_a_class_of_ones_own_and_a_layer_alone_show_themselves() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.first, self.blocks = nn.Linear(3, 4), [nn.Linear(4, 4), nn.ReLU()]

    assert [row[0] for row in cells(Net()._repr_html_())] == ["name", "first", "blocks.0", "blocks.1"]
    assert cells(nn.ReLU()._repr_html_())[1][0] == "(itself)"


def test_a_small_tensor_shows_its_values(device) -> None:
    shown = Tensor(np.array([[1, 2.5], [-3, 1234567]], np.float32), requires_grad=True)._repr_html_()
    assert cells(shown) == [["1", "2.5"], ["-3", "1.235e+06"]]
    assert "Tensor (2, 2), float32, requires_grad" in shown
    assert cells(Tensor(np.array(7))._repr_html_()) == [["7"]]


def test_a_large_tensor_shows_its_range(device) -> None:
    values = np.arange(1000, dtype=np.float32).reshape(10, 4, 5, 5)
    values[0, 0, 0, :2] = np.nan, np.inf
    expected = [["values", "1,000"], ["smallest", "2"], ["mean", "500.5"], ["largest", "999"], ["not finite", "2"]]
    assert cells(Tensor(values)._repr_html_()) == expected
    assert cells(Tensor(np.zeros((0, 3), np.float32))._repr_html_()) == [["values", "0"]]


def test_what_comes_from_outside_is_escaped_and_long_tables_are_cut() -> None:
    shown = table("<script>&", ("<b>",), [(f"<img src=x onerror=alert({k})>",) for k in range(MOST_ROWS + 5)], "a < b")
    assert not re.search(r"<(script|img)", shown)
    rows = cells(shown)
    assert len(rows) == MOST_ROWS + 2 and rows[-1] == ["and 5 more"] and rows[1] == ["<img src=x onerror=alert(0)>"]


@pytest.fixture
def run(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    assert (
        main(["train", "smoke", "train.epochs=1", "report=false", "--quiet", "--run-dir", "a<b", "--device", "cpu"])
        == 0
    )
    return "a<b"


def test_a_classifier_and_a_run_show_what_they_are(run) -> None:
    rows = dict(cells(gpucnn.load(run)._repr_html_()))
    assert rows["pictures"] == "1 x 28 x 28" and rows["classes"].startswith("'0', '1'")
    rows = dict(cells(open_run(run)._repr_html_()))
    assert rows["data"] == "digits" and rows["epochs"] == "1" and rows["test accuracy"].endswith("%")
