"""How an operation is judged: by naive loops, PyTorch, finite differences, and the kernels in NumPy.

An `Operation` is one case; tests/functional/test_operations.py puts each before all four judges.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from tests import references
from tests.devices import on

# PyTorch's defaults in torch.testing.assert_close
TOLERANCES = {np.dtype("float64"): (1e-7, 1e-7), np.dtype("float32"): (1.3e-6, 1e-5)}


def close(actual, expected, what: object = "", terms: int = 1) -> None:
    """Equal at PyTorch's tolerances for the dtype of `actual`.

    PyTorch's atol is meant for results of order one. A sum of `terms` products of order one is of order
    sqrt(terms), and so are its intermediate sums, each rounded in proportion: atol grows with it.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    rtol, atol = TOLERANCES[actual.dtype]
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}: {what}"
    np.testing.assert_allclose(actual, expected, rtol, atol * np.sqrt(terms), err_msg=str(what))


def upstream(shape: Sequence[int], dtype="float64") -> np.ndarray:
    """The gradient that flows into an output of this shape: fixed, and of either sign."""
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(dtype)


def forward_backward(function: Callable, *arrays: np.ndarray) -> list[np.ndarray]:
    """gpucnn's output of `function`, and its gradient by every array."""
    from gpucnn import Tensor

    inputs = [Tensor(a, requires_grad=True) for a in arrays]
    y = function(*inputs)
    y.backward(Tensor(upstream(y.shape, y.dtype)))
    return [y.numpy(), *(x.grad.numpy() for x in inputs)]


def torch_forward_backward(torch, function: Callable, *arrays: np.ndarray) -> list[np.ndarray]:
    """PyTorch's output of `function`, and its gradient by every array."""
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = function(*inputs)
    y.backward(torch.tensor(upstream(y.shape, arrays[0].dtype)))
    return [y.detach().numpy(), *(x.grad.numpy() for x in inputs)]


def agrees(found: Sequence[np.ndarray], expected: Sequence[np.ndarray], what: object = "", terms: int = 1) -> None:
    """An output, and the gradients by every input, equal the expected ones."""
    for position, (a, b) in enumerate(zip(found, expected, strict=True)):
        name = "output" if position == 0 else f"gradient by input {position - 1}"
        close(a, b, f"{name}: {what}", terms)


def has_right_slopes(function: Callable, *arrays: np.ndarray, what: object = "") -> None:
    """Central differences of the output along one random direction, against the gradients: float64."""
    from gpucnn import Tensor

    rng, eps = np.random.default_rng(0), 1e-6
    steps = [rng.standard_normal(a.shape) for a in arrays]
    y, *gradients = forward_backward(function, *arrays)
    ahead, behind = (
        function(*(Tensor(a + sign * eps * v) for a, v in zip(arrays, steps, strict=True))).numpy() for sign in (1, -1)
    )
    measured = ((ahead - behind) * upstream(y.shape)).sum() / (2 * eps)
    stated = sum((g * v).sum() for g, v in zip(gradients, steps, strict=True))
    # PyTorch's gradcheck holds float64 to atol 1e-5 and rtol 1e-3 at this step
    np.testing.assert_allclose(stated, measured, rtol=1e-5, atol=1e-5, err_msg=str(what))


def agrees_with_torch(torch, ours, theirs, *arrays: np.ndarray, terms: int = 1) -> None:
    """Output, gradients and their dtype are PyTorch's."""
    found = forward_backward(ours, *arrays)
    expected = torch_forward_backward(torch, theirs, *arrays)
    assert [a.dtype for a in found] == [a.dtype for a in expected]
    agrees(found, expected, terms=terms)


def agrees_with_numpys_kernels(function: Callable, *arrays: np.ndarray, terms: int = 1) -> None:
    """Output and gradients are what the kernels in NumPy give for them on the CPU."""
    found = forward_backward(function, *arrays)
    with on("numpy"):
        expected = forward_backward(function, *arrays)
    agrees(found, expected, terms=terms)


class Operation(NamedTuple):
    """A differentiable operation under its name, on inputs of `shapes`: gpucnn's, PyTorch's, and as naive loops."""

    name: str
    ours: Callable
    theirs: Callable  # its first argument is the torch module
    shapes: Sequence[tuple[int, ...]]
    least: float | None = None  # inputs are this much or more, where the operation asks for it
    naive: Callable | None = None  # loops over float64 arrays, as in references.py; NumPy judges a Tensor's arithmetic

    def inputs(self, dtype="float64") -> list[np.ndarray]:
        """Standard normal values, the same in every run."""
        rng = np.random.default_rng(len(self.name))
        arrays = [rng.standard_normal(shape) for shape in self.shapes]
        if self.least is not None:
            arrays = [abs(a) + self.least for a in arrays]
        return [a.astype(dtype) for a in arrays]


def judged(operations: Sequence[Operation]) -> Callable:
    """The test runs once for each operation, as `operation`."""
    return pytest.mark.parametrize("operation", operations, ids=lambda operation: operation.name)


def their(name, *args, **options):
    """torch.nn.functional's function of that name."""
    return lambda torch, *inputs: getattr(torch.nn.functional, name)(*inputs, *args, **options)


def loops(name, *args, **options):
    """The function of that name in tests/references.py."""
    return lambda *inputs: getattr(references, name)(*inputs, *args, **options)
