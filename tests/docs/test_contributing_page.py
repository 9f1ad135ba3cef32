"""The guides of CONTRIBUTING.md, followed in a copy of the checkout: what they add computes what it should.

A block begins with the file that it belongs to, and where in it. Rows of tests are put into their lists, and not run.
Kernels in NumPy compute; those in C are parsed by a compiler, those in CUDA put where they belong. Commands are not
run: they are compared with those of .ci/run and README, and the files that they name must be there.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from tests.docs import runner

PAGE = runner.ROOT / "CONTRIBUTING.md"
TAKES = {"CONTRIBUTING.md": {"sh", "python", "c", "cuda"}}
FIRST = re.compile(r"(?:#|//) (?P<file>[\w/.]+\.\w+)(?:, (?P<place>.+))?\n")
COPIED = ("gpucnn", "tests", "configs", "tools")


def guide(title: str) -> list[tuple[str, str, str]]:
    """The blocks of a guide that belong to files: the file, the place in it, and the text."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    found = []
    for block in runner.FENCE.finditer(section):
        text = re.sub(rf"^{block['indent']}", "", block["text"], flags=re.M)
        if first := FIRST.match(text):
            found.append((first["file"], first["place"] or "", text[first.end() :]))
    return found


def place_of(text: str, place: str) -> int:
    """Where in the text of a file that place is."""
    if not place or place == "at its end":
        return len(text)
    if place == "before its last #endif":
        return text.rindex("#endif")
    if place.startswith("before "):
        before = place.removeprefix("before ")
        return text.index(before if before.startswith("#") else f"\ndef {before}") + (not before.startswith("#"))
    if place.startswith("behind "):
        return text.index("\n", text.index(place.removeprefix("behind "))) + 1
    if place == "with the others of their kind":
        return [*re.finditer(r"^(KERNEL\(.*\)|from gpucnn\.\w+\.\w+ import \*)\n", text, re.M)][-1].end()
    if place == "in methods":
        return [*re.finditer(r"^    METHOD\(.*\n", text, re.M)][-1].end()
    name = place.removeprefix("in ")
    began = re.search(rf"^(class )?{name}\b.*\n", text, re.M)
    assert began is not None, place
    if began[1]:  # the end of the class
        end = text.find("\n\n\n", began.end())
        return len(text) if end < 0 else end + 1
    return began.end() + re.search(r"^[\])}]", text[began.end() :], re.M).start()  # the end of a list


def follow(folder: Path, *titles: str) -> None:
    """Put the blocks of guides where they belong, in a copy."""
    for title in titles:
        for name, place, block in guide(title):
            path = folder / name
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            at = place_of(text, place)
            path.write_text(text[:at] + block + text[at:], encoding="utf-8")


def change(path: Path, pattern: str, new: str) -> None:
    """Change the one place of a file that matches."""
    text, times = re.subn(pattern, new, path.read_text(encoding="utf-8"), flags=re.M)
    assert times == 1, path
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def copy(tmp_path):
    """A copy of the checkout without compiled files, so that NumPy computes."""
    for name in COPIED:
        shutil.copytree(runner.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return tmp_path


def python(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "GPUCNN_DEVICE": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


JUDGED = """
import numpy as np
import gpucnn
from gpucnn import Tensor, nn, functional as F
x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
np.testing.assert_allclose(F.softsign(Tensor(x)).numpy(), x / (1 + abs(x)))
gpucnn.check_gradients(F.softsign, [x])
assert (nn.Softsign()(Tensor(x)).numpy() == F.softsign(Tensor(x)).numpy()).all()
"""
LAYER = """
weight = np.array([2.0, -1.0, 0.5])
ours = F.channel_scale(Tensor(x), Tensor(weight)).numpy()
np.testing.assert_allclose(ours, x * weight[:, None, None])
from tests.functional.test_operations import ROWS, ACTIVATIONS
from tests.nn.test_layers import LAYERS
assert ROWS[-1].name == "channel_scale" and any("softsign" in row.name for row in ACTIVATIONS)
assert isinstance(LAYERS[-1][0](), nn.ChannelScale)
"""


def test_guides_without_kernels(copy):
    follow(copy, "Add an activation", "Add a layer with weights", "Add a data source", "Add a command")
    change(copy / "gpucnn/cli/arguments.py", r"(for add in \([^)]*?),?\s*\)", r"\1, _layers)")  # told in words there
    change(copy / "gpucnn/data/sources.py", r"^(from gpucnn\.data import .*)$", r"\1, stripes")
    python(copy, "-c", JUDGED + LAYER)
    layers = "{conv2d: {out_channels: 4, kernel_size: 3}}, channel_scale, softsign, flatten"
    options = ["train.epochs=10", "train.batch_size=16", "report=false", "--quiet", "--run-dir", "run"]
    options += ["data={name: stripes}", f"model=[{layers}, {{linear: {{out_features: classes}}}}]"]
    told = python(copy, "-m", "gpucnn", "train", "smoke", *options)
    assert float(re.search(r"test accuracy ([\d.]+)%", told)[1]) > 90
    assert "channel_scale" in python(copy, "-m", "gpucnn", "layers")
    assert "test_layers_are_listed" in (copy / "tests/cli/test_commands.py").read_text(encoding="utf-8")


def test_the_guide_with_kernels(copy):
    follow(copy, "Add an operation with kernels of its own")
    python(copy, "-c", JUDGED)
    for name in ("gpucnn/kernels/c/activation.py", "gpucnn/kernels/cuda/activation.py", "tools/check/cases.py"):
        assert "softsign" in (copy / name).read_text(encoding="utf-8")
        python(copy, "-m", "py_compile", name)
    cuda = (copy / "gpucnn/kernels/cuda/source/activation.cu").read_text(encoding="utf-8")
    assert cuda.count("KERNEL softsign") == 2 and cuda.count("{") == cuda.count("}")
    if shutil.which("gcc"):
        flags = [
            "-std=gnu11",
            "-fsyntax-only",
            "-Werror=implicit-function-declaration",
            "-DMODULE=_x",
            "-DFINGERPRINT=1",
        ]
        flags += [f"-I{np.get_include()}", f"-I{sysconfig.get_paths()['include']}"]
        for name in ("activation.c", "module.c"):
            subprocess.run(["gcc", *flags, str(copy / "gpucnn/kernels/c/source" / name)], check=True)


def test_commands():
    ci, readme = (runner.ROOT / ".ci/run").read_text(), (runner.ROOT / "README.md").read_text()
    known = ("pip install -q -e '.[test]'", "torch==2.13.0")
    assert all(each in ci + readme for each in known)
    blocks = [block.text for block in runner.blocks(PAGE) if block.language == "sh"]
    for words in (words for block in blocks for words in runner.commands(block)):
        if words[0] == "pytest":
            assert all((runner.ROOT / word).exists() for word in words if word.startswith("tests/"))
        else:
            assert words[0] in ("python3", "pip", "mkdocs", "zensical", "python"), words
    for path in re.findall(r"`pytest ([^`]+)`", PAGE.read_text()):
        assert all((runner.ROOT / word).exists() for word in path.split()), path
