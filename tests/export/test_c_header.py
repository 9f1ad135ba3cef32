"""Networks as C headers: compiled without a warning, for several processors, they answer as we do."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.data import Dataset, load_source
from gpucnn.errors import InputError
from gpucnn.export import export_c, export_c_int8, judged
from gpucnn.export.entry import Entry
from gpucnn.export.quantised import emulated, quantise
from gpucnn.runs import Classifier, load
from tests.data.files import needs_real_data
from tests.export.networks import classifier_of, random_network

FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
MAIN = Path(__file__).with_name("predict.c")
PROCESSORS = {  # the compiler with its options, and what runs its programs
    "native": (["gcc"], []),
    "32 bits": (["gcc", "-m32", "-msse2", "-mfpmath=sse"], []),
    "ARM": (["arm-linux-gnueabihf-gcc", "-static"], ["qemu-arm"]),
}

Predict = Callable[[Path, np.ndarray], np.ndarray]


def compiled_for(processor: str, folder: Path) -> Predict:
    """Runs a header, compiled, on pictures (N, C, H, W): probabilities (N, classes). Skips without that compiler."""
    compiler, runs = PROCESSORS[processor]
    for program in (compiler[0], *runs):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    (folder / "empty.c").write_text("#include <math.h>\nint main(void) { return 0; }\n")
    if subprocess.run([*compiler, "empty.c", "-o", "empty", "-lm"], cwd=folder, capture_output=True).returncode:
        pytest.skip(f"{' '.join(compiler)} finds no libraries (Debian: gcc-multilib)")

    def predict(header: Path, pictures: np.ndarray) -> np.ndarray:
        header.rename(folder / "network.h")
        fast = "-O3" if len(pictures) > 100 else "-O1"
        command = [*compiler, *FLAGS, fast, f"-I{folder}", str(MAIN), "-o", str(folder / "program"), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        command = [*runs, str(folder / "program")]
        answers = subprocess.run(command, input=pictures.tobytes(), capture_output=True, check=True).stdout
        return np.frombuffer(answers, np.float32).reshape(len(pictures), -1)

    return predict


def pictures_for(classifier: Classifier, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures of bytes, and the images that the pipeline makes of them."""
    entry = Entry.of(classifier.pipeline, classifier.normalizer, bytes_only=True)
    pictures = judged.random_pictures(entry, count)
    return pictures, judged.images_of(classifier, entry, pictures)


