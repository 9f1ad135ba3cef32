"""The report that `gpucnn train` writes at its end."""

import errno
import os
import subprocess
import sys

from gpucnn.cli import main


def test_a_training_ends_with_its_report(config, tmp_path, capsys) -> None:
    assert main(["train", config, "--run-dir", "here", "train.epochs=1", "report=true"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "report: here/report.html"
    pictures = {"curves.png", "confusion.png", "kernels.png", "feature_maps.png"}
    assert {path.name for path in (tmp_path / "here").iterdir()} > pictures | {"report.html"}


def test_report_false_draws_nothing(config, tmp_path, capsys) -> None:
    assert main(["train", config, "--run-dir", "plain", "train.epochs=1", "report=false"]) == 0
    assert "report" not in capsys.readouterr().out
    assert not [*(tmp_path / "plain").glob("*.png"), *(tmp_path / "plain").glob("*.html")]


def test_quiet_writes_the_report_and_says_nothing_of_it(config, tmp_path, capsys) -> None:
    command = ["train", config, "train.epochs=1", "report=true", "--quiet"]
    for folder in (["--run-dir", "quiet"], ["--resume", "quiet"]):
        assert main([*command, *folder]) == 0
        assert "report" not in capsys.readouterr().out
        page = tmp_path / "quiet" / "report.html"
        assert page.is_file()
        page.unlink()


def test_a_run_without_pictures_never_imports_matplotlib(config) -> None:
    program = "import sys; from gpucnn.cli import main; main(); sys.exit('matplotlib' in sys.modules)"
    command = [sys.executable, "-c", program, "train", config, "--run-dir", "here", "train.epochs=1", "report=false"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def test_a_picture_that_cannot_be_written_loses_nothing_and_a_resume_draws_it(
    config, tmp_path, capsys, fails, monkeypatch
) -> None:
    def full(path: object, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("gpucnn.report.page.atomic_write", full)
        message = fails(1, "train", config, "--run-dir", "here", "report=true")
    assert "the disk is full while writing here/curves.png" in message and len(message.splitlines()) == 1
    assert (tmp_path / "here/result.json").is_file() and (tmp_path / "here/model.safetensors").is_file()
    assert main(["train", config, "--resume", "here", "report=true"]) == 0
    printed = capsys.readouterr().out
    assert "is finished after 2 epochs" in printed and "report: here/report.html" in printed
