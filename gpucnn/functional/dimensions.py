"""Functions for one, two and three spatial axes from one definition."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from gpucnn.tensor import Tensor

P = ParamSpec("P")


def over(axes: int, function: Callable[Concatenate[int, P], Tensor], doc: str | None = None) -> Callable[P, Tensor]:
    """`function` with its first argument, the number of spatial axes, fixed: `over(2, conv)` is conv2d.

    The result has the other parameters of `function`, and `doc` or the documentation of `function`.
    """

    @functools.wraps(function)
    def operation(*inputs: Any, **options: Any) -> Tensor:
        return function(axes, *inputs, **options)

    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    operation.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    operation.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": Tensor}
    operation.__name__ = operation.__qualname__ = f"{function.__name__}{axes}d"
    operation.__doc__ = doc or function.__doc__
    return operation
