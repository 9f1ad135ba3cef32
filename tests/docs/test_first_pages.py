"""The pages that one reads first run from top to bottom: start, own pictures, competitions, CPU and GPU, from Keras.

The commands that install, and `gpucnn draw`, which serves a page until Ctrl-C, are not run: the first are compared with
what .ci/run runs, the second is parsed.
"""

import importlib.util
import os
import re
import shlex

import numpy as np
import pytest
import yaml

import gpucnn
from gpucnn import nn, optim
from gpucnn.cli.arguments import parse
from gpucnn.config.check import check, load_config
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.data import load_source
from tests.docs import runner

PAGES = ("index.md", "start.md", "own_pictures.md", "competitions.md", "gpu.md", "from_keras.md")
TAKES = {page: {"sh", "python", "yaml"} for page in PAGES}
INSTALLS = ("python3 -m venv .venv", ". .venv/bin/activate", "pip install -e .", "pip install -e '.[cuda13]'")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPUCNN_DEVICE", "cpu")
    return tmp_path


def command(words):
    """Run a command without a report; those that are not run are compared or parsed."""
    if words[0] != "gpucnn":
        assert shlex.join(words) in INSTALLS
    elif words[1] == "draw":
        parse(words[1:])
    else:
        runner.gpucnn(words)


def test_start(folder, capsys):
    names = runner.run(runner.DOCS / "start.md", command)
    printed = capsys.readouterr().out
    told = [block.text for block in runner.blocks(runner.DOCS / "start.md") if block.language == "text"]
    layers = told[0].partition("\n\n")[0]
    assert layers in printed and "\n".join(told[0].splitlines()[-2:]) in printed
    assert told[1][:13] == "digit.png: 7 " and told[1][:13] in printed and told[2] in printed
    assert names["digits"].test.labels[3] == 7
    assert (folder / "comparison.html").exists() and (folder / "third").is_dir()


def test_a_mistake_in_its_file_is_told_with_the_line(folder, capsys):
    [text] = [block.text for block in runner.blocks(runner.DOCS / "start.md") if block.language == "yaml"]
    (folder / "mine.yaml").write_text(text.replace("kernel_size: 2", "kernel_sise: 2", 1))
    assert runner.main(["train", "mine.yaml"]) == 2
    assert "mine.yaml:6:" in capsys.readouterr().err


def test_own_pictures(folder, capsys):
    page = runner.DOCS / "own_pictures.md"

    def small(words):
        if "data.path=my_images" in words:  # the reader's own
            assert parse(words[1:]).config == "my_images"
        else:
            command([*words, *(["train.epochs=2"] if words[1] == "train" else [])])

    runner.run(page, small)
    assert (folder / "answers.csv").read_text().count("\n") == 121
    assert (folder / "shapes_run/report.html").exists()


def test_competitions(folder, capsys):
    runner.run(runner.DOCS / "competitions.md", command)
    test = load_source("digits").source.test
    lines = (folder / "submission.csv").read_text().splitlines()
    assert lines[0] == "id,label" and [int(line.split(",")[0]) for line in lines[1:]] == [*range(1, len(test) + 1)]
    assert np.mean([int(line.split(",")[1]) for line in lines[1:]] == test.labels) > 0.95
    assert runner.main(["predict", "csv_run", "test.csv", "--csv", "submission.csv", "--tta", "shift"]) == 0


def test_gpu(folder):
    runner.run(runner.DOCS / "gpu.md", command)


def test_index(folder):
    runner.run(runner.DOCS / "index.md", command)
    load_config("lenet.yaml", [])


@pytest.fixture
def keras_data():
    """Pictures as Keras has them: (N, H, W, C), uint8."""
    source = load_source("digits").source
    parts = {"train": source.train, "test": source.test}
    data = {f"x_{name}": part.images.transpose(0, 2, 3, 1) for name, part in parts.items()}
    return data | {f"y_{name}": part.labels for name, part in parts.items()}


