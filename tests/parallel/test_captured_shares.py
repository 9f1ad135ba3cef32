"""Captured steps of several processes: the same bits as single steps, and the same messages."""

import functools
import math
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, generators, nn, optim
from gpucnn import functional as F
from gpucnn.data import Augment, Loader
from gpucnn.errors import TrainingError
from gpucnn.kernels import dispatch
from gpucnn.kernels.c import capture as c_capture
from gpucnn.kernels.c.capture import Replay
from gpucnn.nn import init
from gpucnn.training import Trainer, captured, gradient_sums
from gpucnn.training.losses import CrossEntropy
from gpucnn.training.records import EpochRecord
from tests.parallel.threads import Threads, together

pytestmark = pytest.mark.skipif(dispatch.chosen() == "numpy", reason="programs are of the C kernels")

IMAGES = np.random.default_rng(1).integers(0, 256, (43, 1, 12, 12)).astype(np.uint8)
LABELS = np.random.default_rng(2).integers(0, 3, 43)
MOMENTUM = functools.partial(optim.SGD, lr=0.05, momentum=0.9)


@pytest.fixture(autouse=True)
def generator_of_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As each process has one."""
    own = threading.local()

    def generator() -> np.random.Generator:
        if not hasattr(own, "generator"):
            own.generator = np.random.Generator(np.random.PCG64(0))
        return own.generator

    for module in (generators, init, c_capture):
        monkeypatch.setattr(module, "generator", generator)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The programs that were captured in all threads, and the reasons why others were not."""
    found: list[Any] = []
    capture = captured.Cpu.capture

    def counted(self: Any, *arguments: Any) -> Any:
        replay = capture(self, *arguments)
        found.append(replay)
        return replay

    monkeypatch.setattr(captured.Cpu, "capture", counted)
    monkeypatch.setattr(captured.Cpu, "report", lambda self, error: found.append(str(error)))
    yield found


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(75, 3))


def many_kinds(**batch_norm: Any) -> nn.Module:
    layers = [nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4, **batch_norm), nn.ReLU(), nn.Dropout(0.3)]
    layers += [nn.AvgPool2d(2), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8)]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(8, 3))


def frozen() -> nn.Module:
    net = small()
    net[0].requires_grad_(False)
    return net


class OfTheUsers(nn.Module):
    def __init__(self) -> None:
        self.body, self.last = small(), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(x))


def loader(batch_size: int = 8, images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, **options: Any) -> Loader:
    return Loader((images, labels), batch_size, shuffle=True, seed=2, **options)


