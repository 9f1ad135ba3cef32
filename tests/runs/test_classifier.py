"""What `gpucnn.load` returns: the same answers however pictures are given, and wherever the run is opened."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gpucnn
from gpucnn.cli import main
from gpucnn.errors import DataError
from gpucnn.kernels.c import library

SEEDS = range(6)
RANGES = ("bytes", "unit", "signed", "16 levels", "binary", "16 bits")
NAMES = ["cat", "dog", "eel"]
MODEL = """
model:
  - conv2d: {out_channels: 3, kernel_size: 3}
  - batch_norm2d
  - relu
  - flatten
  - linear: {out_features: 3}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 2, batch_size: 16}
device: cpu
report: false
"""

ELSEWHERE = """
import sys, numpy as np, gpucnn
from pathlib import Path
for run in sorted(Path(sys.argv[1]).iterdir()):
    given = np.load(run / "given.npz")
    classifier = gpucnn.load(run)
    np.save(run / f"{sys.argv[2]}.npy", np.stack([
        classifier.predict_proba(given["pictures"]),
        classifier.predict_proba(sorted(run.glob("*.png"))),
        classifier.predict_proba(sorted((run / "modes").iterdir())),
    ]))
"""


def spots(rng: np.random.Generator, n: int, channels: int, size: tuple[int, int]) -> np.ndarray:
    """Bright spots on black, (N, C, H, W) uint8; every picture reaches white, and holds black and white alone
    in half of its pixels."""
    images = np.zeros((n, channels, *size), np.uint8)
    images[:, :, 1:-1, 1:-1] = rng.choice([0, 51, 102, 255], images[:, :, 1:-1, 1:-1].shape)
    images[:, :, 2, 2] = 255
    return images


def in_range(images: np.ndarray, which: str) -> np.ndarray:
    """Bytes in another range and type."""
    return {
        "bytes": images,
        "unit": (images / 255).astype(np.float32),
        "signed": (images / 127.5 - 1).astype(np.float32),
        "16 levels": np.rint(images / 255 * 15).astype(np.int64) + (images == 255),
        "binary": (images > 127).astype(np.int32),
        "16 bits": images.astype(np.uint16) * 257,
    }[which]


def save_in_any_mode(picture: np.ndarray, folder: Path, number: int) -> None:
    """A picture (C, H, W) as a file in a colour mode and a format that change none of its pixels."""
    image = Image.fromarray(picture.transpose(1, 2, 0).squeeze())
    forms = [("RGB", "ppm"), ("RGBA", "png"), ("RGB", "bmp"), ("RGB", "tiff"), ("RGBA", "webp")]
    if len(picture) == 1:
        forms += [("L", "pgm"), ("LA", "png"), ("P", "gif"), ("I;16", "png")]
    mode, suffix = forms[number % len(forms)]
    wide = Image.fromarray(picture[0].astype(np.uint16) * 257) if mode == "I;16" else None
    options = {"lossless": True} if suffix == "webp" else {}
    (wide or image.convert(mode)).save(folder / f"{number}.{suffix}", **options)


def train(folder: Path, pixels: np.ndarray, labels: np.ndarray, normalize: str, layout: str) -> Path:
    """A run on these pixels (N, C, H, W), laid out in an archive as `layout` says."""
    folder.mkdir()
    laid = pixels if layout == "channels_first" else pixels.transpose(0, 2, 3, 1)
    np.savez(folder / "x.npz", x_train=laid, y_train=labels, x_test=laid[:20], y_test=labels[:20])
    data = f"{{name: npz, path: {folder / 'x.npz'}, layout: {layout}, normalize: {normalize}, class_names: {NAMES}}}"
    (folder / "x.yaml").write_text(f"data: {data}\n{MODEL}")
    assert main(["train", str(folder / "x.yaml"), "--run-dir", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> list[dict[str, Any]]:
    """Random networks on random pictures of random ranges, types and layouts."""
    folder = tmp_path_factory.mktemp("cases")
    (folder / "moved").mkdir()
    made = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        channels, size = int(rng.choice([1, 3])), (int(rng.integers(6, 10)), int(rng.integers(6, 10)))
        pictures = spots(rng, 40, channels, size)
        normalize = str(rng.choice(["none", "unit", "standard", "mean_image"]))
        layout = str(rng.choice(["channels_first", "channels_last"]))
        run = train(folder / str(seed), in_range(pictures, RANGES[seed]), np.arange(40) % 3, normalize, layout)
        given = pictures[:9]
        made.append({"classifier": gpucnn.load(run), "pictures": given, "range": RANGES[seed]})
        moved = Path(shutil.move(run, folder / "moved" / str(seed)))
        np.savez(moved / "given.npz", pictures=in_range(given, RANGES[seed]))
        (moved / "modes").mkdir()
        for number, picture in enumerate(given):
            save_in_any_mode(picture, moved / "modes", number)
            Image.fromarray(picture.transpose(1, 2, 0).squeeze()).save(moved / f"{number}.png")
        made[-1]["run"] = moved
    return made


@pytest.fixture(scope="module", params=["auto", "numpy", *list(library.usable())[-1:]])
def elsewhere(request, cases) -> str:
    """The same in another process, from another folder, with each set of kernels."""
    environment = {**os.environ, "GPUCNN_KERNELS": request.param, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ELSEWHERE, str(cases[0]["run"].parent), request.param]
    subprocess.run(command, check=True, env=environment, cwd=cases[0]["run"])
    return request.param


@pytest.mark.parametrize("seed", SEEDS)
def test_another_process_folder_and_kernel_set_give_the_same_answers(seed, cases, elsewhere) -> None:
    case = cases[seed]
    own = case["classifier"].predict_proba(in_range(case["pictures"], case["range"]))
    arrays, files, in_modes = np.load(case["run"] / f"{elsewhere}.npy")
    assert np.ptp(own, axis=0).max() > 1e-4  # pictures are told apart
    if elsewhere == "auto":
        assert np.array_equal(arrays, own)
    np.testing.assert_allclose(arrays, own, rtol=0, atol=1e-5)
    np.testing.assert_allclose(in_modes, files, rtol=0, atol=1e-5)
    if case["range"] not in ("binary", "16 levels"):  # files tell more shades than these
        np.testing.assert_allclose(files, own, rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_types_layouts_and_files_change_nothing(seed, cases) -> None:
    classifier, pictures = cases[seed]["classifier"], cases[seed]["pictures"]
    own = in_range(pictures, cases[seed]["range"])
    expected = classifier.predict_proba(own)
    dtypes = ("float32", "float64", *(("int64", "uint16", "uint8") if own.max() <= 255 and own.min() >= 0 else ()))
    for dtype in dtypes if cases[seed]["range"] != "unit" else ("float32", "float64"):
        assert np.array_equal(classifier.predict_proba(own.astype(dtype)), expected), dtype
    rows = own.reshape(len(own), -1)  # (N, C*H*W)
    for given in (own.transpose(0, 2, 3, 1), list(own), rows, own.tolist(), gpucnn.Tensor(own.astype(np.float32))):
        np.testing.assert_allclose(classifier.predict_proba(given), expected, rtol=0, atol=1e-6)
    singles = [classifier.predict_proba(image)[0] for image in own]
    np.testing.assert_allclose(singles, expected, rtol=0, atol=1e-5)
    files = sorted(cases[seed]["run"].glob("*.png"))
    opened = [Image.open(file) for file in files]
    assert np.array_equal(classifier.predict_proba(files), classifier.predict_proba([str(file) for file in files]))
    assert np.array_equal(classifier.predict_proba(files), classifier.predict_proba(opened))
    assert classifier.predict(own) == [NAMES[label] for label in expected.argmax(axis=1)]
    assert classifier.classes == tuple(NAMES)


def test_many_files_are_read_some_at_a_time(cases, monkeypatch) -> None:
    monkeypatch.setattr("gpucnn.runs.classifier.BATCH_SIZE", 4)
    classifier, files = cases[0]["classifier"], sorted(cases[0]["run"].glob("*.png"))
    counts, images = [], type(classifier.pipeline).images
    monkeypatch.setattr(
        type(classifier.pipeline), "images", lambda *given, **options: counts.append(len(given[1])) or images(*given)
    )
    assert classifier.predict_proba(files).shape == (9, 3) and counts == [4, 4, 1]


def test_what_leaves_the_meaning_open_is_refused(cases) -> None:
    classifier = cases[0]["classifier"]
    for given in (np.full((2, 2, 9, 9), 300.5), np.zeros((2, 5, 9, 9)), np.full((9, 9), np.nan), "nothing.png", []):
        with pytest.raises((DataError, OSError)):
            classifier.predict(given)


def test_a_ground_opposite_to_the_trainings_is_said(cases) -> None:
    classifier, pictures = cases[0]["classifier"], cases[0]["pictures"]
    with pytest.warns(UserWarning, match=r"9 pictures have a bright ground \(of 9\), and training's was dark"):
        wrong = classifier.predict_proba(255 - pictures)
    right = classifier.predict_proba(255 - pictures, invert=True)
    assert np.array_equal(right, classifier.predict_proba(pictures)) and not np.allclose(wrong, right)


def test_a_blank_picture_is_said(cases) -> None:
    classifier, pictures = cases[0]["classifier"], cases[0]["pictures"].copy()
    pictures[3] = 0
    with pytest.warns(UserWarning, match=r"1 picture is of one colour throughout \(of 9\)"):
        classifier.predict(pictures)


@pytest.mark.parametrize(
    ("last", "outputs"),
    [("softmax", "probabilities"), ("sigmoid", "probabilities"), ("log_softmax", "log_probabilities")],
)
def test_probabilities_are_the_networks_own(last, outputs, cases, tmp_path) -> None:
    pictures = np.concatenate([cases[0]["pictures"]] * 3)
    text = MODEL.replace("out_features: 3}", f"out_features: 3}}\n  - {last}") + "loss: {name: mse}\n"
    np.savez(tmp_path / "x.npz", x_train=pictures, y_train=np.arange(27) % 3)
    (tmp_path / "x.yaml").write_text(f"data: {{name: npz, path: {tmp_path / 'x.npz'}}}\n{text}")
    assert main(["train", str(tmp_path / "x.yaml"), "--run-dir", str(tmp_path / "run"), "--quiet"]) == 0
    assert json.loads((tmp_path / "run/pipeline.json").read_text())["outputs"] == outputs
    classifier = gpucnn.load(tmp_path / "run")
    inputs = classifier.pipeline.inputs(pictures, classifier.normalizer)
    with gpucnn.no_grad():
        own = classifier.net(gpucnn.Tensor(inputs)).numpy()
    own = np.exp(own) if outputs == "log_probabilities" else own
    np.testing.assert_allclose(classifier.predict_proba(pictures), own, atol=1e-6)


def test_a_run_without_weights_or_with_infinite_ones_is_told(cases) -> None:
    classifier = cases[1]["classifier"]
    classifier.net[4].bias.data[:] = np.inf
    with pytest.raises(gpucnn.InputError, match="the network's outputs are not finite"):
        classifier.predict(in_range(cases[1]["pictures"], cases[1]["range"]))
