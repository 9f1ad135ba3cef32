"""Small runs that several tests share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gpucnn
from gpucnn.cli import main
from gpucnn.data import load_source
from tests import small

CONFIG = small.small_config(300, 60, name="tiny")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch) -> Path:
    """Every test runs where there are no runs, with the environment's own device."""
    monkeypatch.chdir(tmp_path)
    for name in ("GPUCNN_DEVICE", "GPUCNN_KERNELS", "GPUCNN_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("gpucnn.kernels.cuda.precision._current", "float32")  # a configuration sets it for the process
    gpucnn.set_device("cpu")
    return tmp_path


@pytest.fixture
def config(tmp_path) -> str:
    """A configuration that trains in a moment."""
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A run of `CONFIG`, trained once."""
    return small.trained(tmp_path_factory.mktemp("trained"), CONFIG)


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of that run, which a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def digit(tmp_path) -> str:
    """A test image, which shows a seven."""
    test = load_source("digits").source.test
    Image.fromarray(test.images[np.flatnonzero(test.labels == 7)[0], 0]).save(tmp_path / "seven.png")
    return str(tmp_path / "seven.png")


@pytest.fixture
def fails(capsys) -> Callable[..., str]:
    """Runs a command that must fail with a code and leave one message, which it returns."""

    def run_command(code: int, *arguments: str) -> str:
        capsys.readouterr()
        assert main(list(arguments)) == code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err and printed.err.strip()
        return printed.err

    return run_command