@pytest.mark.parametrize("index", range(10))
def test_a_random_network_agrees(index, tmp_path) -> None:
    net, shape = random_network(index)
    classifier = classifier_of(net, shape, normalize=("standard", "mean_image", "unit")[index % 3])
    pictures, images = pictures_for(classifier, 5)
    export_c(classifier, tmp_path / "a.h")
    found = compiled_for("native", tmp_path)(tmp_path / "a.h", pictures)
    np.testing.assert_allclose(found, classifier.probabilities(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("index", range(0, 10, 3))
def test_8_bits_are_what_the_accuracy_was_measured_with(index, tmp_path) -> None:
    """But for a number here and there that lies between two levels, where rounding goes the other way."""
    net, shape = random_network(index)
    classifier = classifier_of(net, shape)
    pictures, images = pictures_for(classifier, 40)
    test = Dataset(images, np.arange(40) % 3, classifier.classes)
    before, after = export_c_int8(classifier, tmp_path / "a.h", images, test)
    layers = quantise(net, classifier.normalizer.apply(images))
    rounded = Classifier(emulated(net, layers), classifier.pipeline, classifier.normalizer)
    expected = rounded.probabilities(images)
    assert after == (expected.argmax(axis=1) == test.labels).mean()
    assert before == (classifier.probabilities(images).argmax(axis=1) == test.labels).mean()
    assert f"accuracy on the test images {before:.2%} before, {after:.2%} after" in (tmp_path / "a.h").read_text()
    found = compiled_for("native", tmp_path)(tmp_path / "a.h", pictures)
    off = np.abs(found - expected).max(axis=1)
    assert np.median(off) <= 1e-4 and off.max() < 0.05


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(("low", "high", "whole"), [(0, 16, True), (0, 1, True), (0, 1, False), (-1, 1, False)])
def test_bytes_become_the_pixels_of_the_training(low, high, whole, invert, tmp_path, rng) -> None:
    images = rng.uniform(low, high, (12, 1, 9, 7))
    images[:, 0, 0, :2] = low, high
    images = (np.rint(images) if whole else images).astype(np.uint8 if whole else np.float32)
    net = nn.Sequential(nn.Flatten(), nn.Linear(63, 3)).eval()
    classifier = classifier_of(net, (1, 9, 7), images, invert=invert)
    pictures, images = pictures_for(classifier, 20)
    pictures[:, 0, 0, :2] = 0, 255
    export_c(classifier, tmp_path / "a.h")
    found = compiled_for("native", tmp_path)(tmp_path / "a.h", pictures)
    np.testing.assert_allclose(found, classifier.predict_proba(pictures), rtol=0, atol=1e-5)


def test_names_of_classes_are_texts_whatever_is_in_them(tmp_path) -> None:
    names = ('a "b" \\ %s', "é ??/ */ \n", "c")
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    classifier = classifier_of(net, (1, 2, 2))
    classifier.pipeline = classifier.pipeline.model_copy(update={"class_names": names})
    export_c(classifier, tmp_path / "a.h", 'title */ /* ??/ "x" \\')
    told = '    for (i = 0; gpucnn_class_name(i); i++)\n        printf("%s|", gpucnn_class_name(i));\n'
    program = f'#include <stdio.h>\n#include "a.h"\nint main(void)\n{{\n    int i;\n{told}    return 0;\n}}\n'
    (tmp_path / "main.c").write_text(program)
    subprocess.run(["gcc", *FLAGS, "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "main"], capture_output=True).stdout.decode() == "|".join(names) + "|"


def test_numbers_that_bytes_do_not_mean_are_refused(tmp_path, rng) -> None:
    signals = rng.normal(size=(12, 2, 30)).astype(np.float32)
    net = nn.Sequential(nn.Flatten(), nn.Linear(60, 3)).eval()
    with pytest.raises(InputError, match="bytes have no meaning to it; export it with --onnx"):
        export_c(classifier_of(net, (2, 30), signals), tmp_path / "a.h")


def test_softmax_over_pictures_is_refused(tmp_path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Softmax(0)).eval()
    with pytest.raises(InputError, match=r"layer 2 \(softmax\): dim 0 is that of pictures"):
        export_c(classifier_of(net, (1, 2, 2)), tmp_path / "a.h")


def test_weights_that_are_not_finite_are_refused(tmp_path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    net[1].weight.memory[0, 0] = np.nan
    with pytest.raises(InputError, match="weights are not finite"):
        export_c(classifier_of(net, (1, 2, 2)), tmp_path / "a.h")


# --- LeNet on MNIST ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lenet(mnist_run) -> Classifier:
    gpucnn.set_device("cpu")
    return load(mnist_run)


@pytest.fixture(scope="module")
def mnist():
    return load_source("mnist").source


def memory_of(header: Path) -> int:
    return int(re.search(r"Memory: ([\d,]+) bytes", header.read_text())[1].replace(",", ""))


@needs_real_data
def test_lenet_gives_every_test_image_the_same_class(lenet, mnist, tmp_path) -> None:
    export_c(lenet, tmp_path / "a.h")
    assert memory_of(tmp_path / "a.h") <= 32 * 1024
    found = compiled_for("native", tmp_path)(tmp_path / "a.h", mnist.test.images)
    expected = lenet.probabilities(mnist.test.images)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@needs_real_data
def test_lenet_in_8_bits_is_as_good(lenet, mnist, tmp_path) -> None:
    before, after = export_c_int8(lenet, tmp_path / "a.h", mnist.train.images, mnist.test)
    assert memory_of(tmp_path / "a.h") <= 32 * 1024
    found = compiled_for("native", tmp_path)(tmp_path / "a.h", mnist.test.images)
    accuracy = (found.argmax(axis=1) == mnist.test.labels).mean()
    assert abs(accuracy - before) <= 0.002 and abs(accuracy - after) <= 0.0003


@needs_real_data
@pytest.mark.parametrize("bits", ["float", "int8"])
@pytest.mark.parametrize("processor", ["32 bits", "ARM"])
def test_lenet_on_other_processors(processor, bits, lenet, mnist, tmp_path) -> None:
    predict = compiled_for(processor, tmp_path)
    images = mnist.test.images[:200]
    if bits == "float":
        export_c(lenet, tmp_path / "a.h")
        expected = lenet.probabilities(images)
    else:
        export_c_int8(
            lenet, tmp_path / "a.h", mnist.train.images, Dataset(images, mnist.test.labels[:200], lenet.classes)
        )
        layers = quantise(lenet.net, lenet.normalizer.apply(mnist.train.images[::30]))
        expected = Classifier(emulated(lenet.net, layers), lenet.pipeline, lenet.normalizer).probabilities(images)
    found = predict(tmp_path / "a.h", images)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    off = np.abs(found - expected).max(axis=1)
    assert np.quantile(off, 0.9) <= 1e-5 and (bits == "int8" or off.max() <= 1e-5)
