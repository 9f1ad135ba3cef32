"""The health of a network's layers: dead and saturated units, and the norms of weights, gradients and updates."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from gpucnn.backend import Array, module_of, to_host
from gpucnn.data.loader import Batch
from gpucnn.nn import Module, ReLU
from gpucnn.tensor import Tensor
from gpucnn.training.diagnosis import run_watched
from gpucnn.training.evaluation import evaluating

SATURATED = 0.05  # a slope below this share of the activation's steepest
DIGITS = 5  # kept of a figure

# Of activations between two bounds the slope where the result is y, as a share of the steepest.
SLOPES: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda y: 4 * y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "scaled_tanh": lambda y: 1 - (y / 1.7159) ** 2,
}

Figures = dict[str, float | None]  # of a layer, by name


def dead_share(output: Tensor) -> float:
    """The share of the units of a ReLU's output (N, C, ...), a unit to each channel, that are 0 for every image."""
    memory = output.memory if output.batch_last else module_of(output.memory).moveaxis(output.memory, 1, 0)
    largest = memory.reshape(output.shape[1], -1).max(axis=1)  # (C, ..., N) -> (C, places · N) -> (C,)
    return float((largest <= 0).mean())


def saturated_share(kind: str, output: Tensor) -> float:
    """The share of the results of an activation, one of `SLOPES`, at which its slope is nearly 0."""
    return float((SLOPES[kind](output.memory) < SATURATED).mean())


@np.errstate(all="ignore")  # what is not finite is None in the figures
def shares_of_units(net: Module, batch: Batch) -> dict[str, Figures]:
    """By layer the share of dead units of each ReLU, `dead`, and of saturated ones of others, `saturated`.

    The network runs in evaluation mode, layer by layer, and is as before afterwards.
    """
    found: dict[str, Figures] = {}

    def see(name: str, module: Module, output: Tensor) -> None:
        if isinstance(module, ReLU):
            found[name] = {"dead": _figure(dead_share(output))}
        elif (kind := getattr(module, "kind", "")) in SLOPES:
            found[name] = {"saturated": _figure(saturated_share(kind, output))}

    with evaluating(net):
        run_watched(net, batch, see)
    return found


def copied_weights(net: Module) -> dict[str, Array]:
    """Copies of all parameters, by name."""
    return {name: parameter.memory.copy() for name, parameter in net.named_parameters()}


def norms(net: Module, before: Mapping[str, Array] | None, stepped: bool) -> dict[str, Figures]:
    """By layer the Euclidean norm of all its parameters, `weights`, of their `gradients` and of their `updates`.

    Gradients are those that the last step left in memory, clipped where that is configured; updates are the weights
    less those `before`. None without a step (`stepped`), without weights from before, for what is not trained, and for
    what is not finite.
    """
    arrays: dict[tuple[str, str], list[Array]] = {}
    for name, parameter in net.named_parameters():
        layer = name.rpartition(".")[0]
        arrays.setdefault((layer, "weights"), []).append(parameter.memory)
        if stepped and parameter.requires_grad and parameter._grad_buffer is not None:
            arrays.setdefault((layer, "gradients"), []).append(parameter._grad_buffer)
        if before is not None:
            arrays.setdefault((layer, "updates"), []).append(parameter.memory - before[name])
    found: dict[str, Figures] = {}
    for (layer, what), norm in zip(arrays, _norms(arrays.values()), strict=True):
        found.setdefault(layer, {"weights": None, "gradients": None, "updates": None})[what] = _figure(norm)
    return found


@np.errstate(all="ignore")
def _norms(lists: Iterable[list[Array]]) -> list[float]:
    """The norm of each list of arrays, all of which are read from the device at once."""
    squares = [sum(module_of(array).square(array, dtype=np.float64).sum() for array in each) for each in lists]
    return np.sqrt(to_host(module_of(squares[0]).stack(squares))).tolist() if squares else []


def _figure(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
