"""JAX's steps on a GPU, each compiled whole by jit. It has no device events: the host's clock is read once all is done.

Steps are handed to the device without waiting for the one before, as everywhere else here.
"""

import functools
import importlib.metadata
import time
from collections.abc import Callable
from typing import Any

import jax

from bench import with_jax
from bench.gpu.clock import Run, Timed, repeated
from bench.gpu.contestants import TRAINING
from bench.gpu.trials import alone
from bench.workloads import Network

PRECISION_NAMES = {"float32": "highest", "tf32": "tensorfloat32"}
WARM_UPS = 3
MIB = 1 << 20


class Library:
    """JAX, in a process of its own."""

    def __init__(self, form: str, precision: str, device: str = "gpu") -> None:
        if device == "gpu" and jax.devices()[0].platform == "cpu":
            raise RuntimeError(f"this JAX, {jax.__version__}, finds no GPU")
        jax.config.update("jax_default_matmul_precision", PRECISION_NAMES[precision])
        self._last: Any = None  # what the last step returned

    def describe(self) -> dict[str, Any]:
        """Version, and that of what lies beneath."""
        return {"version": jax.__version__, "beneath": f"jaxlib {importlib.metadata.version('jaxlib')}"}

    def prepare(self, kind: str, network: Network, batch: int) -> Timed:
        """Steps of one kind, which have run already."""
        timed = Timed((self._training if kind == TRAINING else self._inference)(network, batch), self.seconds)
        with alone():  # what is compiled at the first step
            timed.run(WARM_UPS)
            self.wait()
        return timed

    def _training(self, network: Network, batch: int) -> Run:
        """Forward, loss, backward and update, compiled as one."""
        images, labels = with_jax.inputs(network, batch)
        state = with_jax.initial_state(network)
        update = with_jax.update_of(network.layers)

        def step() -> None:
            nonlocal state
            state, self._last = update(state, images, labels)

        return repeated(step)

    def _inference(self, network: Network, batch: int) -> Run:
        """The logits."""
        images, _ = with_jax.inputs(network, batch)
        weights = with_jax.initial_weights(network)
        forward = jax.jit(functools.partial(with_jax.apply, network.layers))

        def step() -> None:
            self._last = forward(weights, images)

        return repeated(step)

    def give_back(self) -> None:
        """Nothing: a process serves one workload."""

    def wait(self) -> None:
        """Until the last step is done, and all before it: they run in order."""
        jax.block_until_ready(self._last)

    def seconds(self, work: Callable[[], object]) -> float:
        """On the host's clock."""
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - start

    def memory_mib(self) -> float:
        """The most that JAX's allocator has handed out."""
        return ((jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)) / MIB
