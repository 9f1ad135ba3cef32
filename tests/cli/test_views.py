"""Test-time augmentation of a run: `eval --tta`, `predict --tta` and `predict_proba(..., tta=)` agree."""

import json
import re

import numpy as np
import pytest

import gpucnn
from gpucnn.cli import main
from gpucnn.cli.evaluate import own_data
from gpucnn.runs.saved import open_run


@pytest.mark.parametrize("views", ["shift", "shift,flip"])
def test_eval_tells_the_figures_of_averaged_probabilities(run, capsys, views) -> None:
    test, classifier = own_data(open_run(str(run))).test, gpucnn.load(run)
    probabilities = classifier.predict_proba(test.images, tta=views)
    assert abs(probabilities - classifier.predict_proba(test.images)).max() > 1e-3
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert main(["eval", str(run), "--tta", views]) == 0
    accuracy, loss = re.search(r"accuracy ([\d.]+)%, loss ([\d.]+)", capsys.readouterr().out).groups()
    assert float(accuracy) == pytest.approx(100 * (probabilities.argmax(axis=1) == test.labels).mean(), abs=0.006)
    expected = -np.log(probabilities[np.arange(len(test)), test.labels]).mean()
    assert float(loss) == pytest.approx(expected, abs=6e-5)


def test_predict_averages_too(run, digit, capsys) -> None:
    assert main(["predict", str(run), digit, "--tta", "shift", "--json"]) == 0
    [printed] = json.loads(capsys.readouterr().out)
    classifier = gpucnn.load(run)
    [expected] = classifier.predict_proba(digit, tta="shift")
    shares = [printed["probabilities"][name] for name in classifier.classes]
    np.testing.assert_allclose(shares, expected, rtol=1e-6)


@pytest.mark.parametrize("command", ["eval", "predict"])
def test_other_views_are_refused(run, digit, fails, command) -> None:
    pictures = [digit] if command == "predict" else []
    assert "tta: given 'turn', expected shift or flip" in fails(2, command, str(run), *pictures, "--tta", "turn")
