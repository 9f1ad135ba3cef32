"""Optimizers: update rules over flat parameters. Formulas, names and options are PyTorch's."""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np

from gpucnn.backend import Array, module_of
from gpucnn.errors import CheckpointError, InputError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import AdamOptions, StepScales
from gpucnn.optim.flat import FlatParameters, Place
from gpucnn.optim.groups import Group, StateDict, as_groups
from gpucnn.tensor import Tensor

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]

Parameters = Iterable[Tensor] | Iterable[Group]
PIECE = 1 << 18  # elements updated at a time on a CPU: small enough to stay in cache through an update's passes


class Optimizer(StateDict):
    """An update rule for parameter groups, each in flat memory. A subclass defines `_update` and `slots`.

    `parameters` are Tensors, or groups such as {"params": [...], "lr": 0.01} whose options override the common ones.
    Raises InputError for options out of range, no parameters, or a parameter in two groups.
    """

    slots: ClassVar[tuple[str, ...]] = ()  # names of the flat arrays kept from step to step
    not_negative: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")  # options that must not be

    def __init__(self, parameters: Parameters, options: dict[str, Any]) -> None:
        self._defaults = options
        self.param_groups: list[Group] = []
        self._flat: list[FlatParameters] = []
        self._add(as_groups(parameters, options))

    def _add(self, groups: list[Group]) -> None:
        for group in groups:
            settings = {**self._defaults, **group}
            self._check(settings)
            self.param_groups.append(settings)
            self._flat.append(FlatParameters(settings["params"], self.slots))
        self._base = [*getattr(self, "_base", ()), *(group.get("lr", self._defaults["lr"]) for group in groups)]
        self._leader = next((i for i, base in enumerate(self._base) if base), 0)

    @property
    def flat(self) -> tuple[FlatParameters, ...]:
        """The parameters of each group, in flat memory."""
        return tuple(self._flat)

    @classmethod
    def _check(cls, group: Group) -> None:
        """Raises InputError for an option out of range."""
        for option in cls.not_negative:
            if not group[option] >= 0:
                raise InputError(f"{cls.__name__}: {option} is {group[option]}; expected at least 0")

    @property
    def lr(self) -> float:
        """The learning rate of the first group that is not frozen (frozen: it began with 0, and others did not).

        Setting it changes all groups, in proportion to their initial rates.
        """
        return self.param_groups[self._leader]["lr"]

    @lr.setter
    def lr(self, lr: float) -> None:
        if not lr >= 0:
            raise InputError(f"{type(self).__name__}: lr is {lr}; expected at least 0")
        for group, base in zip(self.param_groups, self._base, strict=True):
            group["lr"] = lr * (base / self.base_lr) if self.base_lr else lr

    @property
    def base_lr(self) -> float:
        """`lr` as it was given, which a schedule multiplies."""
        return self._base[self._leader]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set every parameter's gradient to None. The next gradient reuses its memory: copy what you keep."""
        if not set_to_none:
            raise InputError("zero_grad sets gradients to None; there is no set_to_none=False")
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter._grad = None

    def step(self, scales: Array | None = None) -> None:
        """Update every parameter that has a gradient.

        A captured step passes `scales` (groups, 4) in device memory: a row of `plan`, and whether to stop. It is not
        counted as a step; `count` is called afterwards.
        """
        for number, (group, flat) in enumerate(zip(self.param_groups, self._flat, strict=True)):
            counts = self._steps(group, 1 if scales is None else 0)
            self._move(group, flat, counts, None if scales is None else scales[number])

    def _move(self, group: Group, flat: FlatParameters, counts: Sequence[int], scales: Array | None) -> None:
        """Update a group's parameters, which have made `counts` steps, this one included."""
        for part, count in moving(flat, counts):
            now = self._scales(group, count) if scales is None else scales
            state = list(map(itemgetter(part), flat.state.values()))
            self._update(flat.values[part], flat.gradients[part], state, now, group)

    def _update(self, values: Array, gradients: Array, state: list[Array], scales: StepScales, group: Group) -> None:
        """Update one piece of the flat memory in place; all arrays are (length,), `state` in the order of `slots`.

        `scales` may be a row of a plan, on the device.
        """
        raise NotImplementedError

    def _scales(self, group: Group, count: int) -> StepScales:
        """The numbers that a group's step with number `count` is scaled by."""
        return StepScales(group["lr"])

    def _steps(self, group: Group, more: int) -> list[int]:
        """How many steps each parameter of the group has made, once `more` are counted for those with a gradient.

        All 0 for a rule that does not depend on it.
        """
        return [0] * len(group["params"])

    def plan(self, lrs: Sequence[float]) -> np.ndarray:
        """StepScales of the next steps at learning rates `lrs`: (steps, groups, 3) float64. The last stays set.

        Raises InputError where parameters of one group have made different numbers of steps: their scales differ.
        """
        done = [self._common_count(group) for group in self.param_groups]
        rows = []
        for ahead, lr in enumerate(lrs, 1):
            self.lr = lr
            counts = (n + ahead for n in done)
            rows.append([self._scales(*each) for each in zip(self.param_groups, counts, strict=True)])
        return np.array(rows, np.float64)

    def count(self, steps: int) -> None:
        """Count steps that were made with scales from `plan`."""
        for group in self.param_groups:
            self._steps(group, steps)
            for parameter in group["params"]:
                parameter._version += steps * (parameter.grad is not None)

    def _common_count(self, group: Group) -> int:
        """How many steps the parameters of the group that have a gradient have made.

        Before the first gradient, as after loading a checkpoint: those that have made steps, if any has.
        """
        made = self._steps(group, 0)
        counts = {count for count, p in zip(made, group["params"], strict=True) if p.grad is not None}
        counts = counts or {count for count in made if count} or {0}
        if len(counts) > 1:
            raise InputError(
                f"parameters of one group have made {sorted(counts)} steps, where a plan is for all of them alike; "
                "give those that began later a group of their own"
            )
        return counts.pop()

    def flat_arrays(self) -> Iterator[Array]:
        """The flat arrays of all groups, which a step reads and changes: values, gradients, and those kept."""
        for flat in self._flat:
            yield from (flat.values, flat.gradients, *flat.state.values())

    def state_arrays(self) -> dict[str, Array]:
        """The flat arrays kept from step to step, by "group.slot"; live, not copies."""
        return {f"{i}.{name}": array for i, flat in enumerate(self._flat) for name, array in flat.state.items()}

    def state_counters(self) -> dict[str, int]:
        """Whole numbers kept from step to step, by name."""
        return {}

    def load_state(self, arrays: dict[str, Array], counters: dict[str, int]) -> None:
        """Continue from the results of `state_arrays` and `state_counters`. Raises CheckpointError for others."""
        own = self.state_arrays()
        if set(own) != set(arrays) or set(self.state_counters()) != set(counters):
            raise CheckpointError(
                f"the saved optimizer keeps {sorted([*arrays, *counters])}; {type(self).__name__} keeps "
                f"{sorted([*own, *self.state_counters()])}. Resume with the optimizer the run began with"
            )
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise CheckpointError(
                    f"the saved optimizer's {name} has shape {array.shape}; expected {own[name].shape}"
                )
        for name, array in arrays.items():
            own[name][...] = module_of(own[name]).asarray(array)


