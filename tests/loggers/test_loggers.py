"""What is logged is read back by TensorBoard's own reader, from CSV files and MLflow's store; a resume goes on."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpucnn import Trainer, nn, optim
from gpucnn.cli import main
from gpucnn.errors import InputError
from gpucnn.loggers import CSV, MLflow, TensorBoard, pictures
from gpucnn.training import BatchRecord, EpochRecord

WRITER = "tensorboard.summary.writer.event_file_writer"
SMOKE = ["train", "smoke", "report=false", "device=cpu", "--quiet"]
STEPS = 4  # of an epoch of `records`


def records(first=(1, 1), last=(3, STEPS), offset=0.0):
    """Records of epochs of 4 minibatches, from (epoch, step) to (epoch, step); losses tell where they are from."""
    for epoch in range(first[0], last[0] + 1):
        for step in range(1, STEPS + 1):
            if first <= (epoch, step) <= last:
                yield BatchRecord("train", epoch, step, 8, 100 * epoch + step + offset, 0.5)
        if (epoch, STEPS) <= last:
            yield BatchRecord("validation", epoch, 1, 8, 1.0, 1.0)
            yield EpochRecord(epoch, epoch + offset, 0.5, 2.0, None, 0.1 / epoch, 1.0, 32.0, {"f1": 0.25})


def events(folder):
    """TensorBoard's reader of a folder."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    return accumulator.EventAccumulator(str(folder), everything).Reload()


def curve(reader, tag):
    return [(event.step, event.value) for event in reader.Scalars(tag)]


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(), newline="")))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run that is resumed for a third epoch."""
    pytest.importorskip(WRITER, reason="tensorboard is not installed")
    folder = tmp_path_factory.mktemp("logged") / "run"
    logged = ["logging=[tensorboard, csv]", *SMOKE[2:]]
    assert main([*SMOKE[:2], "train.epochs=2", *logged, "--run-dir", str(folder)]) == 0
    assert main([*SMOKE[:2], "train.epochs=3", *logged, "--resume", str(folder)]) == 0
    return folder


def test_a_run_is_read_back_by_tensorboards_reader(run):
    reader = events(run / "tensorboard")
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    batches = [row for row in rows(run / "batches.csv") if row["split"] == "train"]
    steps = len(batches) // 3
    for tag, name in (
        ("loss/train", "train_loss"), ("loss/validation", "validation_loss"), ("accuracy/train", "train_accuracy"),
        ("accuracy/validation", "validation_accuracy"), ("epoch/lr", "lr"),
    ):  # fmt: skip
        expected = [(row["epoch"] * steps, pytest.approx(row[name], rel=1e-6)) for row in epochs]
        assert curve(reader, tag) == expected, tag
    expected = [(number, pytest.approx(float(row["loss"]), rel=1e-6)) for number, row in enumerate(batches, 1)]
    assert curve(reader, "batch/loss") == expected
    result = json.loads((run / "result.json").read_text())
    assert curve(reader, "result/test_accuracy")[-1] == (3 * steps, pytest.approx(result["test_accuracy"], rel=1e-6))


def test_the_layers_and_hyperparameters_are_there(run):
    from tensorboard.plugins.hparams import metadata

    reader = events(run / "tensorboard")
    (table, *_) = (event.tensor_proto.string_val[0].decode() for event in reader.Tensors("network"))
    assert "conv2d      8 x 13 x 13" in table and "2,970 parameters" in table
    content = reader.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content).hparams
    assert start["optimizer.lr"].number_value == 0.01 and start["optimizer.name"].string_value == "adam"
    assert start["model.0"].string_value == "conv2d: {out_channels: 8, kernel_size: 3, stride: 2}"


def test_pictures_of_the_trained_network_are_there(run):
    reader = events(run / "tensorboard")
    for tag in ("confusion_matrix", "kernels", "feature_maps"):
        image = reader.Images(tag)[-1]
        shown = Image.open(io.BytesIO(image.encoded_image_string))
        assert shown.size == (image.width, image.height) and len(np.unique(np.asarray(shown))) > 10


def test_csv_files_say_the_same_as_the_runs_own(run):
    logged = rows(run / "epochs.csv")
    own = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [{name: float(row[name]) for name in own[0]} for row in logged] == own
    summary = {row["name"]: row["value"] for row in rows(run / "summary.csv")}
    result = json.loads((run / "result.json").read_text())
    assert float(summary["test_loss"]) == result["test_loss"] and summary["optimizer.lr"] == "0.01"


@pytest.mark.parametrize("kind", [TensorBoard, CSV])
def test_a_resume_goes_on_in_the_same_curves(tmp_path, kind):
    """The first process went on to the third epoch after its last checkpoint, of the second epoch's second step."""
    pytest.importorskip(WRITER, reason="tensorboard is not installed")
    for part in (records(last=(3, 2)), records(first=(2, 3), offset=0.5)):
        with kind(tmp_path, steps_per_epoch=STEPS) as log:
            for record in part:
                log(record)
    if kind is CSV:
        assert [(row["epoch"], row["step"], row["train_loss"], row["f1"]) for row in rows(tmp_path / "epochs.csv")] == [
            ("1", "4", "1.0", "0.25"), ("2", "8", "2.5", "0.25"), ("3", "12", "3.5", "0.25"),
        ]  # fmt: skip
        return
    reader = events(tmp_path)
    assert curve(reader, "loss/train") == [(4, 1.0), (8, 2.5), (12, 3.5)]
    losses = [101, 102, 103, 104, 201, 202, 203.5, 204.5, 301.5, 302.5, 303.5, 304.5]
    assert curve(reader, "batch/loss") == list(enumerate(losses, 1))


