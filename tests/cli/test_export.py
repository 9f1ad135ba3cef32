"""gpucnn export: what it writes and says, and what it refuses."""

import pytest

from gpucnn.cli import main


def test_what_was_written_is_said(run, tmp_path, capsys) -> None:
    pytest.importorskip("onnx", reason="the library onnx is not installed (pip install 'gpucnn[onnx]')")
    files = ["--onnx", "a.onnx", "--page", "a.html", "--c", "a.h"]
    assert main(["export", str(run), *files]) == 0
    onnx, page, header = capsys.readouterr().out.splitlines()
    assert onnx.startswith("a.onnx: ONNX Runtime's answers differ by ") or "were not compared" in onnx
    assert page == "a.html: open it in a browser" and header == "a.h: weights in float32"
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("a.onnx", "a.html", "a.h"))


def test_without_the_runtime_that_is_said(run, capsys, monkeypatch) -> None:
    pytest.importorskip("onnx", reason="the library onnx is not installed (pip install 'gpucnn[onnx]')")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert main(["export", str(run), "--onnx", "a.onnx"]) == 0
    assert capsys.readouterr().out == "a.onnx: onnxruntime is not installed, so its answers were not compared\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to write; give --onnx FILE, --page FILE.html or --c FILE.h"),
        (["--c", "a.h", "--bare"], "--bare: it is an option of --onnx; give both"),
        (["--page", "a.html", "--int8"], "--int8: it is an option of --c; give both"),
        (["--page", "nowhere/a.html"], "nowhere/a.html: No such file or directory"),
    ],
)
def test_what_is_refused(arguments, words, run, fails) -> None:
    assert words in fails(2, "export", str(run), *arguments)


def test_export_of_no_run(fails) -> None:
    assert "no run at nowhere: it does not exist" in fails(2, "export", "nowhere", "--c", "a.h")