def moving(flat: FlatParameters, counts: Sequence[int], most: int = PIECE) -> Iterator[tuple[slice, int]]:
    """Ranges of flat memory whose parameters have a gradient and one count, each with it; on a CPU at most `most` long.

    A parameter without a gradient is skipped, as in PyTorch: it is not changed by decay or momentum either.
    """
    runs: list[list[int]] = []  # start, stop, count of neighbours
    for parameter, place, count in zip(flat.parameters, flat.places, counts, strict=True):
        if not _lies_in(place, parameter):
            flat.take_in(parameter, place)
        if parameter.grad is None:
            continue
        parameter._version += 1
        if runs and runs[-1][1:] == [place.start, count]:
            runs[-1][1] = place.stop
        else:
            runs.append([place.start, place.stop, count])
    piece = most if module_of(flat.values) is np else flat.values.size
    for start, stop, count in runs:
        for begin in range(start, stop, piece):
            yield slice(begin, min(begin + piece, stop)), count


def _lies_in(place: Place, parameter: Tensor) -> bool:
    """Whether the parameter's values, and its gradient if it has one, are the arrays of its place in flat memory.

    They are not after a user, `Module.to` or another optimizer assigned other arrays to the parameter.
    """
    return parameter.memory is place.value and (parameter.grad is None or parameter.grad.memory is place.gradient)


