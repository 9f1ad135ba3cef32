"""A training that was stopped anywhere and gone on with ends in the same bytes as one that never stopped."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpucnn.errors import CheckpointError, InputError
from gpucnn.runs import RunFolder, train_run
from gpucnn.training import EarlyStop, State
from gpucnn.training.checkpoint import load_state
from tests.training import examples

EPOCHS = 3
PER_EPOCH = 5 + 3 + 1  # training minibatches, validation minibatches, the epoch itself
ROOT = Path(__file__).parents[2]


def train(path, resume=False, on_record=None, seed=0, dtype="float32", epochs=EPOCHS, **options):
    """The whole job in `path`; a resume starts from other weights than the run did."""
    trainer = examples.trainer(dtype, seed=99 if resume else seed)
    with RunFolder.open(path) if resume else RunFolder.create(path, "name: test\n", {}) as folder:
        return train_run(
            folder,
            trainer,
            examples.loaders(dtype),
            epochs,
            class_names=("a", "b", "c"),
            dataset="rows",
            dataset_requested="rows",
            resume=resume,
            on_record=on_record,
            **{"checkpoint_seconds": 1e9, **options},
        )


def stop_at(number, act):
    """Calls `act` at record `number` of a run."""
    seen = 0

    def on_record(record):
        nonlocal seen
        seen += 1
        if seen == number:
            act()

    return on_record


def without_times(values):
    """What is the same in every run: all but the seconds."""
    if isinstance(values, dict):
        times = {"seconds", "train_seconds", "images_per_second"}
        return {name: without_times(value) for name, value in values.items() if name not in times}
    return values


def outcome(path, dtype="float32"):
    """All that a run leaves behind, but for the times it took."""
    folder = RunFolder.open(path)
    like = examples.trainer(dtype).state().tensors
    states = []
    for file in (folder.last_path, folder.best_path):
        state = load_state(file, like)
        values = without_times(state.values)
        del values["logs"]["metrics.jsonl"]  # which is as long as its times have digits
        states.append(({name: array.tobytes() for name, array in state.tensors.items()}, values))
    return {
        "model": folder.model_path.read_bytes(),
        "batches": (path / "batches.csv").read_text(),
        "metrics": [without_times(json.loads(line)) for line in (path / "metrics.jsonl").read_text().splitlines()],
        "result": without_times(folder.result()),
        "states": states,
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run leaves behind that never stopped."""
    path = tmp_path_factory.mktemp("whole") / "run"
    train(path)
    return outcome(path)


def test_the_run_that_never_stopped_logged_everything(whole):
    lines = [line.split(",") for line in whole["batches"].splitlines()[1:]]
    one = [("train", step, size) for step, size in enumerate((16, 16, 16, 16, 11), 1)]
    one += [("validation", step, size) for step, size in enumerate((8, 8, 4), 1)]
    expected = [[split, str(epoch), str(step), str(n)] for epoch in (1, 2, 3) for split, step, n in one]
    assert [line[:4] for line in lines] == expected
    assert [record["epoch"] for record in whole["metrics"]] == [1, 2, 3]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(whole, tmp_path):
    train(tmp_path / "same")
    assert outcome(tmp_path / "same") == whole
    train(tmp_path / "other", seed=1)
    assert outcome(tmp_path / "other")["model"] != whole["model"]


