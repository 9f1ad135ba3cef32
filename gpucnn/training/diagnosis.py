"""Finding where a number that is not finite first appears."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gpucnn.backend import Array, module_of, to_device
from gpucnn.data.loader import Batch
from gpucnn.nn import Module
from gpucnn.nn.unfused import unfused
from gpucnn.tensor import Tensor, no_grad


@np.errstate(all="ignore")
def first_not_finite(net: Module, batch: Batch) -> str:
    """A sentence on what is first not finite when `net` runs on `batch`: images, a parameter or a layer's output."""
    if not _finite(batch.images):
        return "the minibatch's images are not finite; look at the data"
    for name, parameter in net.named_parameters():
        if not _finite(parameter.memory):
            return f"parameter {name} is the first that is not finite; the last update was too large"
    if layer := _first_layer(net, batch):
        return f"the parameters are finite, the output of layer {layer} is the first that is not"
    return "the parameters and all layers' outputs are finite, the loss of them is not"


def _first_layer(net: Module, batch: Batch) -> str | None:
    """The first module without modules inside whose output is not finite."""
    found: list[str] = []

    def see(name: str, module: Module, output: Tensor) -> None:
        if not _finite(output.memory):
            found.append(f"{name} ({type(module).__name__})")

    run_watched(net, batch, see)
    return found[0] if found else None


def run_watched(net: Module, batch: Batch, see: Callable[[str, Module, Tensor], None]) -> Tensor:
    """The output of `net` for a minibatch, without gradients.

    Each module without modules inside runs by itself, and `see` is called with its name, itself and its output.
    """

    def watched(name: str, module: Module) -> Callable[..., Any]:
        forward = module.forward

        def run(*inputs: Any) -> Any:
            output = forward(*inputs)
            if isinstance(output, Tensor):
                see(name, module, output)
            return output

        return run

    leaves = [(name, module) for name, module in net.named_modules() if not any(module.children())]
    try:
        for name, module in leaves:
            vars(module)["forward"] = watched(name, module)
        with no_grad(), unfused(net):
            return net(Tensor.from_batch_last(to_device(batch.images)))
    finally:
        for _, module in leaves:
            del vars(module)["forward"]


def _finite(array: Array) -> bool:
    return bool(module_of(array).isfinite(array).all())
