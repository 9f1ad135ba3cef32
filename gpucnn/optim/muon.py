"""Muon: momentum whose direction is made orthogonal, matrix by matrix; AdamW for the parameters that are none."""

from collections.abc import Iterator, Sequence
from typing import Literal

from gpucnn.backend import Array, empty
from gpucnn.errors import InputError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import StepScales
from gpucnn.optim.flat import FlatParameters
from gpucnn.optim.groups import Group
from gpucnn.optim.optimizers import AdamW, Optimizer, Parameters, moving

Coefficients = tuple[float, float, float]


class Muon(AdamW):
    """p = (1 - lr · weight_decay) · p - lr · r · O, with O the direction of the momentum made nearly orthogonal.

    K. Jordan, 2024, kellerjordan.github.io/posts/muon; options and defaults are those of torch.optim.Muon. A weight
    (O, I, ...) is the matrix of O rows, so that a convolution has (O, I · kh · kw). `ns_steps` steps of Newton and
    Schulz, X = a X + (b X Xᵀ + c (X Xᵀ)²) X from X of norm 1, bring all singular values near 1; they are computed in
    the parameters' dtype, not in bfloat16 as PyTorch does. r is sqrt(max(1, rows / columns)); with `adjust_lr_fn`
    "match_rms_adamw" it is 0.2 · sqrt(max(rows, columns)), so that learning rates of AdamW fit
    (J. Liu et al., 2025, arXiv:2502.16982).

    Parameters of fewer than two axes, such as biases and those of batch norm, are a group of their own, which AdamW
    updates with `betas`, from learning rate `adamw_lr` on. A group with "use_muon": False is updated by AdamW as well,
    from its "lr" on: some do so for a network's last layer.
    Raises InputError as Optimizer does.
    """

    theirs = {"mean": "momentum_buffer", "square": "exp_avg_sq"}
    not_negative = ("adamw_lr", *AdamW.not_negative, "momentum")

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: Coefficients = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None,
        *,
        adamw_lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.95),
    ) -> None:
        options = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov, "eps": eps}
        newton_schulz = {"ns_coefficients": ns_coefficients, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn}
        adamw = {"adamw_lr": adamw_lr, "betas": betas, "use_muon": None}
        Optimizer.__init__(self, parameters, {**options, **newton_schulz, **adamw})

    def _add(self, groups: list[Group]) -> None:
        super()._add([part for group in groups for part in self._split(group)])

    def _split(self, group: Group) -> Iterator[Group]:
        """The group, where it says whether Muon updates it; else its matrices, and the parameters that are none."""
        if group.get("use_muon") is not None:
            yield group
            return
        settings = {**self._defaults, **group}
        matrices = [parameter for parameter in group["params"] if parameter.ndim > 1]
        others = [parameter for parameter in group["params"] if parameter.ndim <= 1]
        share = settings["lr"] / self._defaults["lr"] if self._defaults["lr"] else 1.0
        if matrices or not others:
            yield {**group, "params": matrices, "use_muon": True}
        if others:
            yield {**group, "params": others, "use_muon": False, "lr": settings["adamw_lr"] * share}

    @classmethod
    def _check(cls, group: Group) -> None:
        super()._check(group)
        if group["use_muon"] and (small := [p.shape for p in group["params"] if p.ndim < 2]):
            raise InputError(f"Muon: use_muon, with parameters of shape {small[0]}; expected matrices, or more axes")
        if len(group["ns_coefficients"]) != 3 or not group["ns_coefficients"][1]:
            raise InputError(
                f"Muon: ns_coefficients is {group['ns_coefficients']}; expected three numbers, the second not 0"
            )
        if not 1 <= group["ns_steps"] < 100:
            raise InputError(f"Muon: ns_steps is {group['ns_steps']}; expected 1 to 99")
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise InputError(f"Muon: adjust_lr_fn is {group['adjust_lr_fn']!r}; expected original or match_rms_adamw")

    def _scales(self, group: Group, count: int) -> StepScales:
        return StepScales(group["lr"]) if group["use_muon"] else super()._scales(group, count)

    def _move(self, group: Group, flat: FlatParameters, counts: Sequence[int], scales: Array | None) -> None:
        if not group["use_muon"]:
            super()._move(group, flat, counts, scales)
            return
        rows = {place.start: len(place.value) for place in flat.places}
        numbers = range(len(flat.places))  # all different, so that each range is one parameter
        for part, _ in moving(flat, numbers, most=flat.values.size):
            now = self._scales(group, 1) if scales is None else scales
            direction = empty(flat.values[part].shape, flat.values)
            update = kernels_of(type(direction)).update
            average, matrix = flat.state["mean"][part], direction.reshape(rows[part.start], -1)  # (O, I · kh · kw)
            update.muon_direction(flat.gradients[part], average, now, group["momentum"], group["nesterov"], direction)
            ratio = _adjusted(matrix, group["adjust_lr_fn"])
            orthogonalise(matrix, group["ns_coefficients"], group["ns_steps"], group["eps"], ratio)
            update.sgd(flat.values[part], direction, now, group["weight_decay"])


def orthogonalise(x: Array, coefficients: Coefficients, steps: int, eps: float, size: float = 1.0) -> None:
    """Bring the singular values of x (rows, columns) near `size`, in place, by `steps` steps of Newton and Schulz.

    `eps` is the least that x is divided by at first.
    """
    kernels, (a, b, c) = kernels_of(type(x)), coefficients
    kernels.update.to_unit_norm(x, eps)
    wide, side = x.shape[0] <= x.shape[1], min(x.shape)
    for left in reversed(range(steps)):
        gram, square, change = empty((side, side), x), empty((side, side), x), empty(x.shape, x)
        kernels.gemm.matmul(*((x, x.T) if wide else (x.T, x)), gram)
        kernels.gemm.matmul(gram, gram, square)
        _combine(square, c, gram, b)
        kernels.gemm.matmul(*((square, x) if wide else (x, square)), change)
        factor = 1.0 if left else size
        _combine(x, factor * a, change, factor)


def _combine(x: Array, a: float, y: Array, b: float) -> None:
    """x = a · x + b · y, in place, as a step of gradient descent."""
    kernels_of(type(x)).update.sgd(x.reshape(-1), y.reshape(-1), StepScales(-b), (a - 1) / b)


def _adjusted(matrix: Array, rule: str | None) -> float:
    """What the learning rate of a matrix (rows, columns) is multiplied by."""
    rows, columns = matrix.shape
    return 0.2 * max(rows, columns) ** 0.5 if rule == "match_rms_adamw" else max(1, rows / columns) ** 0.5
