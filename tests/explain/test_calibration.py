"""Calibration, held to scikit-learn's and SciPy's figures; and the temperature of a run, kept and used."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.cli import main
from gpucnn.config.build import load_data
from gpucnn.data.pipeline import as_probabilities
from gpucnn.errors import InputError
from gpucnn.explain import best_temperature, coverage, reliability
from gpucnn.explain.calibration import COOLEST, HOTTEST
from gpucnn.export import export_onnx, export_page
from gpucnn.export.tempered import tempered
from gpucnn.runs.saved import open_run
from tests.explain.classifiers import classifier_of


def answers(rng, images=3000, classes=7, sureness=3.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits (N, C), labels drawn by the softmax of a third of them, and the softmax."""
    logits = sureness * rng.normal(size=(images, classes))
    fair = as_probabilities(logits / 3, "logits")
    labels = (rng.random((images, 1)) > fair.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return logits, labels, as_probabilities(logits, "logits")


@pytest.mark.parametrize("bins", [5, 15, 40])
def test_reliability_and_its_error_are_scikit_learns(bins, rng) -> None:
    judge = pytest.importorskip("sklearn.calibration", reason="scikit-learn is not installed, and it is the judge")
    _, labels, probabilities = answers(rng)
    measured = reliability(labels, probabilities, bins)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    accuracy, mean = judge.calibration_curve(right, confidence, n_bins=bins)
    filled = measured.images > 0
    np.testing.assert_allclose(measured.accuracy[filled], accuracy, rtol=1e-12)
    np.testing.assert_allclose(measured.confidence[filled], mean, rtol=1e-12)
    counts = np.histogram(confidence, bins=bins, range=(0, 1))[0]
    np.testing.assert_array_equal(measured.images, counts)
    assert measured.error == pytest.approx(
        (counts[counts > 0] * np.abs(accuracy - mean)).sum() / len(labels), rel=1e-12
    )
    assert np.isnan(measured.accuracy[~filled]).all() and (~filled).any()


def test_a_confidence_on_an_edge_is_in_the_bin_below_it() -> None:
    sure = np.array([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0], [0.26, 0.74]])
    assert reliability(np.zeros(4, int), sure, 4).images.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("sureness", [1.0, 3.0, 9.0])
def test_the_temperature_is_scipys(sureness, rng) -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed, and it is the judge")
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed, and it is the judge")
    logits, labels, probabilities = answers(rng, sureness=sureness)

    def loss(temperature: float) -> float:
        return -special.log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()

    expected = optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9})
    found = best_temperature(logits, labels)
    assert found == pytest.approx(expected.x, rel=1e-5) and loss(found) <= expected.fun + 1e-12
    assert best_temperature(np.log(probabilities), labels) == pytest.approx(found, rel=1e-9)
    softened = as_probabilities(logits, "logits", found)
    np.testing.assert_allclose(softened, special.softmax(logits / found, axis=1), rtol=1e-12)
    np.testing.assert_allclose(as_probabilities(probabilities, "probabilities", found), softened, rtol=1e-9)
    assert reliability(labels, softened).error < 0.5 * reliability(labels, probabilities).error or abs(found - 1) < 0.1


def test_the_temperature_ends_where_the_best_has_no_end() -> None:
    logits = np.array([[4.0, 0.0], [0.0, 3.0], [5.0, 1.0]])
    assert best_temperature(logits, np.array([0, 1, 0])) == pytest.approx(COOLEST)
    assert best_temperature(logits, np.array([1, 0, 1])) == pytest.approx(HOTTEST)
    assert best_temperature(np.zeros((4, 2)), np.array([0, 1, 0, 1])) > 0  # every temperature is as good


def test_coverage_answers_the_surest_first() -> None:
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    confidence, accuracy = coverage(np.array([1, 1, 0, 0]), probabilities)
    assert confidence.tolist() == [0.9, 0.8, 0.7, 0.6]
    np.testing.assert_allclose(accuracy, [1, 1, 2 / 3, 1 / 2])


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(InputError, match=r"labels \(N,\) and probabilities \(N, C\); got \(3,\), \(2, 2\)"):
        reliability(np.zeros(3, int), np.zeros((2, 2)))
    with pytest.raises(InputError, match="given none"):
        reliability(np.zeros(0, int), np.zeros((0, 2)))


# --- a run's temperature ----------------------------------------------------------------------------------------------

