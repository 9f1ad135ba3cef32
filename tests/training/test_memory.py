"""A step that a GPU has no room for names the layer and a batch size that fits."""

import re

import numpy as np
import pytest

import gpucnn
from gpucnn import nn, optim
from gpucnn.backend import load_cupy
from gpucnn.data import Loader
from gpucnn.errors import GpuMemoryError
from gpucnn.training import Trainer
from gpucnn.training.memory import out_of_memory
from tests.emulation import pools
from tests.training import examples

MIB = 1 << 20


@pytest.fixture
def room(emulated, monkeypatch):
    """Leave so many bytes free on the device."""

    def leave(size):
        load_cupy().get_default_memory_pool().free_all_blocks()
        monkeypatch.setattr(pools, "DEVICE_BYTES", pools._taken + size)

    return leave


def trainer(channels=32, **options):
    """Of a network whose activations take some 30 KiB an image, with 32 channels."""
    gpucnn.manual_seed(0)
    conv = nn.Conv2d(1, channels, 3, padding="same")
    behind = nn.BatchNorm2d(channels), nn.Tanh(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(4 * channels, 3)
    net = nn.Sequential(conv, *behind)
    return Trainer(net, optim.SGD(net.parameters(), lr=0.01), **options)


def loader(batch_size, n=150):
    return Loader(examples.images(n), batch_size)


@pytest.mark.parametrize("capture", [True, False])
def test_the_batch_size_that_is_named_fits_and_is_not_far_too_small(room, capture):
    found = trainer(capture=capture)
    room(2 * MIB)
    with pytest.raises(GpuMemoryError) as raised:
        list(found.run(loader(128), None, 1))
    said = re.fullmatch(
        r"layer \d \(\w+\), given a batch of shape \(128, .*\): Out of memory allocating .* bytes \(allocated so far: "
        r".* bytes\); a step takes .* MiB an image, of .* MiB: train.batch_size (\d+) should fit",
        str(raised.value),
    )
    fitting = int(said[1])
    assert 8 <= fitting < 128
    list(found.run(loader(fitting), None, 3))
    with pytest.raises(GpuMemoryError):
        list(found.run(loader(8 * fitting), None, 4))


def test_the_pools_limit_counts(gpu):
    found, pool = trainer(), load_cupy().get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(pool.used_bytes() + 2 * MIB)
    try:
        with pytest.raises(GpuMemoryError, match=r"train.batch_size \d+ should fit"):
            list(found.run(loader(128), None, 1))
    finally:
        pool.set_limit()


def test_the_estimate_leaves_weights_statistics_and_the_generator_as_they_are(gpu):
    found = trainer()
    found.net.append(nn.Dropout(0.5))
    state = found.state()
    said = out_of_memory(found._step, next(loader(64).batches(0)), False, MemoryError("Out of memory."))
    assert re.match(
        r"Out of memory; a step takes \S+ MiB an image, of \S+ MiB: train.batch_size 32 should fit$", str(said)
    )
    after = found.state()
    assert after.values == state.values
    for name, array in state.tensors.items():
        assert np.array_equal(array, after.tensors[name]), name
    assert all(parameter.grad is None for parameter in found.net.parameters())


@pytest.mark.parametrize("images", [1, 2])
def test_a_network_of_which_not_one_image_fits(room, images):
    found = trainer(channels=512)
    room(300_000)
    with pytest.raises(GpuMemoryError, match="a smaller network"):
        list(found.run(loader(images, images), None, 1))


def test_a_data_set_that_does_not_fit(room):
    found = trainer()
    room(2 * MIB)
    with pytest.raises(
        GpuMemoryError, match=r"images \(40000, 1, 8, 8\) of uint8, does not fit .*fewer images .data.limit"
    ):
        list(found.run(loader(16, 40_000), None, 1))


def test_on_a_cpu_the_error_is_passed_on(monkeypatch):
    gpucnn.set_device("cpu")
    found = trainer()

    def full(*arguments):
        raise MemoryError("Unable to allocate 36 GiB")

    monkeypatch.setattr(found.net[5], "forward", full)
    with pytest.raises(MemoryError, match="Unable to allocate 36 GiB$") as raised:
        list(found.run(loader(16), None, 1))
    assert not isinstance(raised.value, GpuMemoryError)
