"""`gpucnn report`: what it writes, says and refuses."""

import re
from pathlib import Path

from gpucnn.cli import main
from gpucnn.data import SOURCES, DownloadError
from tests.report.runs import write_lines

PICTURES = ("curves.png", "confusion.png", "kernels.png", "feature_maps.png")


def test_a_report_is_written_into_the_run_and_told(run, capsys) -> None:
    capsys.readouterr()
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out == f"report: {run}/report.html\n"
    assert all((run / name).is_file() for name in (*PICTURES, "report.html"))


def test_out_says_where_the_page_goes(run, tmp_path, capsys, fails) -> None:
    assert main(["report", str(run), "--out", "page.html"]) == 0
    assert (tmp_path / "page.html").is_file() and not (run / "report.html").exists()
    assert "give a name that ends in .html" in fails(2, "report", str(run), "--out", "page.png")
    assert "there is no folder nowhere" in fails(2, "report", str(run), "--out", "nowhere/page.html")


def test_several_runs_are_compared_in_the_current_folder(run, config, tmp_path, capsys) -> None:
    assert main(["train", config, "--quiet", "--run-dir", "other", "train.epochs=1", "optimizer.lr=0.02"]) == 0
    capsys.readouterr()
    assert main(["report", str(run), "other"]) == 0
    assert capsys.readouterr().out == "comparison: comparison.html\n"
    text = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert '["optimizer.lr","0.01","0.02"],["train.epochs","2","1"]' in text
    assert not (run / "report.html").exists()


def test_what_is_no_run_or_has_no_epoch_is_told(run, fails) -> None:
    assert "no run at nothing: it does not exist" in fails(2, "report", "nothing")
    assert "no run at nothing: it does not exist" in fails(2, "report", str(run), "nothing")
    (run / "result.json").unlink()
    write_lines(run / "metrics.jsonl", [])
    assert "has no whole epoch yet; train it further" in fails(2, "report", str(run))
    assert not list(run.glob("*.png")) and not (run / "report.html").exists()


def test_damaged_files_are_told(run, fails) -> None:
    for name in ("metrics.jsonl", "batches.csv", "result.json", "model.safetensors", "normalization.safetensors"):
        content = (run / name).read_bytes()
        (run / name).write_bytes(b"\x00damaged\n" + content[9:])
        message = fails(2, "report", str(run))
        assert name in message and "damaged" in message, message
        (run / name).write_bytes(content)


def test_an_unfinished_run_has_a_report_without_a_result(run, capsys) -> None:
    (run / "result.json").unlink()
    assert main(["report", str(run)]) == 0
    assert "Not finished: 2 of 2 epochs are done" in (run / "report.html").read_text(encoding="utf-8")
    assert not (run / "confusion.png").exists()


def test_a_run_that_was_stopped_early_says_so(config, tmp_path) -> None:
    stop = "train.early_stop={patience: 1, monitor: validation_accuracy, min_delta: 1}"
    assert main(["train", config, "--run-dir", "run", "train.epochs=9", "report=true", stop]) == 0
    text = Path("run/report.html").read_text(encoding="utf-8")
    assert "Early stopping ended the training after 2 of 9 epochs" in text
    assert re.search(r"The weights are those of epoch [12], the best \(train\.early_stop\)", text)


def test_a_run_on_its_fallback_is_told_by_it_and_the_network_is_not_asked(config, monkeypatch, capsys) -> None:
    asked = []

    def gone() -> None:
        asked.append("mnist")
        raise DownloadError("there is no network")

    monkeypatch.setitem(SOURCES, "mnist", gone)
    data = "data={name: mnist, fallback: digits, limit: 10000, validation: 0.2}"
    assert main(["train", config, data, "--run-dir", "run", "train.epochs=1", "report=false"]) == 0
    assert asked == ["mnist"]
    assert main(["report", "run"]) == 0
    assert asked == ["mnist"] and "no test images" not in capsys.readouterr().err
    text = Path("run/report.html").read_text(encoding="utf-8")
    assert "Trained on digits, because mnist was unavailable" in text and '"maps":{"pictures"' in text


def test_without_its_data_a_report_has_the_figures_and_says_why(run, tmp_path, capsys) -> None:
    config = run / "config.yaml"
    text = config.read_text()
    head, _, tail = text.partition("data:")
    rest = tail[tail.index("\nmodel:") :]
    config.write_text(f"{head}data: {{name: npz, path: gone.npz}}{rest}")
    assert main(["report", str(run)]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("the report has no test images: ") and "gone.npz" in printed.err
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "The test images were unavailable" in page and '"maps":{' not in page and '"confusion":{"matrix"' in page


def test_a_finished_run_that_is_resumed_has_its_report_again(config, capsys) -> None:
    assert main(["train", config, "report=true", "--run-dir", "run", "--quiet"]) == 0
    assert main(["train", config, "report=true", "--resume", "run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "report: run/report.html"