def test_from_keras(folder, keras_data):
    np.savez("data.npz", **keras_data)
    names = runner.run(runner.DOCS / "from_keras.md", command, dict(keras_data))
    assert names["accuracy"] > 0.95 and names["probabilities"].shape == (360, 10)
    convolution = [np.full((3, 3, 1, 8), 0.01, np.float32), np.arange(8, dtype=np.float32) / 8]
    matrix = [np.random.default_rng(0).standard_normal((13 * 13 * 8, 10)).astype(np.float32), np.ones(10, np.float32)]
    net = names["taken_over"](names["net"], convolution, matrix)
    x = names["pictures"](keras_data["x_test"][:3])
    ours = net(names["gpucnn"].Tensor(x)).numpy()
    maps = np.maximum(sums(x[:, 0])[..., None] * 0.01 + convolution[1], 0)  # (N, 26, 26, 8), channels last
    pooled = maps.reshape(3, 13, 2, 13, 2, 8).max(axis=(2, 4))
    np.testing.assert_allclose(ours, pooled.reshape(3, -1) @ matrix[0] + matrix[1], rtol=1e-4)
    assert set(names["batch_norm"]([1, 2, 3, 4])) == {"weight", "bias", "running_mean", "running_var"}


def sums(x):
    """The sum of every window of 3 x 3 of (N, H, W)."""
    H, W = x.shape[1] - 2, x.shape[2] - 2
    return sum(x[:, a : a + H, b : b + W] for a in range(3) for b in range(3))


@pytest.mark.filterwarnings("default")  # those of Keras are not ours
def test_programs_in_keras_run_where_it_is(folder, keras_data, monkeypatch):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras, one of whose programs is checked, is not installed")
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
    names = dict(keras_data)
    for block in runner.blocks(runner.DOCS / "from_keras.md"):
        if block.language == "python":
            exec(compile(block.text, "from_keras.md", "exec"), names)
    theirs = names["model"].predict(names["x_test"])
    np.testing.assert_allclose(names["ours"], theirs, rtol=1e-3, atol=1e-3)


def test_names_of_the_table_are_here():
    """What the table has in YAML is accepted, and what it has in Python is evaluated."""
    rows = [
        line.strip("|").split(" | ")
        for line in (runner.DOCS / "from_keras.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    rows = [re.findall(r"`([^`]+)`", cell) for row in rows for cell in row[1:]]
    names = {"nn": nn, "optim": optim, "gpucnn": gpucnn, "net": nn.Linear(1, 1), "C": 4, "I": 4, "F": gpucnn.functional}
    codes = [code for row in rows for code in row]
    python = [code for code in codes if re.match(r"(nn|optim|F|gpucnn\.data)\.", code) and "..." not in code]
    assert len(python) >= 12
    for code in python:
        assert eval(code, dict(names)) is not None, code
    layers = [code for code in codes if re.match(r"(conv2d|linear|max_pool2d|batch_norm2d|dropout): ", code)]
    layers = [yaml.safe_load(code) for code in layers if "..." not in code]
    assert len(layers) >= 5
    text = {"data": {"name": "digits"}, "optimizer": {"name": "adam", "lr": 0.001}, "model": layers}
    model = [layer for layer in layers if "linear" not in layer] + ["flatten"] + [x for x in layers if "linear" in x]
    check(read_yaml(yaml.safe_dump(text | {"model": model}), "names.yaml"))


def test_padding_of_keras_at_a_stride():
    x = np.random.default_rng(0).random((1, 1, 28, 28)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))
    weight = gpucnn.Tensor(np.ones((1, 1, 3, 3), np.float32))
    ours = gpucnn.functional.conv2d(gpucnn.Tensor(x), weight, stride=2, padding=[[0, 1], [0, 1]]).numpy()
    np.testing.assert_allclose(ours[0, 0], sums(padded[:, 0])[0, ::2, ::2], rtol=1e-5)
