"""Networks that answer for each pixel, and with pictures: trained from YAML, used by every command, faults told."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gpucnn
from gpucnn.cli import main
from gpucnn.data import load_source
from gpucnn.errors import ConfigError, DataError, InputError
from gpucnn.explain.overlays import class_colours, overlay
from gpucnn.report.facts import report_facts
from gpucnn.runs.folder import RunFolder
from gpucnn.runs.saved import open_run

MODEL = """\
model:
  - conv2d: {{out_channels: 6, kernel_size: 3, padding: same}}
  - relu
  - conv2d: {{out_channels: {outputs}, kernel_size: 1}}
optimizer: {{name: adam, lr: 0.02}}
train: {{epochs: 8, batch_size: 16}}
report: false
"""
NPZ = "device: cpu\ndata: {name: npz, path: shades.npz, "
PIXELS = f"name: pixels\n{NPZ}labels: pixels, class_names: [dark, middle, bright], validation: 0.2}}\n"
PIXELS += MODEL.format(outputs="classes")
PICTURES = f"name: pictures\n{NPZ}target: inputs, labels: classes}}\nloss: {{name: mse}}\n" + MODEL.format(outputs=1)


def shades(n, seed):
    """Pictures (n, 8, 10) of three shades with noise, and the shade of each pixel."""
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, 3, (n, 4, 5)).repeat(2, axis=1).repeat(2, axis=2)
    return (100 * masks + rng.integers(0, 50, masks.shape)).astype(np.uint8), masks


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with both archives, both configurations, and the runs `pixels` and `pictures`."""
    folder = tmp_path_factory.mktemp("maps")
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        write_archive("shades.npz")
        for text in (PIXELS, PICTURES):
            name = text.split()[1]
            if name == "pictures":
                write_archive("shades.npz", classes=True)
            Path(f"{name}.yaml").write_text(text)
            assert main(["train", f"{name}.yaml", "--run-dir", name, "--quiet"]) == 0
        write_archive("shades.npz")
        write_archive("classes.npz", classes=True)
    return folder


def write_archive(path, classes=False):
    (x, y), (x_test, y_test) = shades(100, 0), shades(20, 1)
    if classes:
        y, y_test = (part[:, 0, 0] for part in (y, y_test))
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)


@pytest.fixture
def here(trained, in_an_empty_folder):
    """A copy of that folder, in which the test runs."""
    shutil.copytree(trained, in_an_empty_folder, dirs_exist_ok=True)
    return in_an_empty_folder


def result(run):
    return json.loads(Path(run, "result.json").read_text())


def test_results_and_logs(here, capsys):
    pixels, pictures = result("pixels"), result("pictures")
    assert [row["name"] for row in pixels["classes"]] == ["dark", "middle", "bright"]
    assert set(pixels["classes"][0]) == {"name", "iou", "dice", "precision", "recall", "support"}
    assert pixels["test_accuracy"] is pixels["macro"] is pixels["confusion_matrix"] is None
    assert 0.5 < pixels["mean_iou"] < pixels["mean_dice"] <= 1 and pixels["validation_score"] == "mean_iou"
    assert pictures["psnr"] == pytest.approx(-10 * np.log10(pictures["test_loss"]), abs=1e-3)
    last = json.loads(Path("pixels/metrics.jsonl").read_text().splitlines()[-1])
    assert last["validation_accuracy"] is None and last["validation_score"] == last["mean_iou"]
    assert list(RunFolder(Path("pixels")).path.glob("pipeline.json"))
    assert json.loads(Path("pixels/pipeline.json").read_text())["outputs"] == "pixel_logits"
    assert main(["eval", "pixels"]) == 0
    told = capsys.readouterr().out
    assert f"mean IoU {pixels['mean_iou']:.4f}, mean Dice {pixels['mean_dice']:.4f}" in told and "middle" in told


