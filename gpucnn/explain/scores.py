"""The score of a class, and its gradients: by the network's inputs, or by what a layer of it computes.

A score is the network's output before a final softmax or sigmoid, which flatten where the network is sure.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.backend import to_device
from gpucnn.data.loader import to_batch_last
from gpucnn.tensor import Tensor
from gpucnn.training.evaluation import dtype_of, evaluating, in_evaluation_mode, outputs

Hook = Callable[..., Any]


def scores(net: nn.Sequential, inputs: np.ndarray) -> np.ndarray:
    """The scores of all classes, (N, K), of inputs (N, C, *sizes), which are normalised already."""
    with _until_scores(net):
        return outputs(net, inputs)


def gradients(net: nn.Sequential, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The gradient of the score of class labels[n] by input n: inputs (N, C, *sizes), labels (N,) -> inputs' shape."""
    x = _inputs(net, inputs).requires_grad_()
    _backward(net, x, labels)
    return x.grad.numpy()


def inside(
    net: nn.Sequential, layer: nn.Module, inputs: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A layer's output (N, M, ...), and the gradient by it of the score of class labels[n] of input n."""
    reached = []

    def begin_here(module: nn.Module, given: Any, output: Tensor) -> Tensor:
        reached.append(output.detach().requires_grad_())
        return reached[-1]

    with hooked(layer, begin_here):
        _backward(net, _inputs(net, inputs), labels)
    return reached[-1].numpy(), reached[-1].grad.numpy()


@contextlib.contextmanager
def unit_gradients(net: nn.Sequential, layer: nn.Module) -> Iterator[Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """A function of inputs (N, C, *sizes) and channels (N,), for use inside the block.

    It returns the gradient by input n of the unit amid the layer's map channels[n], of the inputs' shape. What follows
    the layer is not computed.
    """
    dtype = dtype_of(net).name

    def gradients(inputs: np.ndarray, channels: np.ndarray) -> np.ndarray:
        x = Tensor.from_batch_last(to_device(to_batch_last(inputs, dtype))).requires_grad_()
        (output,) = _until([layer], net, x)
        chosen = np.zeros(output.shape, output.dtype)
        chosen[(np.arange(len(channels)), channels, *(side // 2 for side in chosen.shape[2:]))] = 1
        output.backward(Tensor(chosen))
        return x.grad.numpy()

    with in_evaluation_mode(net), _frozen(net):
        yield gradients


def maps_of(net: nn.Sequential, layers: Sequence[nn.Module], inputs: np.ndarray) -> list[np.ndarray]:
    """The outputs (N, M, ...) of these layers for inputs (N, C, *sizes), which are normalised already."""
    with evaluating(net):
        return [output.numpy() for output in _until(layers, net, _inputs(net, inputs))]


def _until(layers: Sequence[nn.Module], net: nn.Sequential, x: Tensor) -> list[Tensor]:
    """The outputs of these layers for x; what follows the last of them is not computed."""
    reached: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, given: Any, output: Tensor) -> None:
        reached[module] = output
        if len(reached) == len(layers):
            raise _AllReachedError

    with contextlib.ExitStack() as hooks, contextlib.suppress(_AllReachedError):
        for layer in layers:
            hooks.enter_context(hooked(layer, keep))
        net(x)
    return [reached[layer] for layer in layers]


class _AllReachedError(Exception):
    """Ends a run of the network early."""


def _inputs(net: nn.Sequential, inputs: np.ndarray) -> Tensor:
    return Tensor.from_batch_last(to_device(to_batch_last(inputs, dtype_of(net).name)))


def _backward(net: nn.Sequential, x: Tensor, labels: np.ndarray) -> None:
    """Run the network in evaluation mode, and the gradients of the scores of `labels` back; parameters get none."""
    with _until_scores(net), in_evaluation_mode(net), _frozen(net):
        result = net(x)
        chosen = np.zeros(result.shape, result.dtype)
        chosen[np.arange(len(labels)), labels] = 1
        result.backward(Tensor(chosen))


@contextlib.contextmanager
def _frozen(net: nn.Module) -> Iterator[None]:
    """No gradients by parameters inside the block; those that they have stay."""
    frozen = [parameter for parameter in net.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_()


@contextlib.contextmanager
def hooked(layer: nn.Module, hook: Hook) -> Iterator[None]:
    """Inside the block the layer has a forward hook."""
    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _until_scores(net: nn.Sequential) -> Iterator[None]:
    """Inside the block a final softmax or sigmoid passes on what it is given."""
    last: nn.Module = net
    while isinstance(last, nn.Sequential) and len(last):
        last = last[-1]
    if isinstance(last, nn.Softmax | nn.LogSoftmax | nn.Sigmoid):
        with hooked(last, lambda module, given, output: given[0]):
            yield
    else:
        yield
