"""Checkpoint files: exact, repeatable, whole or absent, and strict about what they read."""

import errno
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from gpucnn.errors import CheckpointError
from gpucnn.training.checkpoint import State, load_state, read_tensors, read_weights, save_state, save_weights


def example(dtype=np.float32):
    rng = np.random.default_rng(3)
    tensors = {
        "model.0.weight": rng.standard_normal((4, 1, 3, 3)).astype(dtype),
        "model.1.num_batches_tracked": np.array(7, np.int64),
        "optimizer.momentum": rng.standard_normal(36).astype(dtype),
    }
    return State(tensors, {"step": 12, "generator": {"state": 2**127 + 1}, "loss": 0.1 + 0.2, "name": "é"})


def by_hand(header: dict, body: bytes = b"") -> bytes:
    """A safetensors file written without the library: the header's length, the header, the bytes."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_comes_back_bit_for_bit(tmp_path, dtype):
    state = example(dtype)
    save_state(tmp_path / "a.safetensors", state)
    back = load_state(tmp_path / "a.safetensors", state.tensors)
    assert back.values == state.values
    assert list(back.tensors) == list(state.tensors)
    for name, array in state.tensors.items():
        assert back.tensors[name].dtype == array.dtype
        assert back.tensors[name].shape == array.shape
        assert back.tensors[name].tobytes() == array.tobytes()


def test_equal_states_make_equal_bytes_in_whatever_order_they_were_built(tmp_path):
    state = example()
    backwards = State(dict(reversed(state.tensors.items())), dict(reversed(state.values.items())))
    for name, each in (("a", state), ("b", backwards), ("c", state)):
        save_state(tmp_path / name, each)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(24.0, dtype=np.float32).reshape(4, 6)[:, ::2],
        np.arange(6.0)[::-1],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 3)),
        np.array(5, np.int64),
    ],
)
def test_arrays_that_are_not_contiguous_are_written_as_they_look(tmp_path, array):
    save_weights(tmp_path / "w", {"a": array})
    back = read_weights(tmp_path / "w", {"a": array})["a"]
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_weights_come_out_of_a_checkpoint_too(tmp_path):
    state = example()
    save_state(tmp_path / "last", state)
    like = {"0.weight": np.zeros((4, 1, 3, 3)), "1.num_batches_tracked": np.array(0)}
    weights = read_weights(tmp_path / "last", like)  # float32 in the file, float64 in the network
    np.testing.assert_array_equal(weights["0.weight"], state.tensors["model.0.weight"])
    assert weights["1.num_batches_tracked"] == 7


def test_weights_are_pytorchs_to_read(tmp_path):
    torch_file = pytest.importorskip("safetensors.torch", reason="PyTorch is not installed", exc_type=ImportError)
    save_weights(tmp_path / "w", {"0.weight": np.ones((2, 3), np.float32)})
    assert torch_file.load_file(tmp_path / "w")["0.weight"].tolist() == [[1.0] * 3] * 2


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
DAMAGED = {
    "empty": b"",
    "text": b"epoch,loss\n1,0.5\n" * 20,
    "a pickle": b"\x80\x04\x95" + b"x" * 100,
    "a header longer than the file": struct.pack("<Q", 1000) + b"{}",
    "a header of many gigabytes": struct.pack("<Q", 2**60) + b"{}",
    "a shape that overflows": by_hand({"a": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 4]}}, b"1234"),
    "a shape without its bytes": by_hand({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
    "a header nested without end": struct.pack("<Q", 10**5) + b"[" * 10**5,
    "bytes that belong to two tensors": by_hand({"a": F32, "b": F32}, b"1234"),
    "bytes after the last tensor": by_hand({"a": F32}, b"12345678"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_foreign_and_hostile_files_are_refused_in_one_message(tmp_path, content):
    path = tmp_path / "last.safetensors"
    path.write_bytes(content)
    for load in (load_state, read_weights):
        with pytest.raises(CheckpointError, match=r"last\.safetensors is .*(damaged|no safetensors file)"):
            load(path, {"a": np.zeros(1, np.float32)})


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path, state = tmp_path / "last", example()
    save_state(path, state)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged"):
            load_state(path, state.tensors)


@pytest.mark.parametrize("text", ["{", "[" * 10**5, "[]", "NaN", '"a"', "1" * 5000])
def test_a_checkpoint_with_a_broken_state_is_refused(tmp_path, text):
    path = tmp_path / "last"
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(1, np.float32)}, {"gpucnn": text}))
    with pytest.raises(CheckpointError, match="damaged: the state beside its tensors"):
        load_state(path, {"a": np.zeros(1, np.float32)})


def changed_byte(content, rng):
    """The file with one byte changed, anywhere."""
    changed = bytearray(content)
    changed[rng.integers(len(content))] ^= rng.integers(1, 256)
    return bytes(changed)


CHANGES = 600
KINDS = {
    "a checkpoint": (lambda path, state: save_state(path, state), lambda path, like: load_state(path, like)),
    "weights": (lambda path, state: save_weights(path, state.tensors), lambda path, like: read_weights(path, like)),
    "all tensors": (lambda path, state: save_weights(path, state.tensors), lambda path, like: read_tensors(path)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_changed_byte_is_refused_or_harmless(tmp_path, kind):
    """Harmless are changes to the spacing of the header, and to the checksum's name."""
    save, load = KINDS[kind]
    path, state, rng = tmp_path / "file", example(), np.random.default_rng(0)
    save(path, state)
    whole, refused = path.read_bytes(), 0
    for _ in range(CHANGES):
        path.write_bytes(changed_byte(whole, rng))
        try:
            back = load(path, state.tensors)
        except CheckpointError as error:
            assert str(error).startswith(f"{path} ")
            refused += 1
            continue
        if isinstance(back, State):
            assert {name: back.values[name] for name in state.values} == state.values
            back = back.tensors
        assert {name: array.tobytes() for name, array in back.items()} == {
            name: array.tobytes() for name, array in state.tensors.items()
        }
    assert refused > 0.95 * CHANGES


