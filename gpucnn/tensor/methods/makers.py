"""Functions that make Tensors."""

from typing import Any

import numpy as np

from gpucnn.backend import module_of
from gpucnn.generators import generator
from gpucnn.tensor.function import wrap
from gpucnn.tensor.tensor import Tensor


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape


def _new(array: np.ndarray, requires_grad: bool) -> Tensor:
    return Tensor(array, requires_grad)


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of `data`, copied."""
    made = Tensor(data) if dtype is None else Tensor(data).to(dtype)
    return made.requires_grad_() if requires_grad else made


def full(size: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of shape `size` whose elements are all `fill_value`; a float is float32."""
    kind = dtype or (np.float32 if isinstance(fill_value, float) else np.asarray(fill_value).dtype)
    return _new(np.full(_sizes((size,)), fill_value, kind), requires_grad)


def zeros(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Zeros."""
    return _new(np.zeros(_sizes(size), dtype), requires_grad)


def ones(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones."""
    return _new(np.ones(_sizes(size), dtype), requires_grad)


def rand(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Numbers uniform in [0, 1), from the generator of `manual_seed`."""
    return _new(generator().random(_sizes(size)).astype(dtype), requires_grad)


def randn(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Numbers of the normal distribution, from the generator of `manual_seed`."""
    return _new(generator().standard_normal(_sizes(size)).astype(dtype), requires_grad)


def randint(low: int, high: Any, size: Any = None) -> Tensor:
    """Whole numbers from `low` to below `high`, from the generator of `manual_seed`; int64."""
    low, high, size = (0, low, high) if size is None else (low, high, size)
    return Tensor(generator().integers(low, high, tuple(size)))


def randperm(n: int) -> Tensor:
    """The numbers 0 to n - 1 in random order, from the generator of `manual_seed`; int64."""
    return Tensor(generator().permutation(n))


def arange(*bounds: float, dtype: Any = None) -> Tensor:
    """Numbers from a start (0) to below an end in steps (of 1); whole ones are int64, others float32."""
    kind = dtype or (np.int64 if all(isinstance(bound, int) for bound in bounds) else np.float32)
    return Tensor(np.arange(*bounds).astype(kind))


def linspace(start: float, end: float, steps: int, dtype: Any = np.float32) -> Tensor:
    """`steps` numbers from `start` to `end`, both included."""
    return Tensor(np.linspace(start, end, steps).astype(dtype))


def eye(n: int, m: int | None = None, dtype: Any = np.float32) -> Tensor:
    """Ones on the diagonal of (n, m)."""
    return Tensor(np.eye(n, m, dtype=dtype))


def full_like(x: Tensor, fill_value: float) -> Tensor:
    """`fill_value` in x's shape, dtype and memory order."""
    return wrap(module_of(x.memory).full_like(x.memory, fill_value), x.batch_last)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros in x's shape and dtype."""
    return full_like(x, 0)


def ones_like(x: Tensor) -> Tensor:
    """Ones in x's shape and dtype."""
    return full_like(x, 1)


def rand_like(x: Tensor) -> Tensor:
    """Numbers uniform in [0, 1) in x's shape and dtype."""
    return rand(*x.shape, dtype=x.dtype)


def randn_like(x: Tensor) -> Tensor:
    """Numbers of the normal distribution in x's shape and dtype."""
    return randn(*x.shape, dtype=x.dtype)


MAKERS = (
    arange, eye, full, full_like, linspace, ones, ones_like, rand, rand_like, randint, randn, randn_like, randperm,
    tensor, zeros, zeros_like,
)  # fmt: skip
