"""Runs that are not there, cannot be made, are damaged or are another's."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from gpucnn.cli import main
from tests.bad_input import files as bad
from tests.bad_input.commands import GO_ON, LAST, MODEL, PREVIOUS, TRAIN


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train x.yaml --run-dir x.yaml", "the run folder x.yaml is a file; give another --run-dir"),
        ("train x.yaml --run-dir x.yaml/run", "x.yaml/run: Not a directory; give another path"),
        ("train x.yaml --run-dir /proc/run", "/proc/run: No such file or directory; give another path"),
        (f"train x.yaml --run-dir {'r' * 300}", "rrr: File name too long; give another path"),
        ("train x.yaml --resume nowhere", "no run at nowhere: it does not exist; expected a folder that"),
        ("train x.yaml --resume latest", "RUN 'latest': there is no run below"),
        ("eval nowhere", "no run at nowhere: it does not exist; expected a folder that `gpucnn train` made"),
        ("eval .", "no run at .: it holds no config.yaml; expected a folder that `gpucnn train` made"),
        ("eval x.yaml", "no run at x.yaml: it is no folder; expected a folder that `gpucnn train` made"),
        ("eval latest", "train one first (gpucnn train CONFIG), or give a run's folder"),
        ("predict latest x.png", "RUN 'latest': there is no run below"),
        ("summary nowhere", "'nowhere' is neither a file nor a shipped configuration; known are "),
        ("summary latest", "RUN 'latest': there is no run below"),
    ],
)
def test_a_run_that_is_not_there_or_cannot_be_made(command: str, words: str, refused) -> None:
    refused(command, words)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(folder, refused) -> None:
    (folder / "locked").mkdir(mode=0o500)
    refused("train x.yaml --run-dir locked/run", "Permission denied; give another path, or change its permissions")


def test_a_folder_that_holds_a_run(run, refused) -> None:
    refused(TRAIN, "run already holds a run (config.yaml); give another --run-dir, or continue it: --resume run")


def spoil(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes(content)


def cut(name: str) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:-8])


def remove(name: str) -> Callable[[Path], object]:
    return lambda run: (run / name).unlink()


def last_alone(damage: Callable[[Path], object]) -> Callable[[Path], object]:
    """The damage, and no checkpoint before it to fall back to."""

    def done(run: Path) -> None:
        damage(run)
        (run / PREVIOUS).unlink()

    return done


def not_finite(run: Path) -> None:
    weights = safetensors.numpy.load_file(run / "model.safetensors")
    weights["0.weight"][0] = np.nan
    safetensors.numpy.save_file(weights, run / "model.safetensors")


def another_normalization(run: Path) -> None:
    arrays = {"shift": np.zeros((3, 1, 1)), "scale": np.ones((3, 1, 1))}
    safetensors.numpy.save_file(arrays, run / "normalization.safetensors")


PREDICT = "predict run picture.png"

RUNS: dict[str, tuple[Callable[[Path], object], str, tuple[str, ...]]] = {
    # kind: what is done to the run, the command, words
    "fewer epochs than are done": (
        lambda run: None,
        "train x.yaml --resume run --quiet train.epochs=1",
        ("epochs is 1, but 2 are done or under way", "give at least 2"),
    ),
    "a truncated checkpoint": (
        last_alone(cut(LAST)),
        GO_ON,
        (f"run/{LAST} is damaged, cut short or no safetensors file", "give another copy"),
    ),
    "a checkpoint that is garbage": (
        last_alone(spoil(LAST, b"garbage" * 99)),
        GO_ON,
        (f"run/{LAST} is no safetensors file", "give another copy"),
    ),
    "an empty checkpoint": (
        last_alone(spoil(LAST, b"")),
        GO_ON,
        (f"run/{LAST} is damaged, cut short", "give another copy"),
    ),
    "weights in place of a checkpoint": (
        last_alone(lambda run: shutil.copy(run / MODEL, run / LAST)),
        GO_ON,
        (f"run/{LAST} is no checkpoint of gpucnn: it holds no state beside its tensors",),
    ),
    "no checkpoint": (
        last_alone(remove(LAST)),
        GO_ON,
        ("run was stopped before its first checkpoint; remove the folder and",),
    ),
    "a log cut short": (
        spoil("batches.csv", b"split"),
        GO_ON,
        ("run/batches.csv was changed after the checkpoint", "Restore it, or train again in another folder"),
    ),
    "a log missing": (remove("batches.csv"), GO_ON, ("run/batches.csv: No such file or directory",)),
    "weights that are garbage": (
        spoil(MODEL, b"garbage" * 99),
        "eval run",
        (f"run/{MODEL} is no safetensors file: its header would take", "give another copy"),
    ),
    "pickled weights": (spoil(MODEL, b"\x80\x04\x95."), "eval run", (f"run/{MODEL} is no safetensors file",)),
    "truncated weights": (cut(MODEL), "eval run", (f"run/{MODEL} is damaged, cut short or no safetensors file",)),
    "weights that are not finite, measured": (
        not_finite,
        "eval run",
        ("run: the network's outputs are not finite", "train again, with a lower learning rate (optimizer.lr)"),
    ),
    "weights that are not finite, asked": (not_finite, PREDICT, ("run: the network's outputs are not finite",)),
    "a normalization of other images": (
        another_normalization,
        PREDICT,
        ("run/normalization.safetensors: 'shift' has shape (3, 1, 1), which does not fit images of (1, 28, 28)",),
    ),
    "no description": (
        lambda run: [remove(name)(run) for name in ("pipeline.json", "environment.json")],
        "eval run",
        ("run/environment.json is missing or damaged", "there is no pipeline.json; restore them, or train again"),
    ),
    "a pipeline that is no JSON": (
        spoil("pipeline.json", b"{"),
        PREDICT,
        ("run/pipeline.json: the file: Invalid JSON", "Restore it, or train again"),
    ),
    "a pipeline of other images": (
        lambda run: (run / "pipeline.json").write_text(
            (run / "pipeline.json").read_text().replace('"channels": 1', '"channels": -1')
        ),
        PREDICT,
        ("run/pipeline.json: channels: Input should be greater than or equal to 1",),
    ),
    "a configuration that is no YAML": (spoil("config.yaml", b"name: ["), "eval run", ("run/config.yaml:1:8: not",)),
    "a picture that is not there": (
        lambda run: None,
        "predict run picture.png nothing.png",
        ("nothing.png: No such file or directory; give another path",),
    ),
    "a folder for a picture": (
        lambda run: None,
        "predict run run",
        ("run holds no pictures; give a picture, a folder of pictures, a table",),
    ),
    "a text called .png": (
        spoil("../picture.png", b"hello"),
        PREDICT,
        ("picture.png is not a picture; expected one of PNG, JPEG, BMP, GIF, WEBP",),
    ),
    "a truncated picture": (
        spoil("../picture.png", bad.png()[:200]),
        PREDICT,
        ("picture.png: the picture is damaged or truncated", "Give another copy"),
    ),
    "a picture too large to unpack": (
        spoil("../picture.png", bad.png_announcing(60_000, 60_000)),
        PREDICT,
        ("picture.png: the picture is too large to unpack", "Give a smaller one"),
    ),
    "an unknown data set": (
        lambda run: None,
        "eval run --data minst",
        ("There is no data set 'minst'; there are mnist, fashion_mnist, digits",),
    ),
    "a data set that needs options": (
        lambda run: None,
        "eval run --data folder",
        ("--data folder: it needs options, which only a configuration can give; train on it instead",),
    ),
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run(kind: str, folder, run, refused) -> None:
    damage, command, words = RUNS[kind]
    bad.write_files(folder, {"picture.png": bad.png()})
    damage(run)
    refused(command, *words)


def test_another_configuration_than_the_runs(run, refused) -> None:
    refused(
        f"{GO_ON} optimizer.lr=0.5 train.batch_size=16",
        "--resume run: the configuration is not the run's own; they differ in",
        "\n  optimizer.lr: 0.01 -> 0.5\n  train.batch_size: 32 -> 16\n",
        "Give run/config.yaml, or begin a new run",
        lines=4,
    )


def test_a_checkpoint_of_another_network(run, a_wider_run, refused) -> None:
    for name in (LAST, PREVIOUS):
        shutil.copy(a_wider_run / name, run / name)
    shutil.copy(a_wider_run / MODEL, run / MODEL)
    refused(GO_ON, f"run/{LAST} does not fit this network: model.0.weight has shape (5, 1, 5, 5), expected (4, 1, 5,")
    refused("eval run", f"run/{MODEL} does not fit this network: 0.weight has shape (5, 1, 5, 5)", "another file")
    other = f"train x.yaml --run-dir new --quiet train.init_from={a_wider_run}"
    refused(other, "train.init_from:", "does not fit this network", "another file")


def test_a_checkpoint_of_another_version(run, refused) -> None:
    """A state beside the tensors that does not say where the training stood."""
    data = (run / LAST).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    del header["__metadata__"]["gpucnn.sha256"]
    header["__metadata__"]["gpucnn"] = header["__metadata__"]["gpucnn"].replace('"epoch":2', '"epoch":-2')
    new = json.dumps(header).encode()
    (run / LAST).write_bytes(len(new).to_bytes(8, "little") + new + data[8 + length :])
    (run / PREVIOUS).unlink()
    refused(GO_ON, f"run/{LAST}: the checkpoint's position.", "epoch is damaged: -2; restore it, or train again")


@pytest.mark.parametrize("damage", [cut(LAST), remove(LAST), spoil(LAST, b"garbage" * 99)])
def test_a_damaged_checkpoint_with_another_before_it(damage, run, capsys) -> None:
    damage(run)
    assert main(GO_ON.split()) == 0
    printed = capsys.readouterr().err
    assert f"run/{LAST}" in printed and printed.endswith("Training goes on from the checkpoint before it\n")
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 3


def test_weights_with_a_changed_byte(run, refused) -> None:
    content = bytearray((run / MODEL).read_bytes())
    content[-3] ^= 64
    (run / MODEL).write_bytes(content)
    refused("eval run", f"run/{MODEL} is damaged: its bytes do not match its checksum", "give another copy")


def test_test_images_of_another_shape(folder, a_run_of_colours, refused) -> None:
    refused(
        f"eval {a_run_of_colours} --data digits",
        "the images of digits are 1 x 28 x 28, and the network was trained on 3 x 16 x 16; give a data set of that",
    )


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_a_result_that_is_none(text: str, run, capsys) -> None:
    (run / "result.json").write_text(text)
    assert main(["train", "x.yaml", "--resume", "run"]) == 2
    assert "run/result.json is damaged" in capsys.readouterr().err
