"""Choosing a device in words; one generator that a seed starts and a checkpoint holds."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, backend, generators, nn
from gpucnn import functional as F
from gpucnn.errors import DeviceError


@pytest.fixture
def no_gpu():
    """Only where there is none: what is said then."""
    cause = backend.why_no_gpu()
    if cause is None:
        pytest.skip("this machine has a GPU")
    return cause


def test_the_cpu_is_there():
    assert str(gpucnn.set_device("cpu")) == "cpu" == str(gpucnn.device())
    assert gpucnn.device().xp is np


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", ""])
def test_an_unknown_device_is_named_with_those_known(name):
    with pytest.raises(DeviceError) as error:
        gpucnn.set_device(name)
    assert repr(name) in str(error.value) and "auto, cpu, cuda or cuda:N" in str(error.value)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_a_gpu_asked_for_in_vain_names_the_cause(name, no_gpu):
    before = gpucnn.device()
    with pytest.raises(DeviceError) as error:
        gpucnn.set_device(name)
    assert no_gpu in str(error.value) and repr(name) in str(error.value)
    assert gpucnn.device() == before, "a refused device changes nothing"


def test_auto_falls_back_to_the_cpu(no_gpu):
    assert str(gpucnn.set_device("auto")) == "cpu"


def test_arrays_come_and_go_unchanged(device, rng):
    array = rng.standard_normal((3, 4))
    there = backend.to_device(array)
    assert backend.module_of(there) is device.xp
    np.testing.assert_array_equal(backend.to_host(there), array)


def draw() -> list[np.ndarray]:
    """What the generator serves: initial weights and dropout."""
    return [nn.Linear(4, 3).weight.numpy(), F.dropout(Tensor(np.ones((5, 6), np.float32))).numpy()]


def same(first, second) -> bool:
    return all((a == b).all() for a, b in zip(first, second, strict=True))


def test_a_seed_starts_the_generator_anew(device):
    gpucnn.manual_seed(5)
    first, second = draw(), draw()
    gpucnn.manual_seed(5)
    assert same(draw(), first) and not same(first, second)


def test_the_generators_state_survives_json(device):
    gpucnn.manual_seed(5)
    draw()
    state = json.loads(json.dumps(generators.generator_state()))
    expected = draw()
    gpucnn.manual_seed(6)
    generators.set_generator_state(state)
    assert same(draw(), expected)


def test_numpys_own_generator_is_left_alone():
    np.random.seed(0)
    expected = np.random.get_state()[1].tolist()
    gpucnn.manual_seed(1)
    draw()
    assert np.random.get_state()[1].tolist() == expected


def test_a_gpu_is_described_in_a_line(monkeypatch):
    properties = {"name": b"NVIDIA T4", "totalGlobalMem": 15 * 2**30, "major": 7, "minor": 5}
    runtime = SimpleNamespace(getDeviceProperties=lambda index: properties, driverGetVersion=lambda: 13010)
    monkeypatch.setattr(backend, "load_cupy", lambda: SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)))
    assert backend.describe_gpu() == "NVIDIA T4, 15 GiB, compute capability 7.5, driver for CUDA 13.1"
