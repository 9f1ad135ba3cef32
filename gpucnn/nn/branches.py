"""Branches: several ways through layers, whose results are added or joined."""

import functools
import operator
from typing import Literal

from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.joining import join_channels
from gpucnn.geometry import ReceptiveField, Sizes
from gpucnn.nn.containers import ModuleList, Sequential
from gpucnn.nn.layer import Layer
from gpucnn.tensor import Tensor

__all__ = ["Branches"]

Merge = Literal["sum", "concat"]


class Branches(ModuleList, Layer):
    """The same input through each of the paths; with `merge` "sum" their results are added, with "concat" joined.

    A path is a Sequential; an empty one gives the input as it is. Joined are the channels, in the order of the paths.
    Raises InputError for less than two paths, or another `merge`.
    """

    kind = "branches"

    def __init__(self, *paths: Sequential, merge: Merge) -> None:
        super().__init__(paths)
        if len(paths) < 2 or not all(isinstance(path, Sequential) for path in paths) or merge not in ("sum", "concat"):
            raise InputError(
                f"branches: given {len(paths)} paths and merge {merge!r}; expected two nn.Sequential or more, and "
                f"sum or concat"
            )
        self.merge = merge

    @property
    def paths(self) -> list[Sequential]:
        """The paths."""
        return list(self)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """The sum, or (N, all C, ...). Raises ShapeError where the results do not fit together."""
        results = [path(x) for path in self.paths]
        self._merged([y.shape[1:] for y in results])
        return join_channels(results) if self.merge == "concat" else functools.reduce(operator.add, results)

    def output_shape(self, shape: Sizes) -> Sizes:
        """The shape of the sum, or with the channels of all."""
        return self._merged([path.output_shape(shape) for path in self.paths])

    def _merged(self, shapes: list[Sizes]) -> Sizes:
        first, same = shapes[0], 0 if self.merge == "sum" else 1  # from which axis on shapes must agree
        for number, shape in enumerate(shapes):
            if shape[same:] != first[same:]:
                raise ShapeError(
                    f"branches: path 0 gives shape {first}, path {number} {shape}; to {self.merge} them "
                    f"{'all' if same == 0 else 'all but the channels'} must be equal. Give both the same strides and "
                    f"padding{', and as many out_channels' if same == 0 else ''}"
                )
        return first if same == 0 else (sum(shape[0] for shape in shapes), *first[1:])

    def multiply_adds(self, shape: Sizes) -> int:
        """The sum over all paths."""
        return sum(path.multiply_adds(shape) for path in self.paths)

    def receptive_field(self, shape: Sizes, field: ReceptiveField | None = None) -> ReceptiveField:
        """The pixels from the first to the last that a path's unit sees."""
        fields = [path.receptive_field(shape, field) for path in self.paths]
        return functools.reduce(functools.partial(_union, self.output_shape(shape)[1:]), fields)


def _union(sizes: Sizes, one: ReceptiveField, other: ReceptiveField) -> ReceptiveField:
    """What units of either field see, for maps of `sizes`; where their jumps differ, at the last unit too."""
    size, start = [], []
    for axis, length in enumerate(sizes):
        jump = one.jump[axis]
        apart = (other.jump[axis] - jump) * (length - 1)
        begins = other.start[axis] + min(apart, 0), other.start[axis] + max(apart, 0)
        start.append(min(one.start[axis], begins[0]))
        size.append(max(one.start[axis] + one.size[axis], begins[1] + other.size[axis]) - start[axis])
    return ReceptiveField(tuple(size), one.jump, tuple(start))
