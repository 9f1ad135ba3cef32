"""Methods that write new values into a Tensor; those of operations, such as add_, are made of `INPLACE`."""

from collections.abc import Callable
from typing import Any

from gpucnn.tensor.methods.makers import full_like, rand, randn, zeros_like
from gpucnn.tensor.tensor import Tensor


def _written(name: str, doc: str) -> Callable[[Callable[..., Any]], None]:
    def attach(values: Callable[..., Any]) -> None:
        def change(x: Tensor, *given: Any) -> Tensor:
            return x.assign_(values(x, *given))

        change.__name__, change.__doc__ = name, doc
        setattr(Tensor, name, change)

    return attach


_written("fill_", "Every element becomes the number.")(lambda x, value: full_like(x, value))
_written("zero_", "Every element becomes 0.")(lambda x: zeros_like(x))
_written("copy_", "The values of another Tensor, which is broadcast.")(
    lambda x, other: (other if isinstance(other, Tensor) else Tensor(other)).expand(x.shape).to(x.dtype)
)
_written("normal_", "Drawn from the normal distribution.")(lambda x, mean=0.0, std=1.0: randn(*x.shape) * std + mean)
_written("uniform_", "Drawn evenly from `low` to `high`.")(
    lambda x, low=0.0, high=1.0: rand(*x.shape) * (high - low) + low
)
