"""Class weights, the balanced sampler, several labels, numbers, folds: trained from YAML, and used."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import gpucnn
from gpucnn.cli import main
from gpucnn.data import npz
from gpucnn.errors import InputError
from gpucnn.report.facts import report_facts
from tests.cli.conftest import CONFIG

TASK = """\
name: task
device: cpu
data: {{{data}, validation: 0.2}}
model:
  - flatten
  - linear: {{out_features: classes}}
loss: {loss}
optimizer: {{name: adam, lr: 0.03}}
train: {{epochs: 12, batch_size: 32}}
"""
NAMES = ["top", "middle", "bottom"]
SEVERAL = "{name: binary_cross_entropy_with_logits, pos_weight: {top: 2}, threshold: {bottom: 0.4}}"
NPZ = "name: npz, path: several.npz, class_names: [top, middle, bottom]"
CSV = "name: csv, train: several.csv, label: [top, middle, bottom]"
MNIST = "name: npz, path: numbers.npz, class_names: [all, upper]"


def pictures(images, seed):
    """Pictures (N, 9, 9) whose thirds are bright where a label is there; labels (N, 3); two numbers of each, (N, 2)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (images, 3))
    x = rng.integers(0, 60, (images, 9, 9)).astype(np.uint8)
    for third in range(3):
        x[:, 3 * third : 3 * third + 3, 2:7] += (150 * labels[:, third, None, None]).astype(np.uint8)
    numbers = np.stack([x.reshape(images, -1).mean(axis=1) / 10, x[:, :4].reshape(images, -1).mean(axis=1) / 50], 1)
    return x, labels, numbers


@pytest.fixture(autouse=True)
def files(in_an_empty_folder):
    """The same pictures as archives and as tables."""
    (x, labels, numbers), (x_test, labels_test, numbers_test) = pictures(300, 0), pictures(80, 1)
    np.savez("several.npz", x_train=x, y_train=labels, x_test=x_test, y_test=labels_test.astype(bool))
    np.savez("numbers.npz", x_train=x, y_train=numbers, x_test=x_test, y_test=numbers_test)
    pixels = ",".join(f"p{number}" for number in range(81))
    for name, header, values in (("several", ",".join(NAMES), labels), ("numbers", "all,upper", numbers)):
        rows = [",".join(map(str, [*row, *image.ravel()])) for row, image in zip(values, x, strict=True)]
        Path(f"{name}.csv").write_text("\n".join([f"{header},{pixels}", *rows]) + "\n")


def trained(data, loss, *more):
    """The run's folder and its result.json."""
    Path("task.yaml").write_text(TASK.format(data=data, loss=loss))
    assert main(["train", "task.yaml", "--run-dir", "run", "--quiet", *more]) == 0
    return Path("run"), json.loads(Path("run/result.json").read_text())


