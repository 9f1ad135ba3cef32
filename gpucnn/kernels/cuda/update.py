"""One optimizer step in CUDA: each array is read and written once. Arguments as in numpy/update.py.

`rates` may also be an array (4,) float64 on the device: size, root, shrink, and a halt other than 0 where nothing is to
move.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels.cuda import program
from gpucnn.kernels.numpy.update import StepScales

PART = 2048  # elements that a block of threads sums and scales, unless that made more than MOST_PARTS
MOST_PARTS = 1024  # of one array: every block reads all their sums


def sgd(parameters: Array, gradient: Array, rates: StepScales | Array, weight_decay: float) -> None:
    """p -= size · d, with d = g + weight_decay · p."""
    array, given = _rates(rates)
    _run("sgd", parameters, array, given.size, weight_decay, gradient)


def momentum(
    parameters: Array, gradient: Array, velocity: Array, rates: StepScales | Array, momentum: float, weight_decay: float
) -> None:
    """v = momentum · v + d, p -= size · v, with d = g + weight_decay · p."""
    array, given = _rates(rates)
    _run("momentum", parameters, array, given.size, momentum, weight_decay, gradient, velocity)


def nesterov(
    parameters: Array, gradient: Array, velocity: Array, rates: StepScales | Array, momentum: float, weight_decay: float
) -> None:
    """v = momentum · v + d, p -= size · (d + momentum · v), with d = g + weight_decay · p."""
    array, given = _rates(rates)
    _run("nesterov", parameters, array, given.size, momentum, weight_decay, gradient, velocity)


def adam(
    parameters: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    rates: StepScales | Array,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """p = shrink · p - size · mean / (root · sqrt(square) + eps), with d = g + weight_decay · p."""
    array, given = _rates(rates)
    _run("adam", parameters, array, *given, *betas, eps, weight_decay, gradient, mean, square)


def _rates(rates: StepScales | Array) -> tuple[Array | None, StepScales]:
    """The rates on the device, or None; and those by value, which count where there are none on the device."""
    return (None, rates) if isinstance(rates, StepScales) else (rates, StepScales(0.0))


def _run(name: str, parameters: Array, rates: Array | None, *arguments: Any) -> None:
    numbers = (float(given) if isinstance(given, int | float) else given for given in arguments)
    program.run("update", name, parameters.dtype, parameters.size, rates, *numbers, parameters)


def clip_by_norm(gradients: Sequence[Array], max_norm: float) -> Array:
    """Scale arrays of any shapes together so that their joint norm is at most `max_norm`; the norm before, ().

    Two launches for each run of neighbours in memory, such as the gradients of one bank.
    """
    runs = [run for run in program.joined(gradients) if run.size]
    cuts = [_cut(run.size) for run in runs]
    sums = empty((sum(parts for _, parts in cuts),), gradients[0], np.float64)
    norm = empty((), gradients[0])
    start = 0
    for run, (part, parts) in zip(runs, cuts, strict=True):
        sizes = (parts,), (program.THREADS,), run.size, part
        program.launch("update", "squares", run.dtype, *sizes, run, sums[start : start + parts])
        start += parts
    for number, (run, (part, parts)) in enumerate(zip(runs, cuts, strict=True)):
        sizes, told = ((parts,), (program.THREADS,), run.size, part), None if number else norm
        program.launch("update", "clip", run.dtype, *sizes, sums.size, sums, float(max_norm), told, run)
    return norm


def clip_by_value(gradients: Sequence[Array], most: float) -> None:
    """Limit every element of arrays of any shapes to ±most, a launch for each run of neighbours in memory."""
    for run in program.joined(gradients):
        program.run("update", "clip_values", run.dtype, run.size, float(most), run)


def _cut(length: int) -> tuple[int, int]:
    """How many elements a block takes of so many, and how many blocks there are."""
    part = max(PART, -(-length // MOST_PARTS))
    return part, -(-length // part)
