"""What the live page is told: held to the run's files, to its report, and to its network."""

import json

import numpy as np
import pytest

from gpucnn.config.build import build_loaders, load_data
from gpucnn.live.mistakes import MOST, Mistakes
from gpucnn.report.series import curves_of
from gpucnn.runs.folder import RunFolder
from gpucnn.runs.saved import open_run
from gpucnn.training import predict
from gpucnn.training.records import BatchRecord
from tests.live.runs import train, watch_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("watched"))


def test_the_facts_are_those_of_the_files(run) -> None:
    watch = watch_of(run)
    facts = watch.facts(watch.version)
    json.dumps(facts, allow_nan=False)
    [shown] = facts["runs"]
    assert {name: shown[name] for name in ("epochs", "batches")} == curves_of(RunFolder.open(run))
    assert facts["headline"][0][:2] == ["epochs", "3 of 3"] and "left" not in facts["headline"][0][2]
    assert facts["health"]["epochs"] == [1, 2, 3] and facts["forming"]["epochs"] == [0, 1, 2, 3]
    assert facts["worst"] is None  # no validation was watched


def test_each_line_is_read_once_and_only_when_it_is_whole(run, tmp_path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.yaml", "pipeline.json", "health.json", "normalization.safetensors", "environment.json"):
        (copy / name).write_bytes((run / name).read_bytes())
    lines = (run / "batches.csv").read_bytes().splitlines(keepends=True)
    epochs = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    of_first = 1 + sum(line.split(b",")[1] == b"1" for line in lines)
    (copy / "batches.csv").write_bytes(b"".join(lines[:1]))
    (copy / "metrics.jsonl").write_bytes(b"")
    watch = watch_of(copy)
    before = watch.version
    assert "runs" not in watch.facts(before) and watch.facts(before)["headline"] == []
    (copy / "batches.csv").write_bytes(b"".join(lines[:of_first]) + lines[of_first][:7])
    (copy / "metrics.jsonl").write_bytes(epochs[0])
    first = watch.facts(watch.version)
    assert watch.version != before and first["runs"][0]["epochs"]["epoch"] == [1]
    assert first["headline"][0][2].endswith("left")
    (copy / "batches.csv").write_bytes(b"".join(lines))
    (copy / "metrics.jsonl").write_bytes(b"".join(epochs))
    assert watch.facts(watch.version)["runs"][0]["batches"] == curves_of(RunFolder.open(run))["batches"]


def test_the_progress_is_the_last_record(run) -> None:
    watch = watch_of(run)
    assert watch.progress()["told"] == "The first steps are being taken."
    watch(BatchRecord("train", 2, 5, 32, 0.51234, 0.875))
    assert watch.progress()["told"] == "Epoch 2 of 3, minibatch 5 of 11: loss 0.5123, accuracy 87.50 %."
    watch(BatchRecord("validation", 2, 1, 150, 0.25, None))
    assert watch.progress()["told"] == "Epoch 2 of 3, validation, minibatch 1: loss 0.25."
    watch.ended = "The training is done."
    assert watch.progress() == {"version": watch.version, "told": "The training is done.", "ended": True}


def test_the_surest_mistakes_are_those_of_the_network(run) -> None:
    saved = open_run(str(run))
    loader = build_loaders(saved.config, load_data(saved.config)).validation.in_batches_of(64)
    probabilities = predict(saved.network(), saved.normalizer().apply(loader.images))
    mistakes = Mistakes(loader, "probabilities")
    for _ in range(2):  # the second validation takes the first's place
        for number, indices in enumerate(loader.indices(0)):
            mistakes(number, probabilities[indices])
        mistakes.close()
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != loader.labels)
    sure = probabilities.max(axis=1)
    assert mistakes.last.wrong == len(wrong) > 0 and mistakes.last.of == 150
    assert [row.image for row in mistakes.last.worst] == wrong[np.argsort(-sure[wrong], kind="stable")][:MOST].tolist()
    for row in mistakes.last.worst:
        assert row.true == loader.labels[row.image] != row.predicted == probabilities[row.image].argmax()
        assert row.share == pytest.approx(sure[row.image], rel=1e-4)
        assert row.share_of_true == pytest.approx(probabilities[row.image, row.true], rel=1e-4)


def test_of_shares_the_first_images_are_seen_and_the_ignored_class_is_none(run) -> None:
    config = open_run(str(run)).config
    loader = build_loaders(config, load_data(config)).validation
    label = int(loader.labels[0])
    mistakes = Mistakes(loader, "probabilities", ignored=label)
    mistakes(0, np.tile(np.eye(10)[(label + 1) % 10], (75, 1)))  # half of the images
    mistakes.close()
    others = np.flatnonzero((loader.labels[:75] != label) & (loader.labels[:75] != (label + 1) % 10))
    assert mistakes.last.of == 75 and mistakes.last.wrong == len(others)
    mistakes.close()
    assert mistakes.last.of == 75  # an epoch without a validation keeps the last
