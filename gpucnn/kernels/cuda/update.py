"""Optimizer steps in CUDA: each array is read and written once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import program
from gpucnn.kernels.interface import AdamOptions, RMSpropOptions, Scales, StepScales

PART = 2048  # elements that a block of threads sums and scales, unless that made more than MOST_PARTS
MOST_PARTS = 1024  # of one array: every block reads all their sums


class Update(numpy.Update):
    def sgd(self, parameters: Array, gradient: Array, scales: Scales, weight_decay: float) -> None:
        array, given = _scales(scales)
        _run("sgd", parameters, array, given.size, weight_decay, gradient)

    def momentum(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        array, given = _scales(scales)
        _run("momentum", parameters, array, given.size, momentum, weight_decay, gradient, velocity)

    def nesterov(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        array, given = _scales(scales)
        _run("nesterov", parameters, array, given.size, momentum, weight_decay, gradient, velocity)

    def adam(
        self, parameters: Array, gradient: Array, mean: Array, square: Array, scales: Scales, options: AdamOptions
    ) -> None:
        array, given = _scales(scales)
        betas, eps, weight_decay = options
        _run("adam", parameters, array, *given, *betas, eps, weight_decay, gradient, mean, square)

    def rmsprop(
        self, parameters: Array, gradient: Array, kept: Sequence[Array], scales: Scales, options: RMSpropOptions
    ) -> None:
        array, given = _scales(scales)
        _run("rmsprop", parameters, array, given.size, *options, gradient, *kept)

    def muon_direction(
        self, gradient: Array, average: Array, scales: Scales, momentum: float, nesterov: bool, out: Array
    ) -> None:
        _run("muon_direction", out, _scales(scales)[0], momentum, nesterov, gradient, average)

    def to_unit_norm(self, x: Array, eps: float) -> None:
        if not x.size:
            return
        part, parts = _cut(x.size)
        sums, sizes = empty((parts,), x, np.float64), ((parts,), (program.THREADS,), x.size, part)
        program.launch("update", "squares", x.dtype, *sizes, x, sums)
        program.launch("update", "unit", x.dtype, *sizes, parts, sums, float(eps), x)

    def clip_by_norm(self, gradients: Sequence[Array], max_norm: float) -> Array:
        """Two launches for each run of neighbours in memory, such as the gradients of one optimizer."""
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
            sizes, noted = ((parts,), (program.THREADS,), run.size, part), None if number else norm
            program.launch("update", "clip", run.dtype, *sizes, sums.size, sums, float(max_norm), noted, run)
        return norm

    def clip_by_value(self, gradients: Sequence[Array], most: float) -> None:
        """One launch for each run of neighbours in memory."""
        for run in program.joined(gradients):
            program.run("update", "clip_values", run.dtype, run.size, float(most), run)

    def scale(self, gradients: Sequence[Array], factor: float) -> None:
        """One launch for each run of neighbours in memory."""
        for run in program.joined(gradients):
            program.run("update", "scale", run.dtype, run.size, float(factor), run)


def _scales(scales: Scales) -> tuple[Array | None, StepScales]:
    """The step scales on the device, or None; and those by value, which count where there are none on the device."""
    return (None, scales) if isinstance(scales, StepScales) else (scales, StepScales(0.0))


def _run(name: str, parameters: Array, scales: Array | None, *arguments: Any) -> None:
    numbers = (float(given) if isinstance(given, int | float) else given for given in arguments)
    program.run("update", name, parameters.dtype, parameters.size, scales, *numbers, parameters)


def _cut(length: int) -> tuple[int, int]:
    """How many elements a block takes of so many, and how many blocks there are."""
    part = max(PART, -(-length // MOST_PARTS))
    return part, -(-length // part)
