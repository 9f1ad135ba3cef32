"""What the GPU benchmark's contestants compute, as far as it runs without a GPU: PyTorch and JAX on the CPU, gpucnn on
the emulated one. Capturing is PyTorch's own; here it is a stand-in that runs the step again.
"""

import contextlib
import math
from types import SimpleNamespace

import numpy as np
import pytest
from bench.gpu import graph_nodes
from bench.gpu.clock import FEWEST, MOST, Timed, repeated
from bench.gpu.contestants import INFERENCE, TRAINING
from bench.gpu.worker import Answers
from bench.gpu.workloads import WORKLOADS, training, training_work
from bench.workloads import Network, network_of

from tests.emulation import device, streams

SMALL = Network(
    [
        ("conv2d", {"out_channels": 2, "kernel_size": 3, "padding": 0, "stride": 1, "bias": True}),
        ("relu", {}),
        ("max_pool2d", {"kernel_size": 2, "stride": None}),
        ("dropout", {"p": 0.25}),
        ("flatten", {}),
        ("linear", {"out_features": 10, "bias": True}),
    ],
    (1, 8, 8),
    10,
)
BATCH = 4
KINDS = (TRAINING, INFERENCE)


def check_answers(library) -> Answers:
    """A contestant prepares and measures both kinds of steps."""
    answers = Answers(library)
    assert answers.describe()["version"]
    for kind in KINDS:
        ready = answers.prepare(kind, SMALL.to_json(), BATCH)
        assert ready["ready_s"] > 0 and ready["memory_MiB"] >= 0
        assert answers.measure(kind, 1e-3) > 0
    return answers


# --- the clock ---


def test_a_group_is_as_long_as_asked_for():
    now, taken = [0.0], []

    def run(steps: int) -> int:
        taken.append(steps)
        now[0] += 1e-3 * steps
        return steps

    def clock(work) -> float:
        start = now[0]
        work()
        return now[0] - start

    timed = Timed(run, clock)
    timed.probe()
    assert timed.step_seconds == pytest.approx(1e-3)
    taken.clear()
    assert timed.milliseconds(0.04) == pytest.approx(1.0)
    assert taken == [20, 40]  # a warm-up, and the group
    timed.step_seconds = 0.0
    assert timed.steps_in(1.0) == MOST
    timed.step_seconds = 10.0
    assert timed.steps_in(1.0) == FEWEST


def test_steps_that_are_done_in_larger_pieces_count_as_what_they_are():
    timed = Timed(lambda steps: 100, lambda work: work() or 0.5)
    assert timed.milliseconds(0.04) == 5.0


# --- work ---


def test_the_work_of_a_step_is_counted_by_hand():
    work = training(SMALL, BATCH)
    convolution, linear = 2 * 6 * 6 * 9, 2 * 3 * 3 * 10
    assert work.flops == 2 * BATCH * (2 * convolution + 3 * linear)  # the images themselves have no gradient
    shapes = [(64, 72), (72, 72), (72, 18), (18, 18), (18, 10)]
    moved = BATCH * sum(3 * before + 2 * after for before, after in shapes) + 8 * (20 + 190)
    assert work.bytes == 4 * moved


def test_work_grows_with_the_batch():
    assert training_work("lenet-256").flops == 4 * training_work("lenet-64").flops


# --- PyTorch ---


@pytest.fixture
def with_torch(torch, monkeypatch):
    """The contestant's module; what it sets of PyTorch is set back."""
    from bench.gpu import with_torch

    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    yield with_torch
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.set_flags(_allow_tf32=before[1], _benchmark=before[2])


@pytest.fixture
def capturing(torch, monkeypatch):
    """A stand-in for PyTorch's graphs; returns the steps of each kind of call, in their order."""
    calls = []

    class Graph:
        def __init__(self, keep_graph: bool) -> None:
            self.kept = keep_graph

        def replay(self) -> None:
            calls.append("replay")

        def raw_cuda_graph(self) -> int:
            return 0x1234

    @contextlib.contextmanager
    def graph(which):
        calls.append("begin")
        yield
        calls.append("end")

    stream = SimpleNamespace(wait_stream=lambda other: calls.append("wait"))
    for name, value in {
        "Stream": lambda: stream, "current_stream": lambda: stream, "stream": lambda which: contextlib.nullcontext(),
        "CUDAGraph": Graph, "graph": graph,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    return calls


@pytest.mark.parametrize("form", ["torch-eager", "torch-graph", "torch-graph-channels-last"])
def test_pytorch(with_torch, capturing, form):
    check_answers(with_torch.Library(form, "float32", device="cpu"))
    if form == "torch-eager":
        assert not capturing
    else:
        assert capturing[:4] == ["wait", "wait", "begin", "end"] and set(capturing[4:]) >= {"replay"}


def test_pytorch_compiled(with_torch, torch, monkeypatch):
    asked = []

    def stand_in(forward, **options):
        asked.append(options)
        return forward

    monkeypatch.setattr(torch, "compile", stand_in)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: asked.append("begin"))
    check_answers(with_torch.Library("torch-compiled", "tf32", device="cpu"))
    assert {"mode": "reduce-overhead", "dynamic": False} in asked and asked.count("begin") > 2


