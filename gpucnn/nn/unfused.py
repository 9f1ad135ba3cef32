"""Networks whose layers each run by themselves, for pictures of what each of them computes."""

import contextlib
from collections.abc import Iterator

from gpucnn.nn.containers import Sequential
from gpucnn.nn.fusion import alone
from gpucnn.nn.hooks import Hooked
from gpucnn.nn.module import Module


@contextlib.contextmanager
def unfused(net: Module) -> Iterator[None]:
    """Inside the block each layer of `net` runs by itself: no ReLU within the layer before or behind it."""
    containers = [module for module in net.modules() if isinstance(module, Sequential)]
    try:
        for module in containers:
            module._planned = (Hooked.changes, *module.layers)
            module._operations = tuple(alone(number, layer) for number, layer in enumerate(module.layers))
        yield
    finally:
        for module in containers:
            module._planned, module._operations = (), ()
