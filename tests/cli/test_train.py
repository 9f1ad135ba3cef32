import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from gpucnn import nn
from gpucnn.cli import main
from gpucnn.training.records import EpochRecord


def test_a_run_folder_holds_what_it_promises(config, tmp_path, capsys) -> None:
    assert main(["train", config, "--run-dir", "here", "train.epochs=1"]) == 0
    printed = capsys.readouterr().out
    here = tmp_path / "here"
    assert {path.name for path in here.iterdir()} >= {
        "config.yaml", "metrics.jsonl", "batches.csv", "result.json", "environment.json", "model.safetensors",
        "checkpoints",
    }  # fmt: skip
    assert (
        "0 conv2d" in printed and "epoch 1: loss" in printed and "test accuracy" in printed and "run: here" in printed
    )
    (epoch,) = [json.loads(line) for line in (here / "metrics.jsonl").read_text().splitlines()]
    assert list(epoch) == [
        "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "lr", "seconds",
        "images_per_second",
    ]  # fmt: skip
    with (here / "batches.csv").open() as file:
        batches = list(csv.DictReader(file))
    assert list(batches[0]) == ["split", "epoch", "step", "images", "loss", "accuracy"]
    assert sum(int(row["images"]) for row in batches if row["split"] == "train") == 240
    assert sum(int(row["images"]) for row in batches if row["split"] == "validation") == 60
    result = json.loads((here / "result.json").read_text())
    assert result.keys() >= {
        "test_loss", "test_accuracy", "classes", "macro", "weighted", "confusion_matrix", "parameters",
        "train_seconds", "dataset", "dataset_requested", "device", "kernels", "steps",
    }  # fmt: skip
    assert (result["dataset"], result["device"], result["parameters"]) == ("digits", "cpu", 4 * 26 + 10 * 577)
    assert yaml.safe_load((here / "config.yaml").read_text())["train"]["epochs"] == 1


def test_the_network_is_built_once(config, monkeypatch) -> None:
    drawn = []
    weights = nn.init.weights
    monkeypatch.setattr(nn.init, "weights", lambda *given: drawn.append(given) or weights(*given))
    assert main(["train", config, "--quiet"]) == 0
    layers = [
        entry for entry in yaml.safe_load(Path(config).read_text())["model"] if "linear" in entry or "conv2d" in entry
    ]
    assert len(drawn) == len(layers) > 0


def test_quiet_prints_the_result_alone(config, capsys) -> None:
    assert main(["train", config, "--run-dir", "here", "--quiet", "train.epochs=1"]) == 0
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["test", "run:"] and printed.err == ""


