"""The whole job: which files it leaves, what result.json says, and what stops it."""

import csv
import json
import signal

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.data import Normalizer
from gpucnn.errors import InputError, TrainingError
from gpucnn.kernels import dispatch
from gpucnn.runs import RunFolder, describe_environment, train_run
from gpucnn.runs.environment import kernels_name
from gpucnn.training import EarlyStop, EpochRecord, Loaders, MeanSquaredError, evaluate, load_weights
from gpucnn.training.checkpoint import read_weights
from tests.training import examples

NAMES = ("row 0", "row 2", "row 4")


def job(folder, trainer, loaders, epochs=2, **options):
    """A whole run with the common options."""
    common = {"class_names": NAMES, "dataset": "rows", "dataset_requested": "mnist"}
    return train_run(folder, trainer, loaders, epochs, **common, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two epochs, and what it returned."""
    path = tmp_path_factory.mktemp("job") / "run"
    normalizer = Normalizer.fit("standard", examples.dataset())
    trainer = examples.trainer()
    with RunFolder.create(path, "name: rows\n", describe_environment()) as folder:
        result = job(folder, trainer, examples.loaders(), normalization=normalizer.arrays())
    return folder, trainer, result


def test_the_folder_holds_what_it_is_to_hold(finished):
    folder, _, _ = finished
    assert {str(path.relative_to(folder.path)) for path in folder.path.rglob("*")} == {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "batches.csv",
        "health.json",
        "result.json",
        "model.safetensors",
        "normalization.safetensors",
        "checkpoints",
        "checkpoints/last.safetensors",
        "checkpoints/previous.safetensors",
        "checkpoints/best.safetensors",
    }
    assert folder.finished


def test_result_json(finished):
    folder, trainer, result = finished
    assert json.loads((folder.path / "result.json").read_text()) == result
    assert set(result) == {
        *("test_loss", "test_accuracy", "classes", "macro", "weighted", "confusion_matrix", "parameters"),
        *("interval", "signs", "train_seconds", "weights", "dataset", "dataset_requested", "device", "kernels"),
        "steps",
    }
    assert result["weights"] == {"epoch": 2, "which": "last"}
    evaluation = evaluate(trainer.net, examples.loaders().test)
    assert result["test_loss"] == evaluation.loss
    assert result["test_accuracy"] == evaluation.accuracy
    assert [row["name"] for row in result["classes"]] == list(NAMES)
    assert sum(row["support"] for row in result["classes"]) == 20
    assert sum(map(sum, result["confusion_matrix"])) == 20
    assert result["macro"].keys() == result["weighted"].keys() == {"precision", "recall", "f1"}
    assert result["parameters"] == 4 * 9 + 2 * 4 + 36 * 3 + 3
    assert (result["dataset"], result["dataset_requested"]) == ("rows", "mnist")
    assert (result["device"], result["kernels"]) == (str(gpucnn.device()), kernels_name())
    numpys = dispatch.chosen() == "numpy" and gpucnn.device().kind == "cpu"
    assert result["steps"] == ("one by one: the kernels are NumPy's" if numpys else "captured")


def test_metrics_and_batches_agree(finished):
    folder, _, result = finished
    with (folder.path / "batches.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["split", "epoch", "step", "images", "loss", "accuracy"]
    epochs = [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    for epoch in epochs:
        for split in ("train", "validation"):
            of = [row for row in rows if row["split"] == split and int(row["epoch"]) == epoch["epoch"]]
            for figure in ("loss", "accuracy"):
                images = [int(row["images"]) for row in of]
                mean = np.average([float(row[figure]) for row in of], weights=images)
                assert epoch[f"{split}_{figure}"] == pytest.approx(mean, rel=1e-12)
    assert result["train_seconds"] == pytest.approx(sum(epoch["seconds"] for epoch in epochs))


def test_the_saved_weights_are_the_last_and_the_best_are_a_checkpoint(finished):
    folder, trainer, _ = finished
    other = examples.network()
    load_weights(folder.model_path, other)
    state = trainer.net.state_dict()
    assert all(array.tobytes() == state[name].tobytes() for name, array in other.state_dict().items())
    load_weights(folder.best_path, other)
    best = max(
        (json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()),
        key=lambda record: (record["validation_accuracy"], -record["validation_loss"]),
    )
    assert evaluate(other, examples.loaders().validation).accuracy == best["validation_accuracy"]
    assert evaluate(other, examples.loaders().validation).loss == pytest.approx(best["validation_loss"])


def test_early_stopping_ends_with_the_best_epochs_weights(tmp_path):
    """Of a network that learns too fast, an epoch before the last is the best."""
    results, models = {}, {}
    for keep in ("best", "last"):
        trainer = examples.trainer(early_stop=EarlyStop(patience=2, monitor="validation_loss", keep=keep))
        trainer.optimizer.lr = 0.1
        trainer.schedule = None
        with RunFolder.create(tmp_path / keep, "", {}) as folder:
            results[keep] = job(folder, trainer, examples.loaders(), epochs=20)
        models[keep] = trainer.net.state_dict()
        saved = read_weights(folder.model_path, models[keep])
        assert all(saved[name].tobytes() == array.tobytes() for name, array in models[keep].items())
    lines = (tmp_path / "best" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["validation_loss"] for line in lines]
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + 2
    assert results["best"]["weights"] == {"epoch": best, "which": "best"}
    assert results["last"]["weights"] == {"epoch": best + 2, "which": "last"}
    expected = read_weights(tmp_path / "best" / "checkpoints" / "best.safetensors", models["best"])
    assert all(expected[name].tobytes() == array.tobytes() for name, array in models["best"].items())
    assert any((models["last"][name] != array).any() for name, array in models["best"].items())


def test_the_saved_normalization_is_the_training_sets(finished):
    folder, _, _ = finished
    normalizer = Normalizer.from_arrays(folder.normalization(), examples.dataset().image_shape)
    expected = Normalizer.fit("standard", examples.dataset())
    np.testing.assert_array_equal(normalizer.shift, expected.shift)
    np.testing.assert_array_equal(normalizer.scale, expected.scale)


def test_without_validation_and_test_images(tmp_path):
    trainer = examples.plain_trainer(examples.network())
    with RunFolder.create(tmp_path / "run", "", {}) as folder:
        result = job(folder, trainer, Loaders(examples.loaders().train))
    assert result["test_loss"] is result["test_accuracy"] is result["classes"] is None
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["validation_loss"] is last["validation_accuracy"] is None
    assert folder.best_path.exists()


def test_records_are_logged_before_they_are_shown(tmp_path):
    seen = []
    with RunFolder.create(tmp_path / "run", "", {}) as folder:
        job(folder, examples.trainer(), examples.loaders(), on_record=seen.append, checkpoint_seconds=0.0)
    assert len(seen) == 2 * (5 + 3 + 1)
    assert [record.epoch for record in seen if isinstance(record, EpochRecord)] == [1, 2]


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("number", [2, 7])
def test_ctrl_c_leaves_a_checkpoint_of_the_last_step_recorded(tmp_path, number, capture):
    """Captured steps are recorded several at a time; those that ran are, and no more run. Single ones stop at once."""
    seen = []

    def press(record):
        seen.append(record)
        if len(seen) == number:
            signal.raise_signal(signal.SIGINT)

    trainer = examples.trainer(capture=capture)
    with pytest.raises(KeyboardInterrupt), RunFolder.create(tmp_path / "run", "", {}) as folder:
        job(folder, trainer, examples.loaders(), on_record=press)
    assert number <= len(seen) < number + 4 if capture else len(seen) == number
    lines = (tmp_path / "run" / "batches.csv").read_text().splitlines()
    assert len(lines) == 1 + len(seen)
    other = examples.trainer(seed=5)
    with RunFolder.open(tmp_path / "run") as folder:
        assert folder.resume(other.state().tensors, other.load_state) is None
    assert other.train_state == trainer.train_state
    assert not folder.finished


def test_a_finished_run_goes_on_when_it_is_given_more_epochs(tmp_path):
    def run(path, epochs, resume=False):
        gpucnn.manual_seed(1 if resume else 0)
        trainer = examples.plain_trainer(examples.network(), lr=0.01)
        config = f"train: {{epochs: {epochs}}}\n"
        with RunFolder.open(path) if resume else RunFolder.create(path, config, {}) as folder:
            job(folder, trainer, examples.loaders(), epochs, resume=resume, config_text=config)
        assert folder.config_path.read_text() == config
        return folder

    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "run", 1)
    longer = run(tmp_path / "run", 3, resume=True)
    assert longer.model_path.read_bytes() == whole.model_path.read_bytes()
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3
    assert longer.finished


def test_a_loss_that_is_not_finite_leaves_the_last_checkpoint_and_no_result(tmp_path):
    trainer = examples.plain_trainer(examples.network(), lr=1e38, loss=MeanSquaredError())
    with (
        RunFolder.create(tmp_path / "run", "", {}) as folder,
        pytest.raises(TrainingError, match="the training loss of epoch 1, step"),
    ):
        job(folder, trainer, examples.loaders())
    assert not folder.finished
    assert folder.last_path.exists()
    assert not list((tmp_path / "run").rglob(".*"))


def test_a_test_loss_that_is_not_finite_is_no_result(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    trainer = examples.plain_trainer(net, lr=1e38, loss=MeanSquaredError())
    data = examples.loaders()
    one_step = gpucnn.data.Loader(examples.dataset(16), 16, Normalizer.fit("unit", examples.dataset()))
    with (
        RunFolder.create(tmp_path / "run", "", {}) as folder,
        pytest.raises(TrainingError, match=r"the test loss is (inf|nan): .* Lower the learning rate"),
    ):
        job(folder, trainer, Loaders(one_step, None, data.test), epochs=1)
    assert not folder.finished


def test_what_cannot_be_trained_is_told_before_anything_is_written(tmp_path):
    with RunFolder.create(tmp_path / "run", "", {}) as folder, pytest.raises(InputError, match="epochs is 0"):
        job(folder, examples.trainer(), examples.loaders(), epochs=0)
    assert not folder.last_path.exists()


def test_the_first_checkpoint_is_there_before_the_first_step(tmp_path):
    checkpoints = []

    def look(record):
        checkpoints.append(folder.last_path.exists())

    with RunFolder.create(tmp_path / "run", "", {}) as folder:
        job(folder, examples.trainer(), examples.loaders(), epochs=1, on_record=look)
    assert all(checkpoints)