def train(
    communicator: Threads,
    nets: list[nn.Module],
    capture: bool,
    optimizer: Callable[..., optim.Optimizer] = MOMENTUM,
    data: Callable[[], Any] = loader,
    epochs: int = 2,
    stopping: Callable[[int], bool] = lambda steps: False,
    state: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """The records and the state of a training in one of several threads, and the sums that it took part in."""
    gpucnn.manual_seed(4)
    net = nets[communicator.rank]
    trainer = Trainer(net, optimizer(net.parameters()), capture=capture, communicator=communicator, **options)
    if state is not None:
        trainer.load_state(state)
    records, error, interruption = [], "", SimpleNamespace(requested=False)
    try:
        for record in trainer.run(data(), None, epochs):
            if not isinstance(record, EpochRecord):
                records.append(record)
            interruption.requested = interruption.requested or stopping(len(records))
            if trainer.interrupted(interruption) and trainer.settled:
                break
    except TrainingError as raised:
        error = str(raised)
    return {"records": records, "state": trainer.state(), "error": error, "sums": communicator.log}


def of_threads(size: int, capture: bool, network: Callable[[], nn.Module], **options: Any) -> list[dict[str, Any]]:
    nets = []
    for _ in range(size):
        gpucnn.manual_seed(3)
        nets.append(network())
    return together(size, lambda communicator: train(communicator, nets, capture, **options))


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["records"] == other["records"] and one["error"] == other["error"]
    assert one["state"].values["generator"] == other["state"].values["generator"]
    for name, array in one["state"].tensors.items():
        np.testing.assert_array_equal(array, other["state"].tensors[name], err_msg=name)


CASES: dict[str, tuple[Callable[[], nn.Module], dict[str, Any]]] = {
    "small": (small, {}),
    "many kinds": (many_kinds, {}),
    "float64": (lambda: many_kinds().astype("float64"), {"data": functools.partial(loader, dtype="float64")}),
    "adam": (many_kinds, {"optimizer": functools.partial(optim.Adam, lr=0.01)}),
    "sum of losses": (small, {"loss": CrossEntropy("sum"), "optimizer": functools.partial(optim.SGD, lr=0.01)}),
    "clipped": (many_kinds, {"clip_norm": 0.05, "clip_value": 0.01}),
    "one cycle": (small, {"schedule": optim.OneCycle()}),
    "augmented": (small, {"data": functools.partial(loader, augment=Augment(1, 9, 0.1, True, 2, 3))}),
    "all batches too small to share": (many_kinds, {"data": functools.partial(loader, 3)}),
    "a layer that is frozen": (frozen, {"optimizer": functools.partial(optim.AdamW, lr=0.01)}),
    "synchronised batch norm": (functools.partial(many_kinds, sync=True), {}),
    "a module of the user's": (OfTheUsers, {}),
    "rows for labels": (small, {"data": lambda: loader(labels=np.eye(3, dtype=np.float32)[LABELS])}),
}
NOT_CAPTURED = {"synchronised batch norm", "a module of the user's"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [2, 3])
def test_captured_shares_are_single_steps_to_the_bit(programs: list[Any], case: str, size: int) -> None:
    network, options = CASES[case]
    single = of_threads(size, False, network, **options)
    assert not programs and len(single[0]["records"]) > 10
    several = of_threads(size, True, network, **options)
    for one, other in zip(several, single, strict=True):
        assert_same(one, other)
    if case in NOT_CAPTURED:
        assert not any(isinstance(found, Replay) for found in programs)
    else:  # two shapes, in every thread
        assert len(programs) == 2 * size and all(isinstance(found, Replay) for found in programs), programs


def test_programs_are_cut_at_the_edges_of_buckets_and_send_what_single_steps_do(
    programs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_sums, "SMALL", 1)
    sums = {capture: of_threads(2, capture, small)[0]["sums"] for capture in (True, False)}
    agreed = {("begin", 1), ("end", 1)}  # how long steps took
    assert programs and [each for each in sums[True] if each not in agreed] == sums[False]
    for program in programs:
        cuts = [stop for _, stop, _ in program._parts]  # results and last layer, first layer, wait, update, the end
        assert 0 < cuts[0] < cuts[1] == cuts[2] < cuts[3] == cuts[4] == len(program)


def test_a_small_network_has_one_cut_before_its_update(programs: list[Any]) -> None:
    of_threads(2, True, small)
    assert programs
    for program in programs:
        cuts = [stop for _, stop, _ in program._parts]  # results and gradients, wait, update, the end
        assert 0 < cuts[0] == cuts[1] < cuts[2] == cuts[3] == len(program)


@pytest.mark.parametrize(("total", "sums"), [(1000, 1), (1 << 18, 1), (1 << 20, 4), (1 << 22, 4), (1 << 24, 16)])
def test_so_many_sums_are_made_of_so_many_bytes(total: int, sums: int) -> None:
    assert math.ceil(total / gradient_sums.bucket_bytes(total)) == sums


def test_a_loss_of_one_process_that_is_not_finite_halts_all_after_the_same_step(programs: list[Any]) -> None:
    images = IMAGES.astype(np.float32) / 255
    images[30] = np.nan
    data = functools.partial(loader, images=images)
    single, several = (of_threads(3, capture, many_kinds, data=data) for capture in (False, True))
    for one, other in zip(several, single, strict=True):
        assert_same(one, other)
        assert "of 3" in one["error"] and one["error"] == several[0]["error"]
    assert programs


@pytest.mark.parametrize("at", [1, 7])
def test_an_interruption_of_one_process_stops_all_after_the_same_step_and_they_resume_to_the_bit(
    programs: list[Any], at: int
) -> None:
    whole = of_threads(2, True, many_kinds, epochs=4)
    nets = []
    for _ in range(2):
        gpucnn.manual_seed(3)
        nets.append(many_kinds())

    def stopped(communicator: Threads) -> dict[str, Any]:
        stopping = (lambda steps: steps >= at) if communicator.rank == 1 else (lambda steps: False)
        first = train(communicator, nets, True, epochs=4, stopping=stopping)
        gpucnn.manual_seed(99)
        rest = train(communicator, nets, True, epochs=4, state=first["state"])
        return {**rest, "records": first["records"] + rest["records"], "stopped": len(first["records"])}

    for one, other in zip(several := together(2, stopped), whole, strict=True):
        assert_same(one, other)
        assert at <= one["stopped"] == several[0]["stopped"] < len(other["records"])


def test_processes_whose_weights_differ_take_those_of_rank_0() -> None:
    nets = []
    for seed in range(2):
        gpucnn.manual_seed(seed)
        nets.append(small())
    gpucnn.manual_seed(0)
    nets.append(small())
    first, second = together(2, lambda communicator: train(communicator, nets, True))
    nets[:2] = [nets[2], small()]
    assert_same(first, second)
    assert_same(first, together(2, lambda communicator: train(communicator, nets, True))[0])


def test_an_error_in_an_interlude_is_no_failed_capture() -> None:
    class Silent(Threads):
        def start_sum(self, array: np.ndarray) -> Any:
            raise TrainingError("rank 1 did not answer")

    net = small()
    communicator = Silent(0, SimpleNamespace(size=2, changed=threading.Condition(), calls={}))
    communicator.broadcast = lambda value: value  # type: ignore[method-assign]
    trainer = Trainer(net, MOMENTUM(net.parameters()), communicator=communicator)
    with pytest.raises(TrainingError, match="rank 1 did not answer"):
        next(trainer.run(loader(), None, 1))
    F.relu(Tensor(np.ones(2, np.float32)))  # nothing is recorded any more
    assert net[0].weight.memory.flags.writeable
