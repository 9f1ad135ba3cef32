"""The run folder: what it refuses, what it holds, what it cuts, and who may write."""

import errno
import importlib.metadata
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from gpucnn.errors import CheckpointError, InputError
from gpucnn.runs import folder as run_folder
from gpucnn.runs.environment import describe_environment
from gpucnn.runs.folder import RunFolder, new_run_path
from gpucnn.training.checkpoint import State
from gpucnn.training.records import BatchRecord, EpochRecord

TENSORS = {"model.w": np.ones(3, np.float32)}


def create(path):
    return RunFolder.create(path, "name: test\n", {"device": "cpu"})


def batch(step, split="train"):
    return BatchRecord(split, 1, step, 64, 0.1 + 0.2, 0.5)


def test_a_new_folder_has_the_config_the_environment_and_empty_logs(tmp_path):
    create(tmp_path / "a" / "b")
    folder = tmp_path / "a" / "b"
    names = {entry.name for entry in folder.iterdir()}
    assert names == {"config.yaml", "environment.json", "metrics.jsonl", "batches.csv", "checkpoints"}
    assert (folder / "config.yaml").read_text() == "name: test\n"
    assert json.loads((folder / "environment.json").read_text()) == {"device": "cpu"}
    assert (folder / "batches.csv").read_text() == "split,epoch,step,images,loss,accuracy\n"
    assert (folder / "metrics.jsonl").read_text() == ""


def test_records_become_lines(tmp_path):
    with create(tmp_path / "run") as folder:
        folder.log(batch(1))
        folder.log(batch(1, "validation"))
        folder.log(EpochRecord(1, 0.5, 0.75, None, None, 0.05, 2.0, 32.0))
    lines = (tmp_path / "run" / "batches.csv").read_text().splitlines()
    assert lines[1:] == ["train,1,1,64,0.30000000000000004,0.5", "validation,1,1,64,0.30000000000000004,0.5"]
    assert json.loads((tmp_path / "run" / "metrics.jsonl").read_text()) == {
        "epoch": 1,
        "train_loss": 0.5,
        "train_accuracy": 0.75,
        "validation_loss": None,
        "validation_accuracy": None,
        "lr": 0.05,
        "seconds": 2.0,
        "images_per_second": 32.0,
    }


