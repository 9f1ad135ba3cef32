"""Weights from PyTorch and to it, by one call each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from gpucnn.errors import InputError
from gpucnn.nn import Module
from gpucnn.training.checkpoint import load_weights

M = TypeVar("M", bound=Module)


def load_state_dict(net: M, state: Mapping[str, Any] | Path | str) -> M:
    """Copy PyTorch's weights into `net`, and return it.

    `state` is a `state_dict()`, of PyTorch or of gpucnn, or a safetensors file of one. Names and shapes must be the
    network's; half precision (float16, bfloat16) becomes the network's dtype. Raises CheckpointError that names every
    difference, and changes nothing then.
    """
    if isinstance(state, Mapping):
        net.load_state_dict(state)
    elif isinstance(state, str | Path):
        load_weights(state, net)
    else:
        raise InputError(
            f"load_state_dict was given {type(state).__name__}; expected a state_dict() or the path of a safetensors "
            "file, as in gpucnn.load_state_dict(net, theirs.state_dict())"
        )
    return net


def torch_state_dict(net: Module) -> dict[str, Any]:
    """Copies of the network's parameters and buffers as PyTorch's tensors on the host, by PyTorch's names.

    `theirs.load_state_dict(gpucnn.torch_state_dict(ours))` takes them into a PyTorch module of the same layers. Raises
    InputError where PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise InputError(f"torch_state_dict needs PyTorch ({error}); pip install torch") from None
    return {name: torch.from_numpy(array) for name, array in net.state_dict().items()}