@pytest.mark.parametrize("number", range(1, EPOCHS * PER_EPOCH + 1))
def test_ctrl_c_at_any_record_then_resume(whole, tmp_path, number):
    press = stop_at(number, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", on_record=press)
    assert not (tmp_path / "run" / "result.json").exists()
    train(tmp_path / "run", resume=True)
    assert outcome(tmp_path / "run") == whole


def test_stopping_again_and_again(whole, tmp_path):
    resume = False
    for number in (3, 4, 2, 9, 1):
        press = stop_at(number, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run", resume, press)
        resume = True
    train(tmp_path / "run", resume=True)
    assert outcome(tmp_path / "run") == whole


def test_in_float64_too(tmp_path):
    train(tmp_path / "whole", dtype="float64")
    press = stop_at(PER_EPOCH + 3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", on_record=press, dtype="float64")
    train(tmp_path / "run", resume=True, dtype="float64")
    assert outcome(tmp_path / "run", "float64") == outcome(tmp_path / "whole", "float64")


@pytest.mark.parametrize(
    ("number", "seconds"),
    [(3, 1e9), (PER_EPOCH, 1e9), (PER_EPOCH + 7, 1e9), (PER_EPOCH + 4, 0.0), (PER_EPOCH + 7, 0.0)],
)
def test_kill_9_then_resume(whole, tmp_path, number, seconds):
    script = f"""
import os, signal, sys
from pathlib import Path
from tests.runs.test_resume import stop_at, train
kill = stop_at({number}, lambda: os.kill(os.getpid(), signal.SIGKILL))
train(Path(sys.argv[1]), on_record=kill, checkpoint_seconds={seconds})
"""
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    train(tmp_path / "run", resume=True)
    assert outcome(tmp_path / "run") == whole


@pytest.mark.parametrize("number", range(9, 26, 2))
def test_a_full_disk_then_resume(whole, tmp_path, monkeypatch, number):
    """The disk is full from some write on, of the logs or of a checkpoint; later there is room again."""
    sync, calls = os.fsync, 0

    def full(descriptor):
        nonlocal calls
        calls += 1
        if calls >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device"):
            train(tmp_path / "run")
    assert not list((tmp_path / "run").rglob(".*"))  # no half-written file
    begun = (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()
    assert begun == (tmp_path / "run").exists()
    train(tmp_path / "run", resume=begun)
    assert outcome(tmp_path / "run") == whole


def test_a_damaged_checkpoint_then_resume_from_the_one_before(whole, tmp_path):
    press = stop_at(PER_EPOCH + 3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", on_record=press)
    last = tmp_path / "run" / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes().replace(b"epoch", b"epocH"))
    notes = []
    train(tmp_path / "run", resume=True, on_note=notes.append)
    assert len(notes) == 1 and "do not match its checksum" in notes[0]
    assert outcome(tmp_path / "run") == whole


def test_a_finished_run_is_not_trained_further(whole, tmp_path):
    train(tmp_path / "run")
    train(tmp_path / "run", resume=True)
    assert outcome(tmp_path / "run") == whole


def test_fewer_epochs_than_are_done_change_nothing(whole, tmp_path):
    train(tmp_path / "run")
    with pytest.raises(InputError, match="epochs is 2, but 3 are done"):
        train(tmp_path / "run", resume=True, epochs=2, config_text="name: shorter\n")
    assert outcome(tmp_path / "run") == whole
    assert (tmp_path / "run" / "config.yaml").read_text() == "name: test\n"


def test_another_networks_run_is_refused_and_left_as_it_was(tmp_path):
    train(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match=r"model\.0\.weight is F32, expected F64"):
        train(tmp_path / "run", resume=True, dtype="float64")
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def continued(stop_after, early_stop, capture=True):
    """Records and last state of a trainer that another takes over from, once settled, after `stop_after` records."""
    data = examples.loaders()
    first = examples.trainer(early_stop=early_stop, capture=capture)
    records = []
    for record in first.run(data.train, data.validation, epochs=6):
        records.append(record)
        if len(records) >= stop_after and first.settled:
            break
    state = first.state()
    second = examples.trainer(seed=7, early_stop=early_stop)
    second.load_state(State(state.tensors, json.loads(json.dumps(state.values))))
    records += second.run(data.train, data.validation, epochs=6)
    return records, second


@pytest.mark.parametrize("capture", [True, False])  # without, every record is settled
def test_early_stopping_counts_on_after_a_resume(capture):
    """With a change of at least 0.3 asked for, three epochs pass without any."""
    rule = EarlyStop(patience=3, min_delta=0.3, monitor="validation_accuracy")
    records, trainer = continued(10**6, rule, capture)
    assert trainer.train_state.stopped
    assert 3 < trainer.train_state.epoch < 6
    for stop_after in range(1, len(records) + 1):
        others, other = continued(stop_after, rule, capture)
        assert [without_times(vars(record)) for record in others] == [without_times(vars(record)) for record in records]
        assert without_times(other.state().values) == without_times(trainer.state().values)


def test_an_interrupted_run_with_early_stopping_ends_with_the_same_weights(tmp_path, monkeypatch):
    rule = EarlyStop(patience=2, monitor="train_loss", min_delta=1.0)  # the first epoch is the best but one
    monkeypatch.setattr(examples, "EarlyStop", lambda **options: rule)
    train(tmp_path / "whole", epochs=6)
    press = stop_at(PER_EPOCH + 3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", on_record=press, epochs=6)
    train(tmp_path / "run", resume=True, epochs=6)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    assert RunFolder.open(tmp_path / "run").result()["weights"]["which"] == "best"


def damaged(**changes):
    state = examples.trainer().state()
    return State(state.tensors, {**state.values, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"position": None}, "position is damaged"),
        ({"position": {"epoch": 1}}, "position is damaged: expected epoch, step"),
        ({"counters": {}}, "another optimizer"),
        ({"lr": "0.1"}, "learning rate is damaged"),
        ({"lr": float("nan")}, "learning rate is damaged"),
        ({"generator": None}, "generator state is damaged"),
        ({"generator": {"bit_generator": "PCG64"}}, "generator state is damaged"),
        ({"generator": {"bit_generator": "PCG64", "state": {"state": -1, "inc": 1}}}, "generator state is damaged"),
    ],
)
def test_damaged_values_are_refused(changes, words):
    trainer = examples.trainer()
    before = trainer.state()
    with pytest.raises(CheckpointError, match=words):
        trainer.load_state(damaged(**changes))
    after = trainer.state()
    assert after.values == before.values
    assert all(after.tensors[name].tobytes() == array.tobytes() for name, array in before.tensors.items())


@pytest.mark.parametrize("count", [-1, 1.5, True, "1"])
def test_damaged_counters_are_refused(count):
    counters = dict.fromkeys(examples.trainer().state().values["counters"], count)
    with pytest.raises(CheckpointError, match="optimizer counters are damaged"):
        examples.trainer().load_state(damaged(counters=counters))


@pytest.mark.parametrize(
    ("where", "value"),
    [("epoch", -1), ("epoch", 1.0), ("epoch", True), ("seconds", "1"), ("seconds", float("inf")), ("stopped", 1)],
)
def test_a_damaged_position_says_where(where, value):
    position = {**examples.trainer().train_state.as_dict(), where: value}
    with pytest.raises(CheckpointError, match=f"position.{where} is damaged: {value!r}"):
        examples.trainer().load_state(damaged(position=position))


@pytest.mark.parametrize(
    "tally",
    [
        {"batches": 5, "images": 0, "loss_sum": 0.0, "correct": 0},
        {"batches": 0, "images": 5, "loss_sum": 0.0, "correct": 0},
        {"batches": 1, "images": 5, "loss_sum": 0.0, "correct": 6},
    ],
)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_sums_that_cannot_be_are_refused(split, tally):
    position = {**examples.trainer().train_state.as_dict(), split: tally}
    with pytest.raises(CheckpointError, match=rf"position\.{split} is damaged"):
        examples.trainer().load_state(damaged(position=position))


def test_other_data_in_the_middle_of_an_epoch_is_refused():
    trainer = examples.trainer()
    next(trainer.run(examples.dataset(), epochs=2, batch_size=16, validation=examples.dataset(20)))
    with pytest.raises(CheckpointError, match="within an epoch of 5 minibatches, and the data now make 10"):
        trainer.run(examples.dataset(), epochs=2, batch_size=8, validation=examples.dataset(20))