def test_a_run_that_was_stopped_ends_with_the_same_bytes(here):
    assert main(["train", "pixels.yaml", "--run-dir", "again", "--quiet", "--until", "1"]) == 0
    assert main(["train", "pixels.yaml", "--resume", "again", "--quiet"]) == 0
    assert Path("again/model.safetensors").read_bytes() == Path("pixels/model.safetensors").read_bytes()


def test_arrays_are_answered(here):
    images, masks = shades(20, 1)
    pixels, pictures = gpucnn.load("pixels"), gpucnn.load("pictures")
    answers = pixels.predict(images[:, None])
    assert answers.shape == masks.shape and answers.dtype == np.uint8 and (answers == masks).mean() > 0.7
    shares = pixels.predict_proba(images[:, None])
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert pictures.predict(images[:, None]).shape == (20, 1, 8, 10)
    assert "3 classes" in repr(pixels) and "1 channels" in repr(pictures)
    with pytest.raises(ConfigError, match="tta: answers are as large as the picture"):
        pixels.predict(images[:, None], tta="flip")


def test_answers_are_written_in_the_size_of_the_picture(here, capsys):
    Path("photos").mkdir()
    Image.fromarray(shades(1, 3)[0][0]).resize((20, 24)).save("photos/a.png")
    Image.new("RGB", (30, 16), "white").save("photos/a.jpg")
    assert main(["predict", "pixels", "photos", "--out", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(each["answer"]).name for each in told] == ["a.png", "a-2.png"]
    for each, size in zip(told, [(30, 16), (20, 24)], strict=True):
        with Image.open(each["answer"]) as mask, Image.open(each["overlay"]) as shown:
            assert mask.size == shown.size == size and mask.mode == "P"
            assert mask.getpalette()[3:6] == class_colours()[1].tolist()
        assert sum(each["pixels"].values()) == pytest.approx(1)
    assert main(["predict", "pictures", "shades.npz", "--out", "out2"]) == 0
    assert "1: out2/1.png" in capsys.readouterr().out
    with Image.open("out2/20.png") as picture:
        assert picture.size == (10, 8)
    assert main(["predict", "pixels", "photos", "--csv", "x.csv"]) == 2
    assert "the run answers each picture with a picture" in capsys.readouterr().err


def test_the_page_shows_answers_beside_labels(here):
    from gpucnn.cli.report import with_test_images

    facts = report_facts(with_test_images(open_run("pixels")))
    answers = facts["answers"]
    assert answers["columns"] == ["picture", "label", "answer"] and answers["pictures"]["shape"] == [3, 1, 8, 10]
    figures = [figure for _, figure in answers["images"]]
    assert len(figures) == 20 and figures == sorted(figures) and "examples" not in facts
    assert [name for name, _ in answers["legend"]] == ["middle", "bright"]
    assert [row[0] for row in facts["scores"]["rows"]] == ["dark", "middle", "bright", "mean"]
    write_archive("shades.npz", classes=True)
    facts = report_facts(with_test_images(open_run("pictures")))
    assert facts["answers"]["columns"] == ["picture", "answer"] and facts["answers"]["legend"] == []


def test_overlays_show_the_ground_as_it_is():
    pictures, masks = np.full((1, 1, 2, 2), 100, np.uint8), np.array([[[0, 1], [255, 0]]], np.uint8)
    shown = overlay(pictures, masks)
    assert (shown[0, :, 0, 0] == 100).all() and (shown[0, :, 1, 0] == 177).all()
    np.testing.assert_array_equal(shown[0, :, 0, 1], (100 + class_colours()[1].astype(int)) // 2)


@pytest.mark.parametrize("run", ["pixels", "pictures"])
def test_exported_networks_agree(here, run, capsys):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    assert main(["export", run, "--onnx", f"{run}.onnx"]) == 0
    assert "ONNX Runtime's answers differ by" in capsys.readouterr().out
    images = shades(20, 1)[0][:, None]
    session = runtime.InferenceSession(f"{run}.onnx")
    assert session.get_outputs()[0].name == {"pixels": "probabilities", "pictures": "outputs"}[run]
    (theirs,) = session.run(None, {"pictures": images})
    np.testing.assert_allclose(theirs, gpucnn.load(run).predict_proba(images), atol=1e-5)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["draw", "pixels"], "answers with a class per pixel, and the page shows classes"),
        (["draw", "pictures"], "answers with pictures, and the page shows classes"),
        (["export", "pixels", "--page", "x.html"], "answers with a class per pixel, and expected are classes"),
        (["export", "pictures", "--c", "x.h"], "answers with pictures, and expected are classes"),
        (["eval", "pixels", "--calibrate"], "a temperature is that of classes"),
        (["eval", "pixels", "--tta", "flip"], "its figures are those of classes"),
        (
            ["eval", "pixels", "--data", "digits"],
            "the labels of digits are classes, and the network was trained on",
        ),
    ],
)
def test_what_is_made_for_classes_refuses_them(here, command, told, capsys):
    assert main(command) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "change", "place", "told"),
    [
        (
            PIXELS,
            ("out_channels: classes", "out_channels: 2"),
            "7:5",
            "has 2 maps, expected 3, one per class of",
        ),
        (
            PIXELS,
            ("padding: same", "padding: 0"),
            "7:5",
            "(3, 6, 8), expected maps of 8 x 10, as large as the images",
        ),
        (
            PIXELS,
            ("data:", "loss: {name: mse}\ndata:"),
            "4:1",
            "labels is pixels, and loss mse takes classes or",
        ),
        (PICTURES, ("loss: {name: mse}\n", ""), "3:1", "target: inputs takes a loss of pictures, such as mse, l1"),
        (
            PICTURES,
            ("out_channels: 1", "out_channels: 3"),
            "8:5",
            "has 3 maps, expected 1, one per class of",
        ),
        (
            PIXELS,
            ("out_channels: 6", "out_channels: classes"),
            "5:5",
            "out_channels: classes is for the last layer that learns",
        ),
    ],
)
def test_faults_of_configurations_are_told_with_their_place(here, config, change, place, told, capsys):
    if config == PICTURES:
        write_archive("shades.npz", classes=True)
    Path("x.yaml").write_text(config.replace(*change))
    assert main(["config", "validate", "x.yaml"]) == 2
    err = capsys.readouterr().err
    assert f"x.yaml:{place}: " in err and told in err


