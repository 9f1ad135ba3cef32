"""Processes with a GPU each, on the emulated one: gradients through NCCL, the rest through the hosts."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

import gpucnn
from gpucnn import generators, nn, optim
from gpucnn.cli.device import choose_device
from gpucnn.config.check import load_options
from gpucnn.data import Loader
from gpucnn.errors import DeviceError, TrainingError
from gpucnn.nn import init
from gpucnn.parallel import ALONE, Communicator, describe_nccl
from gpucnn.parallel.nccl import Nccl, over_gpus
from gpucnn.training import Trainer, capturing, gradient_sums
from gpucnn.training.records import EpochRecord
from tests.devices import on
from tests.emulation import fake_cupy, fake_nccl
from tests.parallel.threads import Threads, together


@pytest.fixture
def seeds_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread draws what a process would: from a generator of its own."""
    own = threading.local()

    def generator() -> np.random.Generator:
        if not hasattr(own, "generator"):
            own.generator = np.random.Generator(np.random.PCG64(0))
        return own.generator

    for module in (generators, init, capturing):
        monkeypatch.setattr(module, "generator", generator)


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


def layers(**batch_norm: bool) -> nn.Module:
    gpucnn.manual_seed(0)
    body = [nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, **batch_norm), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3)]
    return nn.Sequential(*body, nn.Linear(32, 3))


def captured_or_not(capture: bool, images: np.ndarray = IMAGES) -> list[tuple]:
    """The losses, the state and the error of each of two processes, and how many sums their graphs hold."""
    nets = [layers(), layers()]

    def work(host: Threads) -> tuple:
        net, communicator, losses, error = nets[host.rank], Nccl(host), [], ""
        optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        trainer = Trainer(net, optimizer, clip_norm=1.0, capture=capture, communicator=communicator)
        batches = Loader((images, LABELS), 5, shuffle=True)  # the last of 22 images are 2: too few to share
        try:
            losses += [record.loss for record in trainer.run(batches, None, 4) if not isinstance(record, EpochRecord)]
        except TrainingError as raised:
            error = str(raised)
        return losses, trainer.state().tensors, error, communicator._sums.captured

    return together(2, work)


def test_sums_are_in_the_captured_graph_and_the_results_are_those_of_launches_one_by_one(
    seeds_of_each, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_sums, "SMALL", 1)
    captured, single = captured_or_not(True), captured_or_not(False)
    for (losses, tensors, error, sums), other in zip(captured, single, strict=True):
        assert losses == other[0] and len(losses) == 4 * 5 and not error and not other[2]
        for name, array in tensors.items():
            np.testing.assert_array_equal(array, other[1][name], err_msg=name)
            np.testing.assert_array_equal(array, captured[0][1][name], err_msg=name)
        assert sums == 2 * 4 and other[3] == 0  # halting, statistics, two buckets; in two sizes of batches


def test_a_loss_of_one_process_that_is_not_finite_halts_all_graphs_after_the_same_step(seeds_of_each) -> None:
    images = IMAGES.astype(np.float32) / 255
    images[7] = np.nan
    for (losses, _, error, _), other in zip(captured_or_not(True, images), captured_or_not(False, images), strict=True):
        assert error == other[2] and losses == other[0] and "is nan in rank" in error


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