def test_a_change_that_safetensors_does_not_see_is_told_as_damage(tmp_path):
    path, state = tmp_path / "file", example()
    save_state(path, state)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert safetensors.numpy.load_file(path).keys() == state.tensors.keys()
    for load, like in ((load_state, state.tensors), (read_weights, {"0.weight": state.tensors["model.0.weight"]})):
        with pytest.raises(CheckpointError, match="do not match its checksum, so it was changed after it was saved"):
            load(path, like)


def test_files_without_a_checksum_load(tmp_path):
    state = example()
    (tmp_path / "w").write_bytes(safetensors.numpy.save(state.tensors))
    assert read_weights(tmp_path / "w", state.tensors).keys() == state.tensors.keys()
    assert read_tensors(tmp_path / "w").keys() == state.tensors.keys()
    (tmp_path / "c").write_bytes(safetensors.numpy.save(state.tensors, {"gpucnn": json.dumps(state.values)}))
    assert load_state(tmp_path / "c", state.tensors).values == state.values


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist; expected a safetensors file"):
        load_state(tmp_path / "none", {})
    with pytest.raises(CheckpointError, match="is not a file"):
        read_weights(tmp_path, {})


def test_weights_alone_are_no_checkpoint(tmp_path):
    save_weights(tmp_path / "w", {"a": np.zeros(1)})
    with pytest.raises(CheckpointError, match="is no checkpoint of gpucnn"):
        load_state(tmp_path / "w", {"a": np.zeros(1)})


def test_another_networks_file_is_told_apart_name_by_name(tmp_path):
    path, state = tmp_path / "last", example()
    save_state(path, state)
    like = dict(state.tensors)
    like["model.0.weight"] = np.zeros((8, 1, 3, 3), np.float32)
    like["model.2.bias"] = like.pop("model.1.num_batches_tracked")
    like["optimizer.momentum"] = np.zeros(36)
    with pytest.raises(CheckpointError) as caught:
        load_state(path, like)
    message = str(caught.value)
    assert "model.0.weight has shape (4, 1, 3, 3), expected (8, 1, 3, 3)" in message
    assert "model.2.bias is missing" in message
    assert "'model.1.num_batches_tracked' () is not expected" in message
    assert "optimizer.momentum is F32, expected F64" in message


def test_a_thousand_differences_make_a_message_one_can_read(tmp_path):
    save_weights(tmp_path / "w", {"x" * 5000 + str(i): np.zeros(1) for i in range(1000)})
    with pytest.raises(CheckpointError, match="and 993 more") as caught:
        read_weights(tmp_path / "w", {"a": np.zeros(1)})
    assert len(str(caught.value)) < 2000


def test_numbers_of_another_kind_are_refused(tmp_path):
    body = by_hand({"a": {"dtype": "I16", "shape": [2], "data_offsets": [0, 4]}}, b"1234")
    (tmp_path / "w").write_bytes(body)
    with pytest.raises(CheckpointError, match="a is I16, expected F32 or F64 or F16 or BF16"):
        read_weights(tmp_path / "w", {"a": np.zeros(2, np.float32)})


@pytest.mark.parametrize("broken", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch, broken):
    path, state = tmp_path / "last", example()
    save_state(path, state)
    before = path.read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if broken == "write":
        opened = Path.open

        def without_room(self, mode="r", **options):
            file = opened(self, mode, **options)
            if mode == "xb":
                file.close()
                full()
            return file

        monkeypatch.setattr(Path, "open", without_room)
    else:
        monkeypatch.setattr(os, broken, full)
    with pytest.raises(OSError, match="No space left on device"):
        save_state(path, State(state.tensors, {"step": 13}))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last"]


def test_a_disk_that_fills_while_writing_leaves_the_old_checkpoint_whole(tmp_path):
    path = tmp_path / "last"
    tensors = {"model.a": np.ones(1000)}
    save_state(path, State(tensors, {}))
    before = path.read_bytes()
    script = """
import resource, signal, sys
import numpy as np
from gpucnn.training.checkpoint import State, save_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # bytes: half of what the file needs
try:
    save_state(sys.argv[1], State({"model.a": np.zeros(1000)}, {}))
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last"]
