"""The flat bank: parameters and their gradients as views into two flat arrays.

One norm, one update and one checkpoint tensor serve a whole network. A parameter that had no gradient is left out, and
one whose array was exchanged from outside is taken in again.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from gpucnn.backend import Array, module_of
from gpucnn.errors import InputError
from gpucnn.tensor import Tensor

PIECE = 1 << 18  # elements updated at a time on a CPU: small enough to stay in cache through an update's passes


class Bank:
    """The `parameters`, in their order, in flat arrays `values` and `gradients` (length,) of their dtype and device.

    Raises InputError where there are none, or their dtypes or devices differ.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        if not parameters:
            raise InputError("an optimizer needs at least one parameter; the network has none")
        kinds = {(parameter.dtype, module_of(parameter.data).__name__) for parameter in parameters}
        if len(kinds) > 1:
            raise InputError(
                f"parameters of one optimizer must share dtype and device; found {sorted(map(str, kinds))}"
            )
        self.parameters = list(parameters)
        first = parameters[0].data
        length = sum(parameter.size for parameter in parameters)
        self.values = module_of(first).empty(length, first.dtype)
        self.gradients = module_of(first).zeros(length, first.dtype)
        self._views: list[tuple[Array, Array]] = []
        ends = 0
        for parameter in parameters:
            start, ends = ends, ends + parameter.size
            shape = parameter.data.shape
            self._views.append((self.values[start:ends].reshape(shape), self.gradients[start:ends].reshape(shape)))
        self.adopt()

    def __reduce__(self) -> tuple[type["Bank"], tuple[list[Tensor]]]:
        """A copy or an unpickled bank is made anew: views do not survive copying."""
        return Bank, (self.parameters,)

    def adopt(self) -> None:
        """Make every parameter and gradient a view of the bank, copying those that are not (yet, or no longer).

        Raises InputError for one whose dtype was changed since.
        """
        for parameter, (values, gradients) in zip(self.parameters, self._views, strict=True):
            if parameter.data is not values:
                if parameter.dtype != values.dtype or type(parameter.data) is not type(values):
                    raise InputError(
                        f"a parameter is {_kind(parameter.data)} now and was {_kind(values)} when its optimizer was "
                        f"made; change the network's dtype and device first, then make the optimizer"
                    )
                values[...] = parameter.data
                parameter.data = values
            parameter._grad_buffer = gradients
            if parameter.grad is not None and parameter.grad.data is not gradients:
                gradients[...] = parameter.grad.data
                parameter.grad.data = gradients

    def changed(self) -> None:
        """Let the tape know that the parameters' values were changed in place."""
        for parameter in self.parameters:
            parameter._version += 1

    def pieces(self, marks: Sequence[int]) -> Iterator[tuple[slice, int]]:
        """Ranges of the flat arrays of parameters that all have a gradient and one mark; on a CPU at most PIECE long.

        `marks` has a number for each parameter; each range comes with its own.
        """
        piece = PIECE if module_of(self.values) is np else self.values.size
        for start, stop, mark in self._runs(marks):
            for begin in range(start, stop, piece):
                yield slice(begin, min(begin + piece, stop)), mark

    def _runs(self, marks: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """Neighbouring parameters that have a gradient and share a mark, as (start, stop, mark)."""
        stop = 0
        has_gradient = [parameter.grad is not None for parameter in self.parameters]
        sizes = [parameter.size for parameter in self.parameters]
        for (given, mark), run in itertools.groupby(zip(has_gradient, marks, sizes, strict=True), lambda p: p[:2]):
            start, stop = stop, stop + sum(size for _, _, size in run)
            if given:
                yield start, stop, mark


def _kind(array: Array) -> str:
    return f"{array.dtype} of {module_of(array).__name__}"
