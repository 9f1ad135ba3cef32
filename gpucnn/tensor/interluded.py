"""Functions that arrays' own passes compute, not kernels, as parts of a captured step."""

from typing import Any

from gpucnn.backend import Array
from gpucnn.parallel import computed
from gpucnn.tensor.function import Function, contiguous


def interluded(kind: type[Function]) -> Any:
    """The Function `kind`, whose `forward` and `backward` run in interludes where a step is captured.

    All that they compute from the step's numbers they keep on `self`, and write nothing else; options never change.
    """

    def forward(self: Any, *arrays: Array, **options: Any) -> Array:
        self.inner = inner = kind()  # of which each run of a captured step makes use
        needs = self.needs

        def make() -> tuple[Array]:
            vars(inner).clear()
            inner.needs = needs
            return (contiguous(inner.forward(*arrays, **options)),)

        return computed(make, *arrays)[0]

    def backward(self: Any, grad: Array) -> Any:
        inner = self.inner

        def make() -> tuple[Array | None, ...]:
            shares = inner.backward(grad)
            return tuple(shares) if isinstance(shares, tuple | list) else (shares,)

        return computed(make, grad)

    members = {"forward": forward, "backward": backward, "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), members)