def test_pytorchs_step_is_the_step(with_torch, torch):
    from torch_network import build_network

    library = with_torch.Library("torch-eager", "float32", device="cpu")
    net = build_network(SMALL.layers, SMALL.shape).eval()  # no dropout
    twin = build_network(SMALL.layers, SMALL.shape).eval()
    twin.load_state_dict(net.state_dict())
    images, labels = torch.randn(BATCH, *SMALL.shape), torch.randint(10, (BATCH,))
    step = library._training(net, images, labels)
    step(), step()
    optimizer = torch.optim.SGD(twin.parameters(), lr=with_torch.LEARNING_RATE, momentum=with_torch.MOMENTUM)
    for _ in range(2):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(twin(images), labels).backward()
        optimizer.step()
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_tf32_is_forbidden_or_allowed(with_torch, torch):
    for precision, allowed in (("float32", False), ("tf32", True)):
        with_torch.Library("torch-eager", precision, device="cpu")
        assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == allowed


def test_launches_are_those_that_the_profiler_saw(with_torch, torch, monkeypatch):
    kinds = torch.autograd.DeviceType
    seen = [SimpleNamespace(device_type=kind) for kind in (kinds.CPU, kinds.CUDA, kinds.CUDA) for _ in range(5)]
    profile = contextlib.nullcontext(SimpleNamespace(events=lambda: seen))
    monkeypatch.setattr(torch.profiler, "profile", lambda activities: profile)
    timed = with_torch.Library("torch-eager", "float32", device="cpu").prepare(TRAINING, SMALL, BATCH)
    assert timed.launches() == 2


def test_pytorch_without_a_gpu_says_so(with_torch, torch, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="finds no GPU"):
        with_torch.Library("torch-eager", "float32")


# --- JAX ---


@pytest.fixture
def with_jax():
    """The contestant's module, with the precision set back afterwards."""
    jax = pytest.importorskip("jax", reason="JAX is not installed; it is a contestant, not a requirement")
    from bench.gpu import with_jax

    yield with_jax
    jax.config.update("jax_default_matmul_precision", None)


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_jax(with_jax, precision):
    check_answers(with_jax.Library("jax", precision, device="cpu"))


def test_jaxs_steps_train(with_jax):
    library = with_jax.Library("jax", "float32", device="cpu")
    network = Network([entry for entry in SMALL.layers if entry[0] != "dropout"], SMALL.shape, SMALL.classes)
    run = library.prepare(TRAINING, network, BATCH).run
    before = float(library._last)
    run(200)
    assert float(library._last) < before


def test_jax_without_a_gpu_says_so(with_jax):
    with pytest.raises(RuntimeError, match="finds no GPU"):
        with_jax.Library("jax", "float32")


# --- gpucnn ---


@pytest.fixture
def emulated(monkeypatch):
    """The emulated GPU."""
    if device.why_not:
        pytest.skip(device.why_not)

    from gpucnn.kernels.cuda import precision

    before = precision.get()
    with device.emulated():
        yield
    streams.Stream.null.use()
    precision.set(before)


@pytest.mark.parametrize("form", ["gpucnn-eager", "gpucnn-captured"])
def test_gpucnn(emulated, monkeypatch, form):
    from bench.gpu import with_gpucnn

    monkeypatch.setattr(with_gpucnn, "launches", lambda graph: graph)
    monkeypatch.setattr(streams.Graph, "graph", 7, raising=False)
    answers = check_answers(with_gpucnn.Library(form, "float32"))
    assert answers.launches(TRAINING) == (7 if form == "gpucnn-captured" else None)


def test_gpucnns_captured_steps_are_its_eager_ones(emulated):
    from bench.gpu import with_gpucnn

    import gpucnn

    network = Network([entry for entry in SMALL.layers if entry[0] != "dropout"], SMALL.shape, SMALL.classes)
    weights = []
    for form in ("gpucnn-eager", "gpucnn-captured"):
        gpucnn.manual_seed(0)
        library = with_gpucnn.Library(form, "float32")
        step, net = with_gpucnn.training(network, BATCH)
        timed = library._captured(step) if form == "gpucnn-captured" else Timed(repeated(step), library.seconds)
        timed.run(5 if form == "gpucnn-captured" else 5 + with_gpucnn.WARM_UPS)
        weights.append([parameter.numpy().copy() for parameter in net.parameters()])
    for eager, captured in zip(*weights, strict=True):
        np.testing.assert_array_equal(eager, captured)