class SGD(Optimizer):
    """p -= lr · g, with momentum v = momentum · v + g in place of g, or Nesterov's g + momentum · v.

    `weight_decay` adds weight_decay · p to g. Options must not be negative; `nesterov` needs momentum.
    """

    slots, theirs = ("velocity",), {"velocity": "momentum_buffer"}
    not_negative = ("lr", "momentum", "weight_decay")

    def __init__(
        self,
        parameters: Parameters,
        lr: float,
        momentum: float = 0.0,
        *,  # PyTorch's dampening would be here
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(parameters, options)

    @classmethod
    def _check(cls, group: Group) -> None:
        super()._check(group)
        if group["nesterov"] and not group["momentum"]:
            raise InputError("SGD: nesterov looks ahead along the momentum, which is 0; give momentum, such as 0.9")

    def _update(self, values: Array, gradients: Array, state: list[Array], scales: StepScales, group: Group) -> None:
        kernels, momentum, decay = kernels_of(type(values)).update, group["momentum"], group["weight_decay"]
        if not momentum:
            kernels.sgd(values, gradients, scales, decay)
            return
        [velocity] = state
        if group["nesterov"]:
            kernels.nesterov(values, gradients, velocity, scales, momentum, decay)
        else:
            kernels.momentum(values, gradients, velocity, scales, momentum, decay)


class Counting(Optimizer):
    """Base of rules that count the steps of every parameter, as PyTorch's state dictionaries do."""

    not_negative: ClassVar[tuple[str, ...]] = ("lr", "eps", "weight_decay")

    def _add(self, groups: list[Group]) -> None:
        super()._add(groups)
        for group in self.param_groups:  # per parameter: one without a gradient makes no step
            group.setdefault("steps", [0] * len(group["params"]))

    def _steps(self, group: Group, more: int) -> list[int]:
        if more:
            group["steps"] = [
                count + more * (parameter.grad is not None)
                for count, parameter in zip(group["steps"], group["params"], strict=True)
            ]
        return group["steps"]

    def state_counters(self) -> dict[str, int]:
        """The number of steps each parameter has made, by "group.parameter.steps"."""
        return {
            f"{i}.{j}.steps": steps
            for i, group in enumerate(self.param_groups)
            for j, steps in enumerate(group["steps"])
        }

    def load_state(self, arrays: dict[str, Array], counters: dict[str, int]) -> None:
        """As Optimizer.load_state."""
        super().load_state(arrays, counters)
        for i, group in enumerate(self.param_groups):
            group["steps"] = [int(counters[f"{i}.{j}.steps"]) for j in range(len(group["steps"]))]


class Adam(Counting):
    """Adam (D. Kingma, J. Ba, 2014, arXiv:1412.6980); `weight_decay` adds weight_decay · p to the gradient."""

    slots, theirs = ("mean", "square"), {"mean": "exp_avg", "square": "exp_avg_sq"}

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @classmethod
    def _check(cls, group: Group) -> None:
        super()._check(group)
        if len(group["betas"]) != 2 or not all(0 <= beta < 1 for beta in group["betas"]):
            raise InputError(
                f"{cls.__name__}: betas is {group['betas']}; expected two numbers of at least 0, less than 1"
            )

    def _scales(self, group: Group, count: int) -> StepScales:
        first, second = group["betas"]
        return StepScales(group["lr"] / (1 - first**count), 1 / (1 - second**count) ** 0.5)

    def _update(self, values: Array, gradients: Array, state: list[Array], scales: StepScales, group: Group) -> None:
        update, (mean, square) = kernels_of(type(values)).update, state
        options = AdamOptions(group["betas"], group["eps"], group["weight_decay"])
        update.adam(values, gradients, mean, square, scales, options)


class AdamW(Adam):
    """Adam with decoupled weight decay, on the weights (I. Loshchilov, F. Hutter, 2017, arXiv:1711.05101)."""

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _scales(self, group: Group, count: int) -> StepScales:
        return super()._scales(group, count)._replace(shrink=1 - group["lr"] * group["weight_decay"])

    def _update(self, values: Array, gradients: Array, state: list[Array], scales: StepScales, group: Group) -> None:
        super()._update(values, gradients, state, scales, {**group, "weight_decay": 0.0})  # `shrink` is the decay