def test_pixels_of_no_class_are_refused_until_they_are_left_out(here, capsys):
    (x, y), (x_test, y_test) = shades(100, 0), shades(20, 1)
    y[:, 0] = y_test[:, 0] = 255
    np.savez("shades.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    assert main(["train", "pixels.yaml", "--quiet"]) == 2
    assert "loss: {name: cross_entropy, ignore_index: 255}" in capsys.readouterr().err
    loss = "loss={name: cross_entropy, ignore_index: 255, weight: {bright: 2}}"
    assert main(["train", "pixels.yaml", loss, "--run-dir", "void", "--quiet"]) == 0
    support = [row["support"] for row in result("void")["classes"]]
    assert sum(support) == 20 * 7 * 10


def test_several_things_that_classes_alone_have(here):
    data = load_source("cluttered_digits", {"train": 4, "test": 2}).source
    with pytest.raises(DataError, match="per_class goes by classes"):
        gpucnn.data.draw_per_class(data.train, 1)
    with pytest.raises(InputError):
        gpucnn.explain.grad_cam(gpucnn.load("pixels"), shades(1, 0)[0][0], "red")


def test_images_of_another_data_set_are_reproduced_too(in_an_empty_folder, capsys):
    archive = "{name: npz, path: shades.npz, target: inputs, labels: classes}"
    text = PICTURES.replace(archive, "{name: digits, target: inputs, limit: 60}")
    Path("x.yaml").write_text(text)
    assert main(["train", "x.yaml", "train.epochs=1", "--run-dir", "x", "--quiet"]) == 0
    assert main(["eval", "x", "--data", "digits"]) == 0
    assert "PSNR" in capsys.readouterr().out