CONFIG = """\
name: hot
device: cpu
data: {name: digits, limit: 500, validation: 150}
model: [flatten, {linear: {out_features: 10}}]
optimizer: {name: sgd, lr: 0.5}
train: {epochs: 6, batch_size: 32}
report: false
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hot")
    (folder / "hot.yaml").write_text(CONFIG)
    assert main(["train", str(folder / "hot.yaml"), "--run-dir", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_eval_calibrates_and_every_answer_follows(trained, capsys) -> None:
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed, and it is the judge")
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed, and it is the judge")
    saved = open_run(str(trained))
    data, before = load_data(saved.config), gpucnn.load(trained)
    labels, logits = data.validation.labels, before.outputs(data.validation.images).astype(np.float64)

    def loss(temperature: float) -> float:
        return -special.log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()

    expected = optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9}).x
    capsys.readouterr()
    assert main(["eval", str(trained)]) == 0
    plain = reliability(data.test.labels, before.predict_proba(data.test.images)).error
    assert f"expected calibration error {plain:.2%}, temperature 1\n" in capsys.readouterr().out
    assert main(["eval", str(trained), "--calibrate"]) == 0
    printed = capsys.readouterr().out
    kept = json.loads((trained / "pipeline.json").read_text())["temperature"]
    assert kept == pytest.approx(expected, rel=1e-5) and kept > 1.1
    assert f"temperature {kept:.4f}, by the 150 validation images; kept in pipeline.json\n" in printed
    after = gpucnn.load(trained)
    probabilities = after.predict_proba(data.test.images)
    softened = special.softmax(before.outputs(data.test.images) / kept, axis=1)
    np.testing.assert_allclose(probabilities, softened, rtol=1e-5, atol=1e-7)
    error = reliability(data.test.labels, probabilities).error
    assert error < plain
    assert f"expected calibration error {error:.2%}, temperature {kept:.4g} (without it {plain:.2%})\n" in printed
    assert re.search(
        rf"\n100% +{len(data.test)} .* {(probabilities.argmax(axis=1) == data.test.labels).mean():.2%}\n", printed
    )
    assert sum(int(line.split()[3]) for line in printed.splitlines() if " to " in line and line[:1] == "0") == len(
        data.test
    )
    assert main(["eval", str(trained), "--calibrate"]) == 0  # from the outputs again: the same
    assert json.loads((trained / "pipeline.json").read_text())["temperature"] == kept


@pytest.mark.parametrize("last", [[], [nn.Softmax()], [nn.LogSoftmax()]])
def test_exported_networks_are_calibrated_too(last, tmp_path, rng) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime, which judges the export, is not installed")
    gpucnn.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3), *last)
    images = rng.integers(0, 256, (6, 1, 6, 6), dtype=np.uint8)
    plain = classifier_of(net, images, ("a", "b", "c"))
    hot = classifier_of(net, images, ("a", "b", "c"))
    hot.pipeline = hot.pipeline.model_copy(update={"temperature": 2.5})
    assert np.abs(hot.predict_proba(images) - plain.predict_proba(images)).max() > 0.01
    np.testing.assert_allclose(tempered(hot).predict_proba(images), hot.predict_proba(images), rtol=1e-5)
    assert tempered(plain) is plain
    assert export_onnx(hot, tmp_path / "hot.onnx") < 1e-5  # against tempered(hot)
    assert export_onnx(hot, tmp_path / "bare.onnx", bare=True) < 1e-5
    export_page(hot, tmp_path / "hot.html")
    assert "batch_norm" in (tmp_path / "hot.html").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("data.validation=0", "held no images back for validation, and calibration needs some; train with"),
        ("model.2=sigmoid", "do not add up to 1"),
    ],
)
def test_what_cannot_be_calibrated_is_told(change, words, tmp_path, capsys) -> None:
    config = tmp_path / "cold.yaml"
    text = CONFIG.replace("validation: 150", "validation: 0") if "validation" in change else CONFIG
    if "sigmoid" in change:
        text = text.replace("out_features: 10}}]", "out_features: 10}}, sigmoid]")
    config.write_text(text)
    assert main(["train", str(config), "--run-dir", str(tmp_path / "run"), "--quiet", "train.epochs=1"]) == 0
    before = (tmp_path / "run/pipeline.json").read_bytes()
    capsys.readouterr()
    assert main(["eval", str(tmp_path / "run"), "--calibrate"]) == 2
    assert words in capsys.readouterr().err
    (tmp_path / "run/result.json").unlink()
    assert main(["eval", str(tmp_path / "run"), "--calibrate"]) == 2
    assert "is not finished" in capsys.readouterr().err or "validation" in words
    assert (tmp_path / "run/pipeline.json").read_bytes() == before


def test_a_temperature_at_its_bound_is_told(tmp_path, capsys) -> None:
    (tmp_path / "flat.yaml").write_text(CONFIG.replace("out_features: 10}}]", "out_features: 10}}, softmax]"))
    run = str(tmp_path / "run")
    given = ["loss={name: mse}", "optimizer.lr=60", "train.epochs=2", "--quiet", "--run-dir", run]
    assert main(["train", str(tmp_path / "flat.yaml"), *given]) == 0
    capsys.readouterr()
    assert main(["eval", run, "--calibrate"]) == 0
    printed = capsys.readouterr().out
    assert json.loads((tmp_path / "run/pipeline.json").read_text())["temperature"] == pytest.approx(HOTTEST)
    assert "it is at the bound of what is tried, 0.05 to 20" in printed


def test_calibration_that_did_not_help_is_told(trained, tmp_path, capsys, monkeypatch) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    monkeypatch.setattr("gpucnn.cli.calibration.best_temperature", lambda scores, labels: 19.0)
    assert main(["eval", str(run), "--calibrate"]) == 0
    printed = capsys.readouterr().out
    found = re.search(r"calibration did not help: .* rose from ([\d.]+)% to ([\d.]+)%; to undo it, set temp", printed)
    assert float(found[1]) < 20 < float(found[2]) and "bound" not in printed


def test_neither_is_told_where_calibration_helps(trained, capsys) -> None:
    assert main(["eval", str(trained), "--calibrate"]) == 0
    printed = capsys.readouterr().out
    assert "bound" not in printed and "did not help" not in printed