def test_a_network_that_does_not_learn_is_told_so_in_the_log_and_the_report(config, tmp_path, capsys) -> None:
    still = ["optimizer.lr=1e-12", "data.limit=null", "train.epochs=5", "report=true"]
    assert main(["train", config, *still, "--run-dir", "here", "--quiet"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("epoch 4: the network answers as by guessing") and "optimizer.lr" in line
    assert json.loads((tmp_path / "here/result.json").read_text())["signs"] == [line]
    assert "the network answers as by guessing" in (tmp_path / "here/report.html").read_text(encoding="utf-8")
    assert main(["train", config, *still, "--resume", "here", "train.epochs=7", "--quiet"]) == 0
    assert capsys.readouterr().err == ""  # told already
    assert json.loads((tmp_path / "here/result.json").read_text())["signs"] == [line]


def test_a_split_by_label_is_told_before_training(config, capsys) -> None:
    split = "data.split={source: all, train: 0.8, order: label}"
    assert main(["train", config, split, "data.validation=0", "train.epochs=1", "--run-dir", "here", "--quiet"]) == 0
    assert "no training image is of class 8, 9, and" in capsys.readouterr().err


def test_of_a_network_that_learns_nothing_is_told(config, tmp_path, capsys) -> None:
    learning = ["data.limit=null", "train.epochs=6"]
    assert main(["train", config, *learning, "--run-dir", "here", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert json.loads((tmp_path / "here/result.json").read_text())["signs"] == []


def test_without_a_run_dir_the_run_is_below_runs(config, tmp_path) -> None:
    assert main(["train", config, "--quiet", "train.epochs=1"]) == 0
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    assert (folder / "result.json").is_file()
    assert main(["summary", "latest"]) == 0


def test_the_resolved_configuration_trains_to_the_same_bytes(trained, tmp_path) -> None:
    assert main(["train", str(trained / "config.yaml"), "--run-dir", "again", "--quiet"]) == 0
    assert (tmp_path / "again/model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    assert (tmp_path / "again/config.yaml").read_text() == (trained / "config.yaml").read_text()


def test_overrides_may_stand_on_both_sides_of_options(config, tmp_path) -> None:
    assert main(["train", config, "train.epochs=1", "--run-dir", "here", "--quiet", "optimizer.lr=0.5"]) == 0
    written = yaml.safe_load((tmp_path / "here/config.yaml").read_text())
    assert written["train"]["epochs"] == 1 and written["optimizer"]["lr"] == 0.5


def test_a_folder_that_holds_a_run_is_refused(config, run, fails) -> None:
    before = (run / "model.safetensors").read_bytes()
    assert "already holds a run" in fails(2, "train", config, "--run-dir", str(run))
    assert (run / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.yaml"], "CONFIG 'nothing.yaml' is neither a file nor a shipped configuration"),
        (["CONFIG", "train.epochs=0"], "override 'train.epochs=0': train.epochs: given 0, expected a whole number"),
        (["CONFIG", "--device", "tpu"], "device 'tpu' is not known; expected auto, cpu, cuda or cuda:N"),
        (["CONFIG", "data.validation=0.9999"], "validation is 0.9999"),
        (["CONFIG", "train.init_from=nowhere"], "train.init_from: no run at nowhere"),
        (["CONFIG", "--resume", "nowhere"], "no run at nowhere"),
        (["CONFIG", "--resume", "latest"], "RUN 'latest': there is no run below"),
    ],
)
def test_wrong_input_is_one_message_and_leaves_no_folder(arguments, words, config, fails, tmp_path) -> None:
    arguments = [config if argument == "CONFIG" else argument for argument in arguments]
    folder = [] if "--resume" in arguments else ["--run-dir", "here"]
    assert words in fails(2, "train", *arguments, *folder)
    assert not (tmp_path / "here").exists() and not (tmp_path / "runs").exists()


def test_an_explicit_gpu_that_cannot_be_had_names_the_cause(config, fails, monkeypatch) -> None:
    monkeypatch.setattr("gpucnn.backend.why_no_gpu", lambda index=0: "there is no driver")
    message = fails(2, "train", config, "--device", "cuda", "--run-dir", "here")
    assert "device 'cuda' cannot be used: there is no driver" in message
    monkeypatch.setenv("GPUCNN_DEVICE", "cuda:0")
    assert "device 'cuda:0' cannot be used" in fails(2, "train", config, "--run-dir", "here")
    assert main(["train", config, "--device", "cpu", "--run-dir", "here", "--quiet", "train.epochs=1"]) == 0


def test_auto_says_in_one_line_why_it_is_the_cpu(config, capsys, monkeypatch) -> None:
    monkeypatch.setattr("gpucnn.backend.why_no_gpu", lambda index=0: "there is no driver")
    assert main(["train", config, "device=auto", "--run-dir", "here", "--quiet", "train.epochs=1"]) == 0
    assert capsys.readouterr().err == "device auto: computing on the CPU, since there is no driver\n"


def test_a_precision_for_gpus_is_recorded_there_and_said_to_be_none_of_the_cpus(config, capsys, tmp_path) -> None:
    assert main(["train", config, "precision=tf32", "--run-dir", "here", "--quiet", "train.epochs=1"]) == 0
    assert capsys.readouterr().err == "precision tf32: a CPU multiplies float32 as it is\n"
    assert json.loads((tmp_path / "here" / "environment.json").read_text())["precision"] == "float32"


def test_unknown_kernels_are_refused(config, fails, monkeypatch) -> None:
    monkeypatch.setenv("GPUCNN_KERNELS", "fortran")
    assert "GPUCNN_KERNELS is 'fortran'; expected auto or numpy" in fails(2, "train", config, "--run-dir", "here")


def test_a_fallback_is_announced_once_and_recorded(config, tmp_path, capsys, monkeypatch) -> None:
    from gpucnn.data import DownloadError

    def unreachable(*_: object) -> None:
        raise DownloadError("no mirror gave it")

    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("gpucnn.data.mnist.fetch", unreachable)
    overrides = ["data.name=mnist", "data.fallback=digits", "train.epochs=1"]
    assert main(["train", config, "--run-dir", "here", "--quiet", *overrides]) == 0
    assert capsys.readouterr().err == (
        "WARNING: mnist is unavailable; training on digits instead (data.fallback):\n    no mirror gave it\n"
    )
    result = json.loads((tmp_path / "here/result.json").read_text())
    assert (result["dataset"], result["dataset_requested"]) == ("digits", "mnist")


def test_a_broken_file_is_no_reason_to_fall_back(config, tmp_path, fails, monkeypatch) -> None:
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data/mnist").mkdir(parents=True)
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        (tmp_path / "data/mnist" / name).write_bytes(b"broken")
    message = fails(2, "train", config, "--run-dir", "here", "data.name=mnist", "data.fallback=digits")
    assert "is not an IDX file" in message and not (tmp_path / "here").exists()


def test_a_loss_that_is_not_finite_stops_training(config, fails) -> None:
    assert "training stopped: the training loss of epoch 1" in fails(
        1, "train", config, "--run-dir", "here", "optimizer={name: sgd, lr: 1e30}"
    )


def test_a_full_disk_is_one_message(config, fails, monkeypatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("gpucnn.training.checkpoint.atomic_write", full)
    message = fails(1, "train", config, "--run-dir", "here")
    assert "the disk is full while writing" in message and len(message.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_wrong_input(config, fails, monkeypatch) -> None:
    def forbidden(path: Path, data: bytes) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("gpucnn.runs.folder.atomic_write", forbidden)
    assert "Permission denied; give another path, or change its permissions" in fails(
        2, "train", config, "--run-dir", "here"
    )
    assert not Path("here").exists()


def test_out_of_memory_is_one_message(config, fails, monkeypatch) -> None:
    def too_large(*_: object) -> None:
        raise MemoryError("Unable to allocate 36 GiB")

    monkeypatch.setattr("gpucnn.cli.train.load_data", too_large)
    assert "out of memory: Unable to allocate 36 GiB; take a smaller" in fails(1, "train", config, "--run-dir", "here")


# --- going on ---------------------------------------------------------------------------------------------------------


def test_a_finished_run_says_so(run, capsys) -> None:
    assert main(["train", str(run / "config.yaml"), "--resume", str(run)]) == 0
    assert "is finished after 2 epochs; raise train.epochs to continue it" in capsys.readouterr().out


def test_a_run_that_was_stopped_early_says_so(config, capsys) -> None:
    overrides = ["train.epochs=5", "train.early_stop={patience: 1, min_delta: 100.0}"]
    assert main(["train", config, *overrides, "--run-dir", "here", "--quiet"]) == 0
    assert main(["train", config, *overrides, "--resume", "here", "--quiet"]) == 0
    assert "here is finished after 2 epochs; early stopping ended it (train.early_stop)" in capsys.readouterr().out


def test_more_epochs_go_on_with_a_finished_run(run, tmp_path) -> None:
    config = str(run / "config.yaml")
    assert main(["train", config, "--resume", str(run), "train.epochs=3", "--quiet"]) == 0
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 3
    assert main(["train", config, "--run-dir", "straight", "train.epochs=3", "--quiet"]) == 0
    assert (tmp_path / "straight/model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


@pytest.mark.parametrize("optimizer", ["{name: adam, lr: 0.01}", "{name: sgd, lr: 0.1, momentum: 0.9}"])
def test_layers_with_learning_rates_of_their_own_resume_to_the_same_bytes(optimizer, config, tmp_path) -> None:
    scales = [f"optimizer={optimizer}", "model.0.conv2d.lr_scale=0", "model.3.linear.lr_scale=0.5", "report=false"]
    assert main(["train", config, *scales, "train.epochs=1", "--run-dir", "resumed", "--quiet"]) == 0
    first = (tmp_path / "resumed/model.safetensors").read_bytes()
    assert main(["train", config, *scales, "train.epochs=3", "--resume", "resumed", "--quiet"]) == 0
    assert main(["train", config, *scales, "train.epochs=3", "--run-dir", "straight", "--quiet"]) == 0
    resumed, straight = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("resumed", "straight"))
    assert resumed == straight != first


def test_another_configuration_is_refused_with_the_differences(run, fails) -> None:
    message = fails(2, "train", str(run / "config.yaml"), "--resume", str(run), "optimizer.lr=0.5", "train.epochs=9")
    assert "optimizer.lr: 0.01 -> 0.5" in message and "epochs" not in message


def test_of_very_many_differences_the_first_are_told(run, fails) -> None:
    message = fails(2, "train", "lenet", "--resume", str(run))
    assert len(message.splitlines()) == 23 and "more options" in message


def test_a_run_on_other_data_is_refused(run, fails) -> None:
    pipeline = (run / "pipeline.json").read_text()
    (run / "pipeline.json").write_text(pipeline.replace('"dataset": "digits"', '"dataset": "mnist"'))
    assert "the data set was mnist and is digits. Put them back (GPUCNN_DATA_DIR" in fails(
        2, "train", str(run / "config.yaml"), "--resume", str(run), "train.epochs=3"
    )


def test_a_run_dir_and_a_resume_exclude_each_other(config, run) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", config, "--run-dir", "here", "--resume", str(run)])
    assert stopped.value.code == 2


def test_init_from_begins_with_the_weights_of_a_run(config, run, capsys) -> None:
    assert main(["train", config, f"train.init_from={run}", "--run-dir", "here", "train.epochs=1"]) == 0
    first = json.loads(Path("here/metrics.jsonl").read_text().splitlines()[0])
    cold = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert first["train_loss"] < cold["train_loss"] / 2


def test_init_from_another_network_is_refused(config, run, fails) -> None:
    message = fails(2, "train", config, f"train.init_from={run}", "model.0.conv2d.out_channels=5", "--run-dir", "here")
    assert "train.init_from:" in message and "0.weight has shape (4, 1, 5, 5), expected (5, 1, 5, 5)" in message


def test_ctrl_c_in_this_process_tells_how_to_go_on(config, capsys, monkeypatch) -> None:
    def interrupted(record: object) -> None:
        if isinstance(record, EpochRecord):
            raise KeyboardInterrupt

    monkeypatch.setattr("gpucnn.cli.train._print_epoch", interrupted)
    assert main(["train", config, "--run-dir", "here"]) == 130
    assert f"gpucnn train {config} --resume here" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_to_the_same_bytes(how, config, tmp_path) -> None:
    overrides = ["train.epochs=200", "data.limit=null"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "gpucnn.cli", "train", config, *overrides, "--run-dir", "stopped"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "stopped/metrics.jsonl"
    until = time.monotonic() + 60
    while not (metrics.is_file() and metrics.read_text().count("\n") >= 3) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    if how == signal.SIGINT:
        assert "a checkpoint is written" in said and "--resume stopped" in said
    done = metrics.read_text().count("\n")
    assert 3 <= done < 200
    epochs = [f"train.epochs={done + 2}", "data.limit=null"]
    assert main(["train", config, *epochs, "--resume", "stopped", "--quiet"]) == 0
    assert main(["train", config, *epochs, "--run-dir", "straight", "--quiet"]) == 0
    for name in ("model.safetensors", "config.yaml"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


def test_what_was_decided_about_the_data_is_said_once(config, tmp_path, capsys) -> None:
    lines = (f"{k % 2};{k};{2 * k};0;9" for k in range(20))
    (tmp_path / "data.csv").write_text("\n".join(lines))
    network = "model=[flatten, {linear: {out_features: 2}}]"
    data = "data={name: csv, train: data.csv, validation: 0}"
    assert main(["train", config, data, network, "report=false", "train.epochs=1", "--run-dir", "run", "--quiet"]) == 0
    assert capsys.readouterr().err == "data.csv: fields are separated by semicolons\n"


def test_a_path_on_the_command_line_is_taken_as_it_is_typed(config, tmp_path, fails) -> None:
    for path in ("pics #2", "@x", "a: b", "*x"):
        said = fails(2, "train", config, "data={name: folder, path: x}", f"data.path={path}")
        assert f"data: {path} is not a folder" in said


@pytest.mark.parametrize("own", [True, False])
def test_early_stopping_may_look_at_validation_images_that_the_data_bring(own, config, tmp_path, fails) -> None:
    arrays = {"x_train": np.zeros((20, 28, 28), np.uint8), "y_train": np.arange(20) % 10}
    np.savez(tmp_path / "x.npz", **arrays, **({"x_val": arrays["x_train"], "y_val": arrays["y_train"]} if own else {}))
    data = "data={name: npz, path: x.npz, test: 0.5, validation: 0}"
    words = [
        "train",
        config,
        data,
        "train.early_stop={monitor: validation_loss, patience: 2}",
        "report=false",
        "--run-dir",
        "run",
    ]
    if own:
        assert main([*words, "--quiet"]) == 0
    else:
        assert "validation" in fails(2, *words, "--quiet") and not Path("run").exists()


def test_until_stops_after_an_epoch_and_the_rest_is_as_if_it_had_not(config, capsys) -> None:
    assert main(["train", config, "train.epochs=3", "--until", "1", "--run-dir", "cut", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("stopped after epoch 1 (--until). Go on with:") and "--resume cut" in printed
    assert len(Path("cut/metrics.jsonl").read_text().splitlines()) == 1 and not Path("cut/result.json").exists()
    assert main(["train", config, "train.epochs=3", "--resume", "cut", "--until", "3", "--quiet"]) == 0
    assert main(["train", config, "train.epochs=3", "--run-dir", "whole", "--quiet"]) == 0
    assert Path("cut/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
