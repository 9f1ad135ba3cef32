"""Flat parameters: the parameters of one optimizer group, and their gradients, as views of two flat arrays."""

from collections.abc import Sequence
from typing import NamedTuple

from gpucnn.backend import Array, module_of
from gpucnn.errors import InputError
from gpucnn.tensor import Tensor


class Place(NamedTuple):
    """Where one parameter lies: elements start to stop of the flat arrays, which are viewed in its memory's shape."""

    start: int
    stop: int
    value: Array
    gradient: Array


class FlatParameters:
    """Flat arrays `values` and `gradients` (length,) that hold `parameters`, in their order.

    Each parameter's array and gradient become views of them, so one call moves, clips or saves a whole network, and
    Functions write weight gradients straight into place. `state` holds the optimizer's own arrays, of the same length.
    Raises InputError where there are no parameters, or their dtypes or devices differ.
    """

    def __init__(self, parameters: Sequence[Tensor], state: Sequence[str] = ()) -> None:
        if not parameters:
            raise InputError("an optimizer needs at least one parameter; the network has none")
        kinds = {_kind(parameter.memory) for parameter in parameters}
        if len(kinds) > 1:
            raise InputError(f"parameters of one optimizer must share dtype and device; found {sorted(kinds)}")
        self.parameters = list(parameters)
        first, length = parameters[0].memory, sum(parameter.size for parameter in parameters)
        xp = module_of(first)
        self.values, self.gradients = xp.empty(length, first.dtype), xp.zeros(length, first.dtype)
        self.state = {name: xp.zeros(length, first.dtype) for name in state}
        self.places: list[Place] = []
        stop = 0
        for parameter in parameters:
            start, stop = stop, stop + parameter.size
            value, gradient = (a[start:stop].reshape(parameter.memory.shape) for a in (self.values, self.gradients))
            self.places.append(Place(start, stop, value, gradient))
            self.take_in(parameter, self.places[-1])

    def __setstate__(self, saved: dict) -> None:
        """Allocate new flat arrays for a copied or unpickled object, whose views are lost by copying."""
        FlatParameters.__init__(self, saved["parameters"], tuple(saved["state"]))
        for name, array in saved["state"].items():
            self.state[name][...] = array

    def take_in(self, parameter: Tensor, place: Place) -> None:
        """Copy the parameter and its gradient into their place, and make them views of it.

        The constructor does this, and `Optimizer.step` does it again for a parameter whose arrays were replaced.
        Raises InputError where its dtype or device is no longer that of the flat arrays.
        """
        if _kind(parameter.memory) != _kind(place.value):
            raise InputError(
                f"a parameter is {_kind(parameter.memory)} now and was {_kind(place.value)} when its optimizer was "
                f"made; change the network's dtype and device first, then make the optimizer"
            )
        place.value[...] = parameter.memory
        parameter.memory, parameter._grad_buffer = place.value, place.gradient
        if parameter.grad is not None:
            place.gradient[...] = parameter.grad.memory
            parameter.grad.memory = place.gradient

    def take_back(self) -> None:
        """Take in the parameters whose arrays were replaced since."""
        for parameter, place in zip(self.parameters, self.places, strict=True):
            if parameter.memory is not place.value:
                self.take_in(parameter, place)


def _kind(array: Array) -> str:
    return f"{array.dtype} of {module_of(array).__name__}"