def test_lines_past_the_checkpoint_are_cut_on_load(tmp_path):
    with create(tmp_path / "run") as folder:
        folder.log(batch(1))
        folder.save(State(TENSORS, {"step": 1}))
        folder.log(batch(2))
        folder.log(EpochRecord(1, 0.5, 0.75, None, None, 0.05, 2.0, 32.0))
    with RunFolder.open(tmp_path / "run") as folder:
        loaded = []
        assert folder.resume(TENSORS, loaded.append) is None
        assert [state.values["step"] for state in loaded] == [1]
        folder.log(batch(3))
    lines = (tmp_path / "run" / "batches.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["1", "3"]
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == ""


def test_a_log_that_lost_lines_is_not_gone_on_with(tmp_path):
    with create(tmp_path / "run") as folder:
        folder.log(batch(1))
        folder.save(State(TENSORS, {}))
    (tmp_path / "run" / "batches.csv").write_text("split\n")
    with (
        RunFolder.open(tmp_path / "run") as folder,
        pytest.raises(
            CheckpointError,
            match=r"batches\.csv was changed after the checkpoint: it had \d+ bytes and has 6",
        ),
    ):
        folder.resume(TENSORS, print)


@pytest.mark.parametrize(
    "logs", [None, {}, {"batches.csv": "9", "metrics.jsonl": 0}, {"batches.csv": -1, "metrics.jsonl": 0}]
)
def test_a_checkpoint_must_say_how_long_the_logs_were(tmp_path, logs):
    create(tmp_path / "run")
    run_folder.save_state(tmp_path / "run" / "checkpoints" / "last.safetensors", State(TENSORS, {"logs": logs}))
    with RunFolder.open(tmp_path / "run") as folder, pytest.raises(CheckpointError):
        folder.resume(TENSORS, print)


def spoil(path):
    """Change the last of the tensors' bytes."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def two_checkpoints(path):
    with create(path) as folder:
        for step in (1, 2, 3):
            folder.log(batch(step))
            folder.save(State(TENSORS, {"step": step}))
    return RunFolder.open(path)


def test_the_checkpoint_before_the_last_takes_the_place_of_a_damaged_one(tmp_path):
    folder, loaded = two_checkpoints(tmp_path / "run"), []
    spoil(folder.last_path)
    with folder:
        note = folder.resume(TENSORS, loaded.append)
    assert [state.values["step"] for state in loaded] == [2]
    assert re.match(
        r".*last\.safetensors is damaged: .* checksum.* Training goes on from the checkpoint before it", note
    )
    lines = (tmp_path / "run" / "batches.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["1", "2"]
    assert run_folder.load_state(folder.last_path, TENSORS).values["step"] == 2  # so that it is not lost at the next
    assert not folder.previous_path.exists()


def test_a_checkpoint_that_is_missing_or_not_accepted_is_replaced_too(tmp_path):
    def only_earlier(state):
        if state.values["step"] == 3:
            raise CheckpointError("of another optimizer")

    folder = two_checkpoints(tmp_path / "a")
    with folder:
        assert "last.safetensors: of another optimizer" in folder.resume(TENSORS, only_earlier)
    folder = two_checkpoints(tmp_path / "b")
    folder.last_path.unlink()
    with folder:
        assert "last.safetensors does not exist" in folder.resume(TENSORS, only_earlier)


def test_two_damaged_checkpoints_are_refused_and_left_alone(tmp_path):
    folder = two_checkpoints(tmp_path / "run")
    spoil(folder.last_path)
    spoil(folder.previous_path)
    before = {path: path.read_bytes() for path in folder.last_path.parent.iterdir()}
    with folder, pytest.raises(CheckpointError, match=r"last\.safetensors is damaged"):
        folder.resume(TENSORS, print)
    assert {path: path.read_bytes() for path in folder.last_path.parent.iterdir()} == before


def test_the_best_checkpoint_is_written_beside_the_last(tmp_path):
    with create(tmp_path / "run") as folder:
        folder.save(State(TENSORS, {"step": 1}), best=True)
        folder.save(State(TENSORS, {"step": 2}))
        best, last = folder.best_path, folder.last_path
    assert run_folder.load_state(best, TENSORS).values["step"] == 1
    assert run_folder.load_state(last, TENSORS).values["step"] == 2


@pytest.mark.parametrize(
    "name", ["config.yaml", "batches.csv", "metrics.jsonl", "result.json", "model.safetensors", "checkpoints"]
)
def test_a_folder_that_holds_a_run_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=rf"already holds a run \({name}\).*--resume"):
        create(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="run folder .* is a file; give another --run-dir"):
        create(tmp_path / "run")


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    create(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_leaves_no_part_of_a_new_folder(tmp_path, monkeypatch, there):
    def full(path, data):
        if path.name == "environment.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_bytes(data)

    if there:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "notes.txt").write_text("mine")
    monkeypatch.setattr(run_folder, "atomic_write", full)
    with pytest.raises(OSError, match="No space left on device"):
        create(tmp_path / "run")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == (
        ["run", "run/notes.txt"] if there else []
    )


def test_a_folder_that_cannot_be_written(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        create(tmp_path / "locked" / "run")


@pytest.mark.parametrize(
    ("what", "words"),
    [("none", "does not exist"), ("empty", "holds no config.yaml"), ("file", "is no folder")],
)
def test_where_there_is_no_run(tmp_path, what, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=f"no run at .*{what}: it {words}; expected a folder that `gpucnn train` made"):
        RunFolder.open(tmp_path / what)


def test_a_run_without_a_checkpoint_says_so(tmp_path):
    with (
        create(tmp_path / "run") as folder,
        pytest.raises(CheckpointError, match="stopped before its first checkpoint"),
    ):
        folder.resume(TENSORS, print)


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    script = """
import sys
from gpucnn.errors import InputError
from gpucnn.runs.folder import RunFolder
try:
    with RunFolder.open(sys.argv[1]):
        print("entered")
except InputError as error:
    print(error)
"""

    def other():
        arguments = [sys.executable, "-c", script, str(tmp_path / "run")]
        return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout

    with create(tmp_path / "run"):
        assert "another process is training in" in other()
    assert other() == "entered\n"


def test_result_finishes_the_run_and_another_config_opens_it_again(tmp_path):
    folder = create(tmp_path / "run")
    assert not folder.finished
    result = {"test_accuracy": 0.5, "test_loss": 1.0, "dataset": "digits", "classes": [{"name": "é"}]}
    folder.write_result(result)
    assert folder.finished
    assert folder.result() == result
    folder.replace_config("name: test\ntrain: {epochs: 20}\n")
    assert not folder.finished
    assert folder.config_path.read_text() == "name: test\ntrain: {epochs: 20}\n"


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"test_accuracy": 1}'])
def test_a_damaged_result_is_told(tmp_path, text):
    folder = create(tmp_path / "run")
    (tmp_path / "run" / "result.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"result\.json is damaged"):
        folder.result()


@pytest.mark.parametrize("own", [True, False])
def test_a_new_folder_without_a_checkpoint_goes_with_the_error(tmp_path, own):
    """What was there before stays: an empty folder, and the file somebody put into it."""
    if not own:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="full"), create(tmp_path / "run") as folder:
        folder.write_normalization({"shift": np.zeros((1, 1, 1))})
        raise OSError(errno.ENOSPC, "full")
    assert [path.name for path in tmp_path.rglob("*")] == ([] if own else ["run", "notes.txt"])


def test_a_folder_with_a_checkpoint_stays(tmp_path):
    with pytest.raises(OSError, match="full"), create(tmp_path / "run") as folder:
        folder.save(State(TENSORS, {}))
        raise OSError(errno.ENOSPC, "full")
    before = sorted((tmp_path / "run").rglob("*"))
    folder.last_path.unlink()
    with pytest.raises(CheckpointError), RunFolder.open(tmp_path / "run") as folder:
        folder.resume(TENSORS, print)
    assert sorted([*(tmp_path / "run").rglob("*"), folder.last_path]) == before


def test_model_and_normalization(tmp_path):
    folder = create(tmp_path / "run")
    folder.write_model({"0.weight": np.ones((2, 2), np.float32)})
    folder.write_normalization({"shift": np.zeros((1, 1, 1)), "scale": np.full((1, 1, 1), 1 / 255)})
    assert folder.model_path.name == "model.safetensors"
    arrays = folder.normalization()
    assert arrays["scale"].dtype == np.float64
    assert arrays["scale"].item() == 1 / 255


def test_paths_of_new_runs_are_free(tmp_path):
    first = new_run_path("lenet", tmp_path)
    assert first.parent == tmp_path / "lenet"
    first.mkdir(parents=True)
    second = new_run_path("lenet", tmp_path)
    assert second != first
    assert not second.exists()


def test_environment_is_fit_for_json():
    environment = json.loads(json.dumps(describe_environment()))
    assert environment["versions"]["numpy"] == np.__version__
    assert environment["threads"] >= 1
    assert set(environment) == {"versions", "platform", "device", "kernels", "precision", "threads", "git_commit"}
    commit = environment["git_commit"]
    assert commit is None or len(commit) == 40


def test_the_version_is_known_where_nothing_is_installed(monkeypatch):
    """Out of a bare checkout there are no metadata."""

    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    assert describe_environment()["versions"].keys() == {"gpucnn", "python"}
