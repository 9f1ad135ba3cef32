"""When the gradient of a leaf is complete: how often a backward pass will add to it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

Function = Any  # those of function.py, which imports this file
Variable = Any


class Uses:
    """How many gradients each leaf still waits for, in a backward pass from the Function `last`."""

    def __init__(self, last: Function, complete: Callable[[Variable], None]) -> None:
        self._complete, self._left = complete, Counter[int]()
        waiting, known = [last], {id(last)}
        while waiting:
            function = waiting.pop()
            for variable, needed in zip(function._inputs or (), function.needs, strict=False):
                creator = variable._creator
                if not needed:
                    continue
                if creator is None:
                    self._left[id(variable)] += 1
                elif id(creator) not in known:
                    known.add(id(creator))
                    waiting.append(creator)

    def seen(self, inputs: tuple[Variable, ...], needs: tuple[bool, ...]) -> None:
        """Count the gradients that a Function gave to its inputs."""
        for variable, needed in zip(inputs, needs, strict=True):
            if needed and variable._creator is None:
                self._left[id(variable)] -= 1
                if not self._left[id(variable)]:
                    self._complete(variable)