def test_a_trainer_calls_it_with_its_records(tmp_path, rng):
    pytest.importorskip(WRITER, reason="tensorboard is not installed")
    images, labels = rng.standard_normal((20, 1, 4, 4)).astype(np.float32), rng.integers(0, 2, 20)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.01))
    with TensorBoard(tmp_path) as log:
        log.describe({"lr": 0.01, "augment": True})
        trainer.fit((images, labels), epochs=2, batch_size=5, on_record=log)
        trainer.fit((images, labels), more_epochs=1, batch_size=5, on_record=log)
        log.finish({"accuracy": 0.75}, pictures(net, images[0]))
    reader = events(tmp_path)
    assert [step for step, _ in curve(reader, "batch/loss")] == list(range(1, 13))
    expected = [(4 * record.epoch, pytest.approx(record.train_loss, rel=1e-6)) for record in trainer.history]
    assert curve(reader, "loss/train") == expected and curve(reader, "result/accuracy") == [(12, 0.75)]
    assert sorted(reader.Tags()["images"]) == ["feature_maps", "kernels"]


@pytest.mark.filterwarnings("default")  # those of MLflow's own libraries are not ours
def test_mlflows_store_holds_the_run(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="sqlalchemy, which MLflow's store in SQLite needs, is not installed")
    store = f"sqlite:///{tmp_path}/store.db"
    for name, value in (("TRACKING_URI", store), ("DISABLE_TELEMETRY", "true")):
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    monkeypatch.chdir(tmp_path)
    from mlflow import MlflowClient

    client, net = MlflowClient(store), nn.Sequential(nn.Conv2d(1, 2, 3))
    for part, status in ((records(last=(2, STEPS)), "KILLED"), (records(first=(2, 3)), "FINISHED")):
        with MLflow(tmp_path / "run", "digits", "first", steps_per_epoch=STEPS) as log:
            log.describe({"optimizer.lr": 0.1, "name": "digits"}, "layer  output")
            for record in part:
                log(record)
            if status == "FINISHED":
                log.finish({"test_accuracy": 0.5}, pictures(net, confusion=[[3, 1], [0, 4]]))
        (kept,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
        assert kept.info.run_id == log.run_id and kept.info.status == status
    assert kept.info.run_name == "first"
    assert kept.data.params == {"optimizer.lr": "0.1", "name": "digits"}
    history = [(metric.step, metric.value) for metric in client.get_metric_history(log.run_id, "train_loss")]
    assert history == [(4, 1.0), (8, 2.0), (12, 3.0)]
    assert kept.data.metrics["test_accuracy"] == 0.5 and kept.data.metrics["lr"] == pytest.approx(0.1 / 3)
    assert kept.data.metrics["f1"] == 0.25 and "validation_accuracy" not in kept.data.metrics
    files = {file.path: client.download_artifacts(log.run_id, file.path) for file in client.list_artifacts(log.run_id)}
    assert sorted(files) == ["confusion_matrix.png", "kernels.png", "network.txt"]
    assert Path(files["network.txt"]).read_text() == "layer  output"
    assert Path(files["kernels.png"]).read_bytes().startswith(b"\x89PNG")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nothing://at/all")
    with pytest.raises(InputError, match="logging: mlflow: .*refuses the run.*MLFLOW_TRACKING_URI"):
        MLflow(tmp_path / "other")


@pytest.mark.parametrize(("name", "module"), [("tensorboard", WRITER), ("mlflow", "mlflow")])
def test_without_the_library_the_command_that_installs_it_is_told(tmp_path, monkeypatch, capsys, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    assert main([*SMOKE, f"logging=[csv, {name}]", "--run-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert f"logging: {name} needs a library that cannot be imported" in error
    assert f"pip install 'gpucnn[{name}]'" in error and not (tmp_path / "run").exists()


def test_an_unknown_logger_is_told_with_those_there_are(tmp_path, capsys):
    assert main([*SMOKE, "logging=[tensorbord]", "--run-dir", str(tmp_path / "run")]) == 2
    assert "logging" in (error := capsys.readouterr().err) and "csv, tensorboard, mlflow" in error


def test_the_libraries_are_imported_when_asked_for():
    program = "import sys, gpucnn.loggers, gpucnn.cli.train; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"tensorboard", "mlflow", "matplotlib"}.isdisjoint(done.stdout.split())
