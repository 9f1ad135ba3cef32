"""Weights for a network from a file of another: what fits is taken, layer by layer, and what is not is named."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn.errors import CheckpointError
from gpucnn.nn import Module
from gpucnn.training.checkpoint import Layout, like_dtype, read_some_weights, read_weights, weight_layouts

Layers = dict[str, dict[str, Any]]  # by the layer's name: its tensors' own names, and what is known of each


@dataclass(frozen=True)
class Transfer:
    """taken: the network's names, and those in the file. new, left: with their shapes, what else both have."""

    taken: dict[str, str]
    new: dict[str, tuple[int, ...]]
    left: dict[str, tuple[int, ...]]

    def __str__(self) -> str:
        pairs = (own if own == theirs else f"{theirs} as {own}" for own, theirs in self.taken.items())
        return "\n".join(
            f"  {title}: {', '.join(names)}"
            for title, names in (
                ("taken", list(pairs)),
                ("drawn anew", _with_shapes(self.new)),
                ("left there", _with_shapes(self.left)),
            )
            if names
        )


def transfer_weights(path: Path | str, net: Module, anew: Collection[str] = ()) -> Transfer:
    """Copy into `net` those weights in `path`, a weights file or a checkpoint, whose layers fit.

    A layer fits one of the file whose tensors have the same names within it, and the same shapes. Layers are matched
    in their order: the longest sequence that both have, and of several the one with most names alike. So a network
    with another last layer, or with more layers, takes the rest. The order of a file's layers is that of their names,
    numbers by their value. The layers named in `anew` take nothing.

    Raises CheckpointError, and changes nothing, where no layer fits, or the file is damaged or of another kind.
    """
    own, layouts = net.state_dict(), weight_layouts(path)
    open_to_it = {name: array for name, array in own.items() if _layer_of(name) not in anew}
    taken = matched(open_to_it, layouts)
    if not taken:
        read_weights(path, own)  # raises, with every difference, unless only layers of `anew` fit
        raise CheckpointError(f"{path}: no layer fits but {', '.join(anew)}, which is to be drawn anew")
    arrays = read_some_weights(path, taken.values())
    net.load_state_dict({**own, **{name: arrays[theirs] for name, theirs in taken.items()}})
    used = set(taken.values())
    return Transfer(
        taken,
        {name: array.shape for name, array in own.items() if name not in taken},
        {name: layouts[name][0] for name in sorted(layouts, key=_natural) if name not in used},
    )


def last_layer(net: Module) -> str:
    """The name of the last layer that has weights."""
    return _layer_of(list(net.state_dict())[-1])


def matched(own: Mapping[str, np.ndarray], theirs: Mapping[str, Layout]) -> dict[str, str]:
    """The names of a network's tensors that a file has for it, and what they are called there; see `transfer_weights`.

    own: a `state_dict()`, in the network's order.
    """
    ours, others = _by_layer(own), _by_layer({name: theirs[name] for name in sorted(theirs, key=_natural)})
    pairs = _longest(list(ours), list(others), lambda one, other: _fits(ours[one], others[other]))
    return {_joined(layer, name): _joined(other, name) for layer, other in pairs for name in ours[layer]}


def _longest(ours: list[str], others: list[str], fits: Callable[[str, str], bool]) -> list[tuple[str, str]]:
    """The longest common subsequence, in pairs that fit; of several, one with most names alike."""
    best = np.zeros((len(ours) + 1, len(others) + 1, 2), int).tolist()  # of what follows: how many, and names alike
    pairs = {}
    for i in reversed(range(len(ours))):
        for j in reversed(range(len(others))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1])
            if fits(ours[i], others[j]):
                count, alike = best[i + 1][j + 1]
                pairs[i, j] = [count + 1, alike + (ours[i] == others[j])]
                best[i][j] = max(best[i][j], pairs[i, j])
    found, i, j = [], 0, 0
    while i < len(ours) and j < len(others):
        if pairs.get((i, j)) == best[i][j]:
            found.append((ours[i], others[j]))
            i, j = i + 1, j + 1
        elif best[i + 1][j] == best[i][j]:
            i += 1
        else:
            j += 1
    return found


def _by_layer(tensors: Mapping[str, Any]) -> Layers:
    layers: Layers = {}
    for name, what in tensors.items():
        layers.setdefault(_layer_of(name), {})[name.rpartition(".")[2]] = what
    return layers


def _layer_of(name: str) -> str:
    return name.rpartition(".")[0]


def _joined(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name


def _fits(arrays: Mapping[str, np.ndarray], layouts: Mapping[str, Layout]) -> bool:
    """Whether a layer's tensors are those of another's in a file."""
    return arrays.keys() == layouts.keys() and all(
        layouts[name][0] == array.shape and layouts[name][1] in like_dtype(array.dtype)
        for name, array in arrays.items()
    )


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts "3.weight" before "10.weight"."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _with_shapes(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [f"{name} {shape}" for name, shape in shapes.items()]
