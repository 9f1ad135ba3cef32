"""Processes with a GPU each, on the emulated one: gradients through NCCL, the rest through the hosts."""

from collections.abc import Iterator

import numpy as np
import pytest

import gpucnn
from gpucnn import nn, optim
from gpucnn.cli.device import choose_device
from gpucnn.config.check import load_options
from gpucnn.errors import DeviceError
from gpucnn.parallel import ALONE, Communicator, describe_nccl
from gpucnn.parallel.nccl import Nccl, over_gpus
from gpucnn.training import Trainer
from tests.devices import on
from tests.emulation import fake_cupy, fake_nccl
from tests.parallel.threads import Threads, together

IMAGES = np.random.default_rng(1).integers(0, 256, (22, 1, 6, 6)).astype(np.uint8)
LABELS = np.random.default_rng(2).integers(0, 3, 22)


@pytest.fixture(autouse=True)
def emulated_nccl(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with on("cuda-emulated"):
        monkeypatch.setattr(fake_cupy.cuda, "nccl", fake_nccl, raising=False)
        yield


def networks(count: int) -> list[nn.Module]:
    made = []
    for _ in range(count):
        gpucnn.manual_seed(0)
        layers = [nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, sync=True), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)]
        made.append(nn.Sequential(*layers).astype("float64"))
    return made


def train(net: nn.Module, communicator: Communicator) -> dict[str, np.ndarray]:
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1, momentum=0.9), clip_norm=1.0, communicator=communicator)
    trainer.fit((IMAGES, LABELS), (IMAGES, LABELS), epochs=2, batch_size=8)
    return net.state_dict() | {"loss": np.array([record.train_loss for record in trainer.history])}


def test_gradients_go_through_nccl_and_the_weights_are_those_of_one_process() -> None:
    alone = train(networks(1)[0], ALONE)
    nets, streams = networks(2), []

    def work(host: Threads) -> dict[str, np.ndarray]:
        communicator = Nccl(host)
        trained = train(nets[host.rank], communicator)
        streams.append((communicator._sums.streams, communicator._stream.ptr))
        return trained

    first, second = together(2, work)
    for name, values in alone.items():
        np.testing.assert_allclose(first[name], values, rtol=0, atol=1e-9, err_msg=name)
        np.testing.assert_array_equal(first[name], second[name])
    assert all(used == {own} for used, own in streams)


def test_arrays_on_the_host_and_words_go_through_the_host() -> None:
    def work(host: Threads) -> tuple:
        communicator = Nccl(host)
        return communicator.sum(np.ones(2)).tolist(), communicator.gather(host.rank), communicator.broadcast(host.rank)

    assert together(2, work) == [([2.0, 2.0], [0, 1], 0)] * 2


def test_each_process_of_a_machine_takes_a_gpu_of_its_own() -> None:
    config, second = load_options("smoke").config, Communicator()
    second.size, second.local_rank = 2, 0
    assert choose_device("cuda", config, second).index == 0
    second.local_rank = 1
    with pytest.raises(DeviceError, match="process 2 of this machine has no GPU of its own: there are 1"):
        choose_device("cuda", config, second)


def test_where_nccl_is_missing_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    several = Communicator()
    several.size = 2
    monkeypatch.delattr(fake_cupy.cuda, "nccl")
    with pytest.raises(DeviceError, match="summed by NCCL, which fails.*pip install nvidia-nccl"):
        over_gpus(several)
    assert over_gpus(ALONE) is ALONE


def test_info_says_which_nccl_there_is() -> None:
    assert describe_nccl() == "2.28.9"
