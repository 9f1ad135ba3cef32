"""Layers made of activations; and a new activation, written in one file, trains from YAML on every kind of kernels."""

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gpucnn
from gpucnn import nn
from gpucnn.functional.activation import activation
from gpucnn.kernels.c import library
from tests.emulation import device as emulation

SOFTSIGN = '''

class Softsign(Function):
    """x / (1 + |x|)"""

    layout = "elementwise"

    def forward(self, x: Array) -> Array:
        self.below = 1 + abs(x)
        return x / self.below

    def backward(self, grad: Array) -> Array:
        return grad / self.below**2


@activation
def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|). Any shape."""
    return Softsign.apply(x)
'''
CONFIG = """
name: softsign
data: {name: digits, limit: 200, validation: 40}
model: [flatten, {linear: {out_features: 8}}, softsign, {linear: {out_features: 10}}]
optimizer: {name: sgd, lr: 0.1}
train: {epochs: 2, batch_size: 32}
report: false
"""
PROGRAM = """
import sys
from tests.devices import on
from gpucnn import nn, functional as F
from gpucnn.cli import main
place, config, run = sys.argv[1:]
assert F.softsign and nn.Softsign and nn.LAYERS["softsign"] is nn.Softsign
with on(place):
    sys.exit(main(["train", config, "--run-dir", run, "--device", "cuda" if place.startswith("cuda") else "cpu"]))
"""


@pytest.mark.parametrize("place", ["numpy", "c", "cuda-emulated"])
def test_a_new_activation_is_one_file(place, tmp_path):
    if place == "cuda-emulated" and emulation.why_not:
        pytest.skip(emulation.why_not)
    if place == "c" and not library.usable():
        pytest.skip("the C kernels were not built")
    package = Path(gpucnn.__file__).parent
    shutil.copytree(package, tmp_path / "gpucnn", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "gpucnn/functional/activation.py").open("a") as file:
        file.write(SOFTSIGN)
    (tmp_path / "softsign.yaml").write_text(CONFIG)
    paths = [str(tmp_path), str(package.parent), *filter(None, sys.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment["GPUCNN_KERNELS"] = "numpy" if place == "numpy" else "auto"
    command = [sys.executable, "-c", PROGRAM, place, str(tmp_path / "softsign.yaml"), str(tmp_path / "run")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/model.safetensors").is_file()


def test_an_activations_layer_takes_its_options():
    assert list(inspect.signature(nn.LeakyReLU).parameters) == ["negative_slope", "inplace"]
    assert nn.LeakyReLU().negative_slope == 0.01 and nn.LeakyReLU(0.2).negative_slope == 0.2
    assert nn.Softmax(dim=-1).dim == -1
    with pytest.raises(TypeError):
        nn.Tanh(1)


def test_an_option_without_a_default_is_refused():
    with pytest.raises(TypeError, match=r"shrink: every option needs a default"):

        @activation
        def shrink(x, by):
            return x * by
