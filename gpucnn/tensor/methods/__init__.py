"""PyTorch's methods and functions that are a few lines of others, and functions that make Tensors.

Each function marked with `method` is a method of Tensor and a function of `gpucnn`; INPLACE lists the methods that also
have a form that changes the Tensor (`add_`).
"""

from collections.abc import Callable
from typing import Any

from gpucnn.tensor.methods import changes, kinds, reductions, shapes  # noqa: F401 (they fill the table)
from gpucnn.tensor.methods.arithmetic import einsum
from gpucnn.tensor.methods.makers import MAKERS, tensor
from gpucnn.tensor.methods.register import METHODS
from gpucnn.tensor.methods.selection import where
from gpucnn.tensor.tensor import Tensor, concatenate, stack
from gpucnn.tensor.view import in_place

# Functions of gpucnn by name: the methods, and what makes Tensors.
OWN = ("clamp", "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "reshape", "permute", "transpose")
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(Tensor, name) for name in OWN},
    **METHODS,
    **{maker.__name__: maker for maker in (*MAKERS, concatenate, einsum, stack, where)},
    "cat": concatenate,
    "from_numpy": Tensor,
    "as_tensor": tensor,
}

INPLACE = (
    "add", "sub", "mul", "div", "pow", "clamp", "clip", "exp", "log", "sqrt", "abs", "neg", "square", "rsqrt",
    "reciprocal", "sin", "cos", "sign", "floor", "ceil", "round", "addcmul", "addcdiv", "lerp", "masked_fill", "cumsum",
)  # fmt: skip
for _name in INPLACE:
    setattr(Tensor, f"{_name}_", in_place(getattr(Tensor, _name)))
