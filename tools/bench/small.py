"""Small eager operations, one thread: what an operation costs beside its arithmetic.

    python -m bench.small gpucnn|torch --seconds 0.02

Microseconds of each operation, with and without a gradient asked for, are one line of JSON: the best of seven parts of
so many seconds, since whatever else the machine does only adds.
"""

import argparse
import json
import timeit
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

OPERATIONS: Mapping[str, Callable[[Any, Any, Any, Any], Any]] = {
    "add 64×64": lambda F, a, b, one: a + b,
    "multiply 64×64": lambda F, a, b, one: a * b,
    "add one element": lambda F, a, b, one: one + one,
    "multiply one element": lambda F, a, b, one: one * one,
    "sum 64×64": lambda F, a, b, one: a.sum(),
    "relu 64×64": lambda F, a, b, one: F.relu(a),
    "exp 64×64": lambda F, a, b, one: a.exp(),
    "softmax 64×64": lambda F, a, b, one: F.softmax(a, 1),
    "matmul 64×64": lambda F, a, b, one: a @ b,
    "index a row": lambda F, a, b, one: a[3],
    "index a slice": lambda F, a, b, one: a[1:3, 2:5],
}
REPEATS = 7


def main() -> None:
    """Measure one library."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=("gpucnn", "torch"))
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    print(json.dumps(measure(options.library, options.seconds)))


def measure(library: str, seconds: float) -> dict[str, float]:
    """Microseconds by operation; ", gradient" behind those whose inputs ask for one."""
    make, functional = _library(library)
    rng, found = np.random.default_rng(0), {}
    arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in ((64, 64), (64, 64), (1,))]
    for suffix, gradient in (("", False), (", gradient", True)):
        inputs = [make(array, requires_grad=gradient) for array in arrays]
        for name, operation in OPERATIONS.items():
            timer = timeit.Timer(lambda o=operation, given=inputs: o(functional, *given))  # type: ignore[misc]
            count = max(10, int(seconds / (timer.timeit(100) / 100)))
            found[name + suffix] = 1e6 * min(timer.repeat(REPEATS, count)) / count
    return found


def _library(name: str) -> tuple[Any, Any]:
    if name == "gpucnn":
        import gpucnn

        return gpucnn.Tensor, gpucnn.functional
    import torch

    torch.set_num_threads(1)
    return torch.tensor, torch.nn.functional


if __name__ == "__main__":
    main()
