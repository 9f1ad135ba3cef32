"""gpucnn.save and gpucnn.load_into: networks, optimizers and trainers, in safetensors files."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gpucnn.errors import CheckpointError, InputError
from gpucnn.nn import Module
from gpucnn.optim import Optimizer
from gpucnn.training.checkpoint import State, load_state, load_weights, save_state, save_weights
from gpucnn.training.records import EpochRecord
from gpucnn.training.trainer import Trainer

T = TypeVar("T", Module, Optimizer, Trainer)
HISTORY, GROUPS = "history", "groups"  # names of values in the file


def save(thing: Module | Optimizer | Trainer, path: Path | str) -> None:
    """Write a network, an optimizer or a trainer to `path`, a safetensors file, whole or not at all.

    A network's file holds its `state_dict()` under PyTorch's names. A trainer's holds everything that the next step
    depends on, the network included: `load_into` takes either into a network. Raises InputError for anything else.
    """
    if isinstance(thing, Module):
        save_weights(path, thing.state_dict())
    elif isinstance(thing, Optimizer):
        save_state(path, _of_optimizer(thing))
    elif isinstance(thing, Trainer):
        state = thing.state()
        save_state(path, State(state.tensors, {**state.values, HISTORY: [asdict(record) for record in thing.history]}))
    else:
        raise InputError(_unknown("save", thing))


def load_into(thing: T, path: Path | str) -> T:
    """Read what `save` wrote into a network, an optimizer or a trainer like the one that was saved; returns it.

    A network also takes files of PyTorch's weights in safetensors, and trainers' files and checkpoints. Raises
    CheckpointError, and changes nothing, for a file that is damaged or of another network or optimizer.
    """
    if isinstance(thing, Module):
        load_weights(path, thing)
    elif isinstance(thing, Optimizer):
        _into_optimizer(thing, load_state(path, _of_optimizer(thing).tensors))
    elif isinstance(thing, Trainer):
        state = load_state(path, thing.state().tensors)
        history = _records(state.values.pop(HISTORY, []))
        thing.load_state(state)
        thing.history = history
    else:
        raise InputError(_unknown("load_into", thing))
    return thing


def _unknown(name: str, thing: Any) -> str:
    return (
        f"{name} was given {type(thing).__name__}; expected a network, an optimizer or a Trainer, "
        f"as in gpucnn.{name}(net, path)"
    )


def _of_optimizer(optimizer: Optimizer) -> State:
    """An optimizer's state_dict: arrays as "number.name", options of the groups beside them."""
    saved = optimizer.state_dict()
    tensors = {
        f"{number}.{name}": np.asarray(array) for number, part in saved["state"].items() for name, array in part.items()
    }
    return State(tensors, {GROUPS: saved["param_groups"]})


def _into_optimizer(optimizer: Optimizer, state: State) -> None:
    own, groups = optimizer.state_dict()["param_groups"], state.values.get(GROUPS)
    if not isinstance(groups, list) or [sorted(group) for group in groups] != [sorted(group) for group in own]:
        raise CheckpointError(f"the file is of another optimizer: its groups are {groups!r:.200}")
    for group in groups:
        group.update({name: tuple(value) for name, value in group.items() if isinstance(value, list)})
    parts: dict[int, dict[str, np.ndarray]] = {}
    for key, array in state.tensors.items():
        number, _, name = key.partition(".")
        parts.setdefault(int(number), {})[name] = array
    optimizer.load_state_dict({"state": parts, "param_groups": groups})


def _records(rows: Any) -> list[EpochRecord]:
    try:
        return [EpochRecord(**row) for row in rows]
    except TypeError as error:
        raise CheckpointError(f"the file's history is damaged: {error}") from None
