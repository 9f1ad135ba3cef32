"""health.json: what a run keeps of its layers' health, and that nothing else notices."""

import json
import signal

import numpy as np
import pytest

from gpucnn.cli import main
from gpucnn.errors import CheckpointError
from gpucnn.runs import RunFolder, health, job
from gpucnn.runs.health import MOST_EPOCHS, MOST_MOMENTS, kernels_of, read_health
from gpucnn.training import captured
from gpucnn.training.checkpoint import read_tensors
from tests.runs.test_resume import outcome, stop_at, train
from tests.training import examples


def kept(path) -> dict:
    return json.loads((path / "health.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that never stopped."""
    path = tmp_path_factory.mktemp("whole") / "run"
    train(path)
    return path


def test_every_epoch_is_kept_with_every_layer_that_has_figures(whole) -> None:
    told = kept(whole)
    assert (told["images"], told["part"]) == (20, "validation")
    assert [each["epoch"] for each in told["epochs"]] == [1, 2, 3]
    for each in told["epochs"]:
        assert {name: list(figures) for name, figures in each["layers"].items()} == {
            "0": ["kind", "weights", "gradients", "updates"],
            "1": ["kind", "weights", "gradients", "updates"],
            "2": ["kind", "dead"],
            "6": ["kind", "weights", "gradients", "updates"],
        }
        assert all(0 <= figure < 100 for figures in each["layers"].values() for figure in list(figures.values())[1:])
    last = read_tensors(whole / "model.safetensors")
    assert told["epochs"][-1]["layers"]["0"]["weights"] == pytest.approx(np.linalg.norm(last["0.weight"]), rel=1e-4)
    epochs, kernels = kernels_of(told["kernels"])
    assert epochs == [0, 1, 2, 3] and told["kernels"]["layer"] == "0"
    np.testing.assert_array_equal(kernels[-1], last["0.weight"].astype(np.float16))
    first = examples.trainer(seed=0).net[0].weight.numpy()
    np.testing.assert_array_equal(kernels[0], first.astype(np.float16))


def test_the_training_notices_nothing(whole, tmp_path, monkeypatch) -> None:
    """To the bit, and it is captured as often as without."""
    captures = []
    capture = captured.CapturedSteps._capture
    monkeypatch.setattr(captured.CapturedSteps, "_capture", lambda *given: captures.append(1) or capture(*given))
    train(tmp_path / "with")
    with_health = len(captures)
    monkeypatch.setattr(job, "HealthLog", lambda *_: lambda record: None)
    train(tmp_path / "without")
    assert len(captures) == 2 * with_health
    assert not (tmp_path / "without/health.json").exists()
    assert outcome(tmp_path / "with") == outcome(tmp_path / "without") == outcome(whole)


@pytest.mark.parametrize(
    ("record", "steps"),
    [(1, 1), (8, 5), (9, None), (12, 3)],  # within an epoch, in its validation, at its end, within the second
)
def test_a_resumed_run_goes_on_with_it(record, steps, whole, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(captured, "MOST_STEPS", 1)  # stops after each of its steps
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", on_record=stop_at(record, lambda: signal.raise_signal(signal.SIGINT)))
    train(tmp_path / "run", resume=True)
    found, expected = kept(tmp_path / "run"), kept(whole)
    broken = None if steps is None else record // 9  # the epoch that was resumed within: where it began is forgotten
    for number, (mine, theirs) in enumerate(zip(found["epochs"], expected["epochs"], strict=True)):
        for name, figures in theirs["layers"].items():
            if number == broken and "updates" in figures:
                assert mine["layers"][name].pop("updates") is None
                del figures["updates"]
                if steps == 5:  # of five: none is left
                    assert mine["layers"][name].pop("gradients") is None
                    del figures["gradients"]
    assert found == expected


def test_what_was_kept_after_the_checkpoint_is_dropped(whole, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", on_record=stop_at(9, lambda: signal.raise_signal(signal.SIGINT)))
    (tmp_path / "run/health.json").write_bytes((whole / "health.json").read_bytes())  # as if killed two epochs later
    train(tmp_path / "run", resume=True)
    assert kept(tmp_path / "run") == kept(whole)


def test_without_validation_training_images_are_judged_by(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        main(["train", "smoke", "data.validation=0", "train.epochs=1", "report=false", "--quiet", "--run-dir", "run"])
        == 0
    )
    assert kept(tmp_path / "run")["part"] == "training"


def test_what_is_kept_is_bounded() -> None:
    entries: list[dict] = []
    for epoch in range(1, 3000):
        entries = health._thinned([*entries, {"epoch": epoch}], MOST_EPOCHS)
        assert len(entries) <= MOST_EPOCHS + 1 and entries[-1]["epoch"] == epoch
    steps = np.diff([each["epoch"] for each in entries[:-1]])
    assert set(steps) == {16} and len(entries) > MOST_EPOCHS / 2
    moments: list[dict] = []
    for epoch in range(500):
        moments = health._thinned([*moments, {"epoch": epoch}], MOST_MOMENTS)
        assert len(moments) <= MOST_MOMENTS + 2 and moments[0]["epoch"] == 0


def test_a_damaged_file_is_told(whole, tmp_path) -> None:
    right = (whole / "health.json").read_text()
    wrong = ["", "[]", "5", '{"epochs": []}', right[:-9], right.replace('"epoch": 2', '"epoch": "2"', 1)]
    wrong += [right.replace(*change, 1) for change in (
        ('"layers": {', '"layers": 5, "x": {'), ('"weights": 1', '"weights": "1'), ('"kind"', '"sort"'),
        ('"part"', '"of"'),
        ('"shape": [4', '"shape": [5'), ('"moments": [{', '"moments": [{"epoch": 0, "weights": "?"}, {'),
    )]  # fmt: skip
    for text in wrong:
        assert text != right
        (tmp_path / "health.json").write_text(text)
        with pytest.raises(CheckpointError, match="remove it"):
            read_health(RunFolder(tmp_path))
    (tmp_path / "health.json").unlink()
    assert read_health(RunFolder(tmp_path)) == {"epochs": [], "kernels": None}