def test_gpucnns_loader_and_memory(emulated, monkeypatch):
    from bench.gpu import with_gpucnn

    monkeypatch.setattr(with_gpucnn, "EPOCH", 5 * BATCH)
    library = with_gpucnn.Library("gpucnn-loader", "float32")
    timed = library.prepare(TRAINING, SMALL, BATCH)
    assert timed.run(1) == 5 and timed.run(6) == 10  # whole epochs
    timed.probe()
    assert timed.milliseconds(1e-3) > 0 and library.memory_mib() == 1.0
    monkeypatch.setattr(with_gpucnn, "launches", lambda graph: graph)
    monkeypatch.setattr(streams.Graph, "graph", 7, raising=False)
    assert timed.launches() == 7
    held = with_gpucnn.Library("gpucnn-loader", "float32").lasting(SMALL, BATCH, 12)
    assert held["steps"] == 15 and held["device_before_MiB"] == held["device_after_MiB"]


def test_gpucnns_precision_is_set(emulated):
    from bench.gpu import with_gpucnn

    from gpucnn.kernels.cuda import precision

    for name in ("tf32", "float32"):
        with_gpucnn.Library("gpucnn-eager", name)
        assert precision.get() == name


def test_a_loader_that_cannot_be_captured_fails(emulated, monkeypatch):
    from bench.gpu import with_gpucnn

    from gpucnn.kernels.cuda import capture
    from gpucnn.kernels.interface import CaptureError

    def refuse(work, stream):
        raise CaptureError("so it is")

    monkeypatch.setattr(with_gpucnn, "EPOCH", 5 * BATCH)
    monkeypatch.setattr(capture, "capture", refuse)
    with pytest.raises(UserWarning, match="so it is"):
        with_gpucnn.Library("gpucnn-loader", "float32").prepare(TRAINING, SMALL, BATCH)


def test_limits(emulated, monkeypatch):
    from bench.gpu import with_gpucnn

    monkeypatch.setattr(with_gpucnn, "COPIED", 1 << 12)
    monkeypatch.setattr(with_gpucnn, "SIDE", 16)
    found = with_gpucnn.Library("gpucnn-eager", "float32").limits()
    assert found["copy_gbytes"] > 0 and found["tflops"] > 0


# --- a graph's nodes ---


class Driver:
    """The driver's functions, on graphs that are lists of kinds, or of graphs within."""

    def __init__(self, graphs: dict[int, list[tuple[int, int]]]) -> None:
        self.graphs, self.nodes = graphs, dict(enumerate([node for nodes in graphs.values() for node in nodes], 100))

    def cuGraphGetNodes(self, graph, nodes, number) -> int:  # noqa: N802 - the driver's name
        own = [key for key, node in self.nodes.items() if any(node is one for one in self.graphs[graph.value])]
        number._obj.value = len(own)
        for place, key in enumerate(own if nodes is not None else []):
            nodes[place] = key
        return 0

    def cuGraphNodeGetType(self, node, kind) -> int:  # noqa: N802
        kind._obj.value = self.nodes[node.value][0]
        return 0

    def cuGraphChildGraphNodeGetGraph(self, node, inner) -> int:  # noqa: N802
        inner._obj.value = self.nodes[node.value][1]
        return 0


def test_the_nodes_of_a_graph_and_of_those_within(monkeypatch):
    kernel, copy, fill, inner, empty = (lambda kind=kind: (kind, 2) for kind in (0, 1, 2, 4, 5))
    driver = Driver({1: [kernel(), copy(), inner(), empty()], 2: [kernel(), fill()]})
    for nodes in driver.graphs.values():
        for place, node in enumerate(nodes):
            nodes[place] = next(own for own in driver.nodes.values() if own is node)
    monkeypatch.setattr(graph_nodes.ctypes, "CDLL", lambda name: driver)
    assert graph_nodes.launches(1) == 4


def test_a_driver_that_refuses_is_told_of(monkeypatch):
    monkeypatch.setattr(graph_nodes.ctypes, "CDLL", lambda name: SimpleNamespace(cuGraphGetNodes=lambda *_: 400))
    with pytest.raises(OSError, match="400"):
        graph_nodes.launches(1)


def test_every_workload_is_a_shipped_network():
    assert {network_of(workload.config).classes for workload in WORKLOADS.values()} == {10}
    assert math.prod(network_of("renom").shape) == 784
