"""The pages on scikit-learn, loggers and the exchange of arrays: their programs and commands run as they stand."""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import yaml

from gpucnn.cli import main
from gpucnn.config.schema import Config

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("sklearn.md", "logging.md", "exchange.md")
TAKES = {"sklearn.md": {"sh", "python"}, "logging.md": {"sh", "yaml", "python"}, "exchange.md": {"python"}}


def blocks(page, kind):
    """The code blocks of a page marked as `kind`."""
    return re.findall(rf"```{kind}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def ran(page, folder, monkeypatch):
    """What the programs of a page, run one after the other in `folder`, left behind."""
    monkeypatch.chdir(folder)
    names = {"__name__": page}
    for program in blocks(page, "python"):
        exec(compile(program, page, "exec"), names)
    return names


def test_the_page_on_scikit_learn(tmp_path, monkeypatch):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert blocks("sklearn.md", "sh") == ["pip install 'gpucnn[sklearn]'\n"]
    names = ran("sklearn.md", tmp_path, monkeypatch)
    assert names["accuracy"] > 0.96 and names["probabilities"].shape == (5, 10)
    assert names["scores"].min() > 0.85 and names["search"].best_params_["lr"] == 0.01
    assert 3 < len(names["history"]) < 100
    assert names["stream"].score(names["X_test"], names["y_test"]) > 0.5


def test_the_page_on_the_exchange_of_arrays(torch, tmp_path, monkeypatch):
    names = ran("exchange.md", tmp_path, monkeypatch)
    assert (names["x"].numpy()[0] == 7).all() and np.shares_memory(names["array"], names["x"].memory)
    assert names["copied"].shape == (4, 3)
    weight = names["theirs"][0].weight.detach().float().numpy()
    np.testing.assert_array_equal(names["ours"][0].weight.numpy(), weight)


def test_the_page_on_loggers(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    ran("logging.md", tmp_path, monkeypatch)
    [block] = blocks("logging.md", "yaml")
    assert Config.model_fields["logging"].annotation == list[Literal[tuple(yaml.safe_load(block)["logging"])]]
    install, train, show = blocks("logging.md", "sh")[0].splitlines()
    assert install == "pip install 'gpucnn[tensorboard]'"
    assert main([*shlex.split(train)[1:], "report=false", "--quiet"]) == 0
    assert (tmp_path / "runs/by_hand/epochs.csv").read_text().count("\n") == 3
    assert "model.0" in (tmp_path / "runs/logged/summary.csv").read_text()
    command = [sys.executable, "-m", "tensorboard.main", *shlex.split(show)[1:], "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        told, began = "", time.monotonic()
        while "http://" not in told and server.poll() is None and time.monotonic() - began < 60:
            told += server.stderr.readline()
        server.terminate()
    assert "http://" in told


@pytest.mark.parametrize("page", PAGES)
def test_pictures_and_links_of_a_page_are_there(page):
    named = re.findall(r"\]\(([^)#]+)", (DOCS / page).read_text())
    assert named and all((DOCS / name).exists() for name in named)
    readme = (DOCS.parent / "README.md").read_text()
    assert f"(docs/{page})" in readme
