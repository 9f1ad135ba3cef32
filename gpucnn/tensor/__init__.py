"""Tensors, the operations recorded on them, and the gradients of what they compute."""

from gpucnn.tensor.function import Function, is_grad_enabled, no_grad
from gpucnn.tensor.gradcheck import check_gradients
from gpucnn.tensor.methods import FUNCTIONS
from gpucnn.tensor.tensor import Tensor, concatenate, stack

__all__ = ["FUNCTIONS", "Function", "Tensor", "check_gradients", "concatenate", "is_grad_enabled", "no_grad", "stack"]
