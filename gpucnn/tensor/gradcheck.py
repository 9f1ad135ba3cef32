"""check_gradients: compares the backward of an operation with finite differences of its forward."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from gpucnn.tensor.function import no_grad
from gpucnn.tensor.tensor import Tensor

STEP = 1e-6
ABSOLUTE = 1e-5
RELATIVE = 1e-3


def check_gradients(
    fn: Callable[..., Tensor],
    inputs: Sequence[Tensor | np.ndarray],
    directions: int = 4,
    seed: int = 0,
    elements: int = 512,
) -> bool:
    """Check backward against central differences of forward; return True, or raise AssertionError with the input.

    `fn` takes as many Tensors as there are `inputs` and returns one, of any shape. Everything runs in float64. The
    derivative is taken one input at a time, along each element of an input of at most `elements`, along random
    `directions` of a larger one, two evaluations each, with step 1e-6 and PyTorch gradcheck's tolerances (absolute
    1e-5, relative 1e-3). Integer inputs are passed on unchanged. At a kink (the two one-sided slopes differ) the
    direction is skipped; if all directions of an input are, the check fails.
    """
    rng = np.random.default_rng(seed)
    values = [value.numpy() if isinstance(value, Tensor) else np.asarray(value) for value in inputs]
    values = [value.astype(np.float64) if value.dtype.kind == "f" else value for value in values]
    tensors = [Tensor(value, requires_grad=value.dtype.kind == "f") for value in values]
    result = fn(*tensors)
    weights = rng.standard_normal(result.shape)  # one random weighting of the results makes a number of them
    result.backward(Tensor(weights))
    for index, (value, tensor) in enumerate(zip(values, tensors, strict=True)):
        if tensor.requires_grad:
            gradient = np.zeros_like(value) if tensor.grad is None else tensor.grad.numpy()
            steps = _directions(value.shape, directions if value.size > elements else 0, rng)
            _check_input(fn, values, index, gradient, weights, steps)
    return True


def _check_input(
    fn: Callable[..., Tensor],
    values: list[np.ndarray],
    index: int,
    gradient: np.ndarray,
    weights: np.ndarray,
    steps: Iterable[tuple[str, np.ndarray]],
) -> None:
    """Compare slopes along directions of one input. Raises AssertionError."""

    def weighted(moved: np.ndarray) -> float:
        with no_grad():
            result = fn(*(Tensor(moved if i == index else value) for i, value in enumerate(values)))
        return float((result.numpy() * weights).sum())

    smooth = 0
    here = weighted(values[index])
    for where, direction in steps:
        ahead = (weighted(values[index] + STEP * direction) - here) / STEP
        behind = (here - weighted(values[index] - STEP * direction)) / STEP
        if abs(ahead - behind) > 1e-2 * (1 + abs(ahead) + abs(behind)):
            continue
        smooth += 1
        numeric, analytic = (ahead + behind) / 2, float((gradient * direction).sum())
        if not abs(numeric - analytic) <= ABSOLUTE + RELATIVE * abs(numeric):
            raise AssertionError(
                f"the gradient by input {index} is wrong: {where} backward says {analytic:.8g}, "
                f"central differences of forward say {numeric:.8g}"
            )
    if not smooth:
        raise AssertionError(f"input {index} lies at a kink in every direction; move it a little")


def _directions(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """So many random directions, or (0) each element's, with the words that name them."""
    for _ in range(count):
        yield "along a random direction", rng.standard_normal(shape)
    for place in np.ndindex(shape) if count == 0 else ():
        direction = np.zeros(shape)
        direction[place] = 1
        yield f"at element {place}", direction
