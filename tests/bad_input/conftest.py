"""Where bad input is given, who judges what comes of it, and the runs that are spoilt."""

import shlex
import shutil
from pathlib import Path

import pytest

import gpucnn
from gpucnn.cli import main
from tests.bad_input.commands import CONFIG, Judge
from tests.small import trained


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Every command runs where nothing is but x.yaml, out of reach of the network and of the environment's wishes."""
    monkeypatch.chdir(tmp_path)
    for name in ("GPUCNN_DEVICE", "GPUCNN_KERNELS", "GPUCNN_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GPUCNN_DATA_DIR", "sets")
    monkeypatch.setattr("gpucnn.data.mnist.MIRRORS", {"mnist": ("http://127.0.0.1:9/",)})
    (tmp_path / "x.yaml").write_text(CONFIG)
    gpucnn.set_device("cpu")
    return tmp_path


@pytest.fixture
def refused(folder, capsys) -> Judge:
    """Runs a command that must end in `code` with one message, holding all of `words`, and leave nothing behind."""

    def run(command: str, *words: str, code: int = 2, lines: int = 1) -> None:
        before = contents(folder)
        capsys.readouterr()
        assert main(shlex.split(command)) == code
        printed = capsys.readouterr()
        for word in words:
            assert word in printed.err
        assert printed.out == "" and len(printed.err.splitlines()) == lines and "Traceback" not in printed.err
        assert contents(folder) == before

    return run


@pytest.fixture(scope="session")
def a_run(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("a_run"), CONFIG)


@pytest.fixture(scope="session")
def a_wider_run(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("a_wider_run"), CONFIG, "model.0.conv2d.out_channels=5")


@pytest.fixture(scope="session")
def a_run_of_colours(tmp_path_factory) -> Path:
    colours = "data={name: synthetic, train: 64, test: 32, shape: [3, 16, 16]}"
    return trained(tmp_path_factory.mktemp("a_run_of_colours"), CONFIG, colours, "train.epochs=1")


@pytest.fixture
def run(a_run, folder) -> Path:
    """A copy of that run, for a test to spoil."""
    return Path(shutil.copytree(a_run, folder / "run"))


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file below `folder` with its bytes, and every folder."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