def elsewhere(*arguments):
    """What a command prints, in a process of its own."""
    command = [sys.executable, "-m", "gpucnn.cli", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(("data", "file"), [(NPZ, "several.npz"), (CSV, "several.csv")])
def test_several_labels_from_training_to_prediction(data, file, capsys):
    run, result = trained(data, SEVERAL, "train.early_stop={patience: 9, monitor: validation_score}")
    assert result["test_accuracy"] is result["classes"] is result["confusion_matrix"] is result["interval"] is None
    assert result["exact_match"] > 0.95 and result["validation_score"] == "exact_match"
    assert [row["name"] for row in result["labels"]] == NAMES
    assert [row["threshold"] for row in result["labels"]] == [0.5, 0.5, 0.4]
    epochs = lines(run / "metrics.jsonl")
    assert all(each["train_accuracy"] is each["validation_accuracy"] is None for each in epochs)
    assert all(each["validation_score"] == each["exact_match"] for each in epochs)
    assert epochs[-1]["validation_score"] > 0.95 and [row["name"] for row in epochs[-1]["labels"]] == NAMES
    assert (run / "report.html").is_file() and (run / "curves.png").is_file()
    capsys.readouterr()
    assert main(["eval", "run"]) == 0
    printed = capsys.readouterr().out
    assert main(["eval", "run", "--calibrate"]) == 2
    refused = capsys.readouterr()
    assert refused.out == "" and "--calibrate: a temperature is that of classes, and the labels of run" in refused.err
    assert f"all labels right {result['exact_match']:.2%}" in printed and f"loss {result['test_loss']:.4f}" in printed
    found = json.loads(elsewhere("predict", "run", file, "--json"))
    x, labels, _ = pictures(80, 1) if file == "several.npz" else pictures(300, 0)
    right = [
        set(each["labels"]) == {NAMES[k] for k in np.flatnonzero(row)} for each, row in zip(found, labels, strict=True)
    ]
    assert np.mean(right) > 0.95 and len(found) == len(x)
    if file == "several.npz":
        assert np.mean(right) == result["exact_match"]
    classifier = gpucnn.load(run)
    shares = classifier.predict_proba(x)
    assert classifier.predict(x) == [each["labels"] for each in map(given_in_order, found)]
    assert shares[0] == pytest.approx([found[0]["probabilities"][name] for name in NAMES], rel=1e-5)
    assert not np.allclose(shares.sum(axis=1), 1)


def given_in_order(prediction):
    return {"labels": [name for name in NAMES if name in prediction["labels"]]}


@pytest.mark.parametrize("loss", ["{name: mse}", "{name: l1}", "{name: smooth_l1, beta: 0.5}"])
@pytest.mark.parametrize(
    ("data", "file"), [(MNIST, "numbers.npz"), ("name: csv, train: numbers.csv, label: [all, upper]", "numbers.csv")]
)
def test_numbers_from_training_to_prediction(data, file, loss, capsys):
    run, result = trained(data, loss, "train.epochs=40")
    assert result["test_accuracy"] is result["classes"] is result["macro"] is None
    assert result["outputs"] == ["all", "upper"] and min(result["r2"]) > 0.8 and result["validation_score"] == "r2"
    last = lines(run / "metrics.jsonl")[-1]
    assert last["validation_score"] == pytest.approx(np.mean(last["r2"])) and len(last["mae"]) == len(last["rmse"]) == 2
    capsys.readouterr()
    assert main(["eval", "run"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{figure:.4f}" in printed for name in ("mae", "rmse", "r2") for figure in result[name])
    assert main(["predict", "run", file, "--csv", "out.csv"]) == 0
    header, first, *rest = Path("out.csv").read_text().splitlines()
    assert header == "id,all,upper" and len(rest) + 1 == len(pictures(80 if file.endswith("npz") else 300, 0)[0])
    x = pictures(80, 1)[0] if file.endswith("npz") else pictures(300, 0)[0]
    numbers = gpucnn.load(run).predict(x)
    assert list(map(float, first.split(",")[1:])) == pytest.approx(numbers[0].tolist(), rel=1e-5)


def test_the_page_of_numbers_shows_predicted_against_true():
    from gpucnn.cli.report import with_test_images
    from gpucnn.runs.saved import open_run

    trained(MNIST, "{name: mse}")
    facts = report_facts(with_test_images(open_run("run")))
    assert "confusion" not in facts and [chart["name"] for chart in facts["scores"]["charts"]] == ["all", "upper"]
    true = np.sort(np.load("numbers.npz")["y_test"][:, 0])
    assert facts["scores"]["charts"][0]["x"] == pytest.approx(true.tolist(), rel=1e-4)
    assert facts["headline"][0][0] == "mean R² on test images" and facts["headline"][1][0] == "validation score"


@pytest.mark.parametrize(("command", "words"), [
    (["export", "run", "--page", "x.html"], "answers with numbers, and expected are classes"),
    (["export", "run", "--c", "x.h"], "answers with numbers"),
    (["draw", "run"], "answers with numbers, and the page shows classes"),
])  # fmt: skip
def test_what_shows_classes_refuses_numbers(command, words, fails):
    trained(MNIST, "{name: mse}", "train.epochs=1")
    assert words in fails(2, *command)


CASES = [
    ("mse", MNIST, {"labels": "classes"}, "labels 'y_train' are rows of 2 numbers, and row 0 is not one-hot"),
    ("cross_entropy", NPZ, {}, "not one-hot"),
    ("binary_cross_entropy_with_logits", MNIST, {}, "labels 'y_train', row 0: a label is"),
    (
        "binary_cross_entropy_with_logits",
        "name: csv, train: numbers.csv, label: [all, upper]",
        {},
        "line 2: a label is",
    ),
    ("cross_entropy", CSV, {}, "label names 3 columns, and an image has one class"),
    ("l1", "name: digits", {}, "takes labels that are numbers or pictures, and digits has classes"),
    ("l1", NPZ, {"labels": "several"}, "labels is several, and loss l1 takes numbers"),
    ("binary_cross_entropy_with_logits", NPZ.replace("top, ", ""), {}, "class_names are 2, and labels have 3 columns"),
]


@pytest.mark.parametrize(("loss", "data", "more", "words"), CASES)
def test_labels_that_do_not_fit_the_loss_are_refused_with_their_place(loss, data, more, words, fails):
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    Path("task.yaml").write_text(TASK.format(data=data + extra, loss=f"{{name: {loss}}}"))
    message = fails(2, "train", "task.yaml", "--run-dir", "run")
    assert words in message and "task.yaml:" in message and not Path("run").exists()


@pytest.mark.parametrize(("override", "words"), [
    ("loss.threshold=2", "threshold is 2.0; expected numbers between 0 and 1"),
    ("loss.weight=[1, 2]", "loss.weight: has 2 numbers, expected 3"),
    ("loss.weight={top: -1}", "expected numbers of at least 0"),
    ("loss.weight={under: 1}", "names 'under', which is none of top, middle, bottom"),
    ("train.early_stop={patience: 1, monitor: validation_accuracy}", "monitor validation_score"),
    ("train.sampler=balanced", "goes by classes, and the labels are several labels an image"),
    ("model=[flatten, {linear: {out_features: 3}}, sigmoid]", "takes logits and applies sigmoid itself"),
    ("data.classes=[top, bottom]", "data.classes goes by classes"),
])  # fmt: skip
def test_options_that_several_labels_do_not_have_are_refused(override, words, fails):
    Path("task.yaml").write_text(TASK.format(data=NPZ, loss="{name: binary_cross_entropy_with_logits}"))
    assert words in fails(2, "train", "task.yaml", override)


def test_whole_floating_labels_are_told_to_be_ambiguous(fails):
    x, labels, _ = pictures(50, 0)
    np.savez("whole.npz", x_train=x, y_train=labels.sum(axis=1).astype(np.float64))
    Path("task.yaml").write_text(TASK.format(data="name: npz, path: whole.npz", loss="{name: mse}"))
    assert "data.labels: classes or data.labels: numbers" in fails(2, "train", "task.yaml")
    assert main(["train", "task.yaml", "data.labels=numbers", "--run-dir", "run", "--quiet"]) == 0
    assert json.loads(Path("run/result.json").read_text())["outputs"] == ["0"]


def thinned(config):
    """A configuration of the digits 0 to 3, of which one class has 8 images in 200, and its archive."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [64, 64, 64, 8])
    x = rng.integers(0, 200, (200, 6, 6)).astype(np.uint8)
    x[np.arange(200), labels] += 50
    np.savez("thin.npz", x_train=x, y_train=labels, x_test=x[::2], y_test=labels[::2])
    Path("thin.yaml").write_text(
        CONFIG.replace("{name: digits, limit: 300, validation: 60}", "{name: npz, path: thin.npz, validation: 0.2}")
        .replace("kernel_size: 5, stride: 2", "kernel_size: 3").replace("10}", "4}")
    )  # fmt: skip
    return "thin.yaml"


@pytest.mark.parametrize("weight", ["balanced", "{'3': 8}", "[1, 1, 1, 8]"])
def test_class_weights_are_kept_and_evaluated(weight, capsys):
    config = thinned("")
    assert (
        main(["train", config, f"loss={{name: cross_entropy, weight: {weight}}}", "--run-dir", "run", "--quiet"]) == 0
    )
    result = json.loads(Path("run/result.json").read_text())
    capsys.readouterr()
    assert main(["eval", "run"]) == 0
    assert f"loss {result['test_loss']:.4f}" in capsys.readouterr().out
    assert main(["train", "run/config.yaml", "--run-dir", "again", "--quiet"]) == 0
    assert Path("again/model.safetensors").read_bytes() == Path("run/model.safetensors").read_bytes()
    assert main(["train", config, "--run-dir", "plain", "--quiet"]) == 0
    assert Path("plain/model.safetensors").read_bytes() != Path("run/model.safetensors").read_bytes()


def test_balanced_weights_are_those_of_the_training_images():
    from gpucnn.runs.saved import open_run

    assert (
        main(["train", thinned(""), "loss={name: cross_entropy, weight: balanced}", "--run-dir", "run", "--quiet"]) == 0
    )
    kept = yaml.safe_load(Path("run/config.yaml").read_text())["loss"]
    assert kept["weight"] == "balanced"
    counts = np.array(json.loads(Path("run/pipeline.json").read_text())["fingerprint"]["parts"]["train"]["counts"])
    assert counts.sum() == 160 and open_run("run").loss().weight == pytest.approx(40 / counts)


def test_an_ignored_class_is_never_learnt():
    config = thinned("")
    options = ["loss={name: cross_entropy, ignore_index: 0}", "train.epochs=6", "--run-dir", "run", "--quiet"]
    assert main(["train", config, *options]) == 0
    rows = json.loads(Path("run/result.json").read_text())["classes"]
    assert rows[0]["support"] == 0 and sum(row["support"] for row in rows) == 68  # the figures are of the others


@pytest.mark.parametrize("option", ["train.sampler=balanced", "loss={name: cross_entropy, weight: balanced}"])
def test_a_run_that_stops_goes_on_to_the_same_bytes(option):
    config = thinned("")
    assert main(["train", config, option, "--run-dir", "whole", "--quiet"]) == 0
    assert main(["train", config, option, "--run-dir", "parts", "--quiet", "--until", "1"]) == 0
    assert main(["train", config, option, "--resume", "parts", "--quiet"]) == 0
    assert Path("whole/model.safetensors").read_bytes() == Path("parts/model.safetensors").read_bytes()
    assert Path("whole/batches.csv").read_bytes() == Path("parts/batches.csv").read_bytes()


def test_folds_are_runs_of_their_own_and_one_page(capsys, monkeypatch):
    from gpucnn.sweep import Local, Sweep

    monkeypatch.setattr(Local, "train", lambda self, given: None if main(["train", *given]) == 0 else "it failed")
    config = thinned("")
    assert main(["train", config, "train.folds=3", "data.validation=0", "--run-dir", "folds"]) == 0
    told = json.loads(Path("folds/folds.json").read_text())
    shares = [row["validation_accuracy"] for row in told["folds"]]
    assert [row["fold"] for row in told["folds"]] == [1, 2, 3]
    assert told["mean"]["validation_accuracy"] == pytest.approx(np.mean(shares))
    assert told["deviation"]["validation_accuracy"] == pytest.approx(np.std(shares, ddof=1))
    assert f"{100 * np.mean(shares):.2f} ± {100 * np.std(shares, ddof=1):.2f} %" in capsys.readouterr().out
    assert b"tiny: 3 folds" in Path("folds/sweep.html").read_bytes()
    one = ["train.folds=3", "train.fold=2", "data.validation=0", "--run-dir", "one", "--quiet"]
    assert main(["train", config, *one]) == 0
    (second,) = Path("folds").glob("002*")
    assert Path("one/model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    page = Path("folds/sweep.html").read_bytes()
    assert main(["train", config, "train.folds=3", "data.validation=0", "--resume", "folds", "--quiet"]) == 0
    assert Path("folds/sweep.html").read_bytes() == page and len(Sweep.open(Path("folds")).members) == 3


@pytest.mark.parametrize(("overrides", "words"), [
    (["train.folds=3"], "leave data.validation out"),
    (["train.folds=3", "train.fold=4", "data.validation=0"], "expected a fold from 1 to folds"),
    (["train.folds=3", "data.validation=0", "--until", "1"], "--until stops one run"),
    (["train.sampler=balanced", "train.shuffle=false"], "leave shuffle at true"),
])  # fmt: skip
def test_options_that_exclude_folds_or_a_sampler_are_refused(overrides, words, fails):
    assert words in fails(2, "train", thinned(""), *overrides)


@pytest.mark.parametrize(("data", "loss", "logged"), [(NPZ, SEVERAL, "exact_match"), (MNIST, "{name: mse}", "r2_1")])
def test_figures_are_logged_and_the_network_is_summarised(data, loss, logged, capsys):
    run, _ = trained(data, loss, "train.epochs=1", "logging=[csv]")
    header, values = (line.split(",") for line in (run / "epochs.csv").read_text().splitlines())
    score = lines(run / "metrics.jsonl")[0][logged.partition("_1")[0]]
    assert float(values[header.index(logged)]) == (score[1] if isinstance(score, list) else score)
    for name in ("run", "task.yaml"):
        assert main(["summary", name]) == 0
        assert f"{82 * (2 if data == MNIST else 3)} parameters" in capsys.readouterr().out


def test_a_reader_without_kind_reads_classes():
    with pytest.raises(InputError, match="not one-hot"):
        npz.load(Path("several.npz"))
