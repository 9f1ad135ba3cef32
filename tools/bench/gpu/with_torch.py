"""PyTorch's steps on a GPU: eager, the whole step as one CUDA graph, or compiled with mode="reduce-overhead"."""

import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch_network import build_network

from bench.gpu.clock import Timed, repeated
from bench.gpu.contestants import TRAINING
from bench.gpu.graph_nodes import launches
from bench.gpu.trials import alone
from bench.workloads import LEARNING_RATE, MOMENTUM, Network

WARM_UPS = 11  # as PyTorch's manual advises before capturing; compiled steps record their graphs in the first of them
PROFILED = 5  # steps whose launches are counted
MIB = 1 << 20
Step = Callable[[], object]


class Library:
    """PyTorch in one form, in a process of its own; on another device than a GPU the host's clock is its clock."""

    def __init__(self, form: str, precision: str, device: str = "cuda") -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError(f"this PyTorch, {torch.__version__}, finds no GPU")
        self._form, self._device = form, device
        self._channels_last = form.endswith("channels-last")
        allowed = precision == "tf32"
        torch.set_float32_matmul_precision("high" if allowed else "highest")
        torch.backends.cudnn.set_flags(_allow_tf32=allowed, _benchmark=True)  # of its algorithms the fastest, by trying

    def describe(self) -> dict[str, Any]:
        """Version, and those of what lies beneath."""
        return {"version": torch.__version__, "beneath": f"CUDA {torch.version.cuda}, cuDNN {_cudnn_version()}"}

    def prepare(self, kind: str, network: Network, batch: int) -> Timed:
        """Steps of one kind, which have run already."""
        net, images = self._network(network, batch)
        labels = torch.randint(network.classes, (batch,), device=self._device)
        self._try_algorithms(net, images, labels)
        step = self._training(net, images, labels) if kind == TRAINING else self._inference(net.eval(), images)
        step()  # a graph takes a momentum that is there
        timed = self._captured(step) if "graph" in self._form else self._profiled(step)
        timed.run(WARM_UPS)
        self.wait()
        return timed

    def _try_algorithms(self, net: Any, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Let cuDNN try its algorithms, in both memory orders: compiled steps choose among these, too.

        The memory that they ask for is not the step's.
        """
        own = torch.channels_last if self._channels_last else torch.contiguous_format
        with alone():
            for order in (torch.contiguous_format, torch.channels_last):
                output = net.to(memory_format=order)(images.to(memory_format=order))
                nn.functional.cross_entropy(output, labels).backward()
            self.wait()
        net.to(memory_format=own).zero_grad()
        if self._device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def _network(self, network: Network, batch: int) -> tuple[nn.Module, torch.Tensor]:
        """The network, and images (N, C, H, W), both in the form's memory order."""
        net: Any = build_network(network.layers, network.shape).to(self._device)
        images = torch.randn(batch, *network.shape, device=self._device)
        if not self._channels_last:
            return net, images
        return net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)

    def _training(self, net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Step:
        """Forward, loss, backward and the update, which is one launch."""
        optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, fused=True)
        criterion = nn.CrossEntropyLoss()

        def loss_of(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return criterion(net(images), labels)

        forward = self._compiled(loss_of)

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            forward(images, labels).backward()
            optimizer.step()

        return step

    def _inference(self, net: nn.Module, images: torch.Tensor) -> Step:
        """The logits."""
        forward = self._compiled(net)

        @torch.no_grad()
        def step() -> None:
            forward(images)

        return step

    def _compiled(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Compiled, where that is the form; every call then begins by giving up what the last one returned."""
        if self._form != "torch-compiled":
            return forward
        compiled = torch.compile(forward, mode="reduce-overhead", dynamic=False)

        def marked(*inputs: torch.Tensor) -> Any:
            torch.compiler.cudagraph_mark_step_begin()
            return compiled(*inputs)

        return marked

    def _captured(self, step: Step) -> Timed:
        """The step as one CUDA graph. Its arrays, gradients among them, lie in the graph's memory."""
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UPS):
                step()
        torch.cuda.current_stream().wait_stream(beside)
        self.wait()
        graph = torch.cuda.CUDAGraph(keep_graph=True)
        with torch.cuda.graph(graph):
            step()
        replay = functools.partial(_replay, graph, step)
        return Timed(repeated(replay), self.seconds, lambda: launches(graph.raw_cuda_graph()))

    def _profiled(self, step: Step) -> Timed:
        return Timed(repeated(step), self.seconds, lambda: self._launches(step))

    def _launches(self, step: Step) -> int:
        """The kernels, copies and fills of a step, as PyTorch's profiler sees them on the device."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            for _ in range(PROFILED):
                step()
            self.wait()
        on_device = torch.autograd.DeviceType.CUDA
        return round(sum(event.device_type == on_device for event in profile.events()) / PROFILED)

    def give_back(self) -> None:
        """Give the memory of steps that are gone back to the device; compiled steps' graphs hold theirs until then."""
        torch._dynamo.reset()
        if self._device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def wait(self) -> None:
        """Until the device is idle."""
        if self._device == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Step) -> float:
        """Between two events on the device; on the host's clock where there is no GPU."""
        if self._device != "cuda":
            start = time.perf_counter()
            work()
            return time.perf_counter() - start
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.wait()
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    def memory_mib(self) -> float:
        """The most that PyTorch's allocator has handed out since the algorithms were tried."""
        return torch.cuda.max_memory_allocated() / MIB if self._device == "cuda" else 0.0


def _replay(graph: torch.cuda.CUDAGraph, step: Step) -> None:
    """Launch a graph. `step` is what it captured: held, because its network and images lie in memory of their own."""
    graph.replay()


def _cudnn_version() -> str:
    """As in 9.15.1; `none` where PyTorch has no cuDNN."""
    number = torch.backends.cudnn.version()
    return "none" if number is None else f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
