"""Groups of parameters: checked, added, shown, and as PyTorch's state dictionaries."""

import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from gpucnn.backend import to_host
from gpucnn.errors import CheckpointError, InputError
from gpucnn.tensor import Tensor
from gpucnn.tensor.absent import missing

Group = dict[str, Any]


class StateDict:
    """Base of Optimizer: its state in PyTorch's form, a number for each parameter and its arrays under it.

    The arrays are host copies in the layout of `state_dict` of a network. Either library loads the other's.
    """

    param_groups: list[Group]
    _defaults: Group
    _add: Callable[[list[Group]], None]
    _flat: list[Any]
    theirs: ClassVar[dict[str, str]] = {}  # PyTorch's names of the slots

    def add_param_group(self, group: Group) -> None:
        """Train more parameters: {"params": [...]} with options of their own. Raises InputError as the constructor."""
        parameters = group["params"]
        more = {**group, "params": [parameters] if isinstance(parameters, Tensor) else list(parameters)}
        as_groups([*self.param_groups, more], {**self._defaults, "steps": 0})
        self._add([more])

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: arrays by name}, "param_groups": [options, and the numbers of the parameters]}."""
        state: dict[int, dict[str, Any]] = {}
        groups, number = [], 0
        for group, flat in zip(self.param_groups, self._flat, strict=True):
            options = {name: value for name, value in group.items() if name not in ("params", "steps")}
            groups.append({**options, "params": list(range(number, number + len(flat.parameters)))})
            for i, (parameter, place) in enumerate(zip(flat.parameters, flat.places, strict=True)):
                state[number] = {}
                for name, array in flat.state.items():
                    part = to_host(array[place.start : place.stop].reshape(place.value.shape))
                    part = np.moveaxis(part, -1, 0) if parameter.batch_last else part
                    state[number][self.theirs.get(name, name)] = np.array(part, order="C")
                if "steps" in group:
                    state[number]["step"] = np.float32(group["steps"][i])
                number += 1
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue from a `state_dict()`, PyTorch's too. Raises CheckpointError for one of other parameters."""
        groups, state = saved["param_groups"], saved["state"]
        sizes = [len(group["params"]) for group in groups]
        if sizes != [len(flat.parameters) for flat in self._flat]:
            raise CheckpointError(
                f"the saved optimizer has groups of {sizes} parameters; "
                f"this one of {[len(flat.parameters) for flat in self._flat]}"
            )
        found = list(self._read(groups, state))
        for target, array in found:
            target[...] = array
        for group, flat, given in zip(self.param_groups, self._flat, groups, strict=True):
            group.update({name: given[name] for name in given if name in group and name not in ("params", "steps")})
            if "steps" in group:
                numbers = given["params"]
                group["steps"] = [int(state.get(n, {}).get("step", 0)) for n in numbers]
            if not any(number in state for number in given["params"]):
                for array in flat.state.values():
                    array.fill(0)

    def _read(self, groups: Any, state: Any) -> Any:
        """Every array of the flat memory that is in the state, and the values it gets; checked."""
        for given, flat in zip(groups, self._flat, strict=True):
            for number, parameter, place in zip(given["params"], flat.parameters, flat.places, strict=True):
                for name, array in flat.state.items() if number in state else ():
                    value = state[number].get(self.theirs.get(name, name))
                    target = array[place.start : place.stop].reshape(place.value.shape)
                    if value is None:  # PyTorch keeps no momentum before the first step
                        yield target, 0
                        continue
                    value = np.asarray(value)
                    if value.shape != parameter.shape:
                        raise CheckpointError(f"the saved {name} of parameter {number} has shape {value.shape}; "
                                              f"expected {parameter.shape}")  # fmt: skip
                    yield np.moveaxis(target, -1, 0) if parameter.batch_last else target, value

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(missing("Optimizer", name, dir(type(self))).replace("Optimizer", type(self).__name__, 1))

    def __repr__(self) -> str:
        """The options of every group."""
        lines = []
        for number, group in enumerate(self.param_groups):
            options = ", ".join(f"{name}={value!r}" for name, value in group.items() if name not in ("params", "steps"))
            count = sum(parameter.size for parameter in group["params"])
            lines.append(f"  group {number}: {len(group['params'])} parameters, {count:,} numbers; {options}\n")
        return f"{type(self).__name__}(\n{''.join(lines)})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def as_groups(parameters: Iterable[Tensor] | Iterable[Group], options: dict[str, Any]) -> list[Group]:
    """Parameter groups; parameters without any are one. Raises InputError for what cannot be trained."""
    if isinstance(parameters, Tensor):
        raise InputError("an optimizer was given one Tensor; expected a list of parameters, such as net.parameters()")
    given: list[Any] = list(parameters)
    grouped = given if given and isinstance(given[0], dict) else [{"params": given}]
    groups: list[Group] = [{**group, "params": list(group["params"])} for group in grouped]
    for group in groups:
        if unknown := sorted(set(group) - {*options, "params"}):
            raise InputError(f"a parameter group has {', '.join(unknown)}; expected params, {', '.join(options)}")
    tensors = [parameter for group in groups for parameter in group["params"]]
    if others := [type(tensor).__name__ for tensor in tensors if not isinstance(tensor, Tensor)]:
        raise InputError(f"an optimizer was given {', '.join(others[:3])}; expected Tensors, such as net.parameters()")
    if len({id(tensor) for tensor in tensors}) != len(tensors):
        raise InputError("a parameter was given to the optimizer twice; each belongs to one group, once")
    if any(tensor._creator is not None for tensor in tensors):
        raise InputError("an optimizer was given a Tensor computed from others; give those it was computed from")
    return groups
