"""RMSprop. Formula, names and options are PyTorch's."""

from gpucnn.backend import Array
from gpucnn.errors import InputError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import RMSpropOptions, StepScales
from gpucnn.optim.groups import Group
from gpucnn.optim.optimizers import Counting, Parameters


class RMSprop(Counting):
    """p -= lr · v, where v = momentum · v + g / (sqrt(s) + eps) and s = alpha · s + (1 - alpha) · g².

    `weight_decay` adds weight_decay · p to g. If `centered`, s less the square of the gradient's running mean, at least
    0, is under the root. T. Tieleman, G. Hinton, Lecture 6.5, 2012; centred: A. Graves, 2013, arXiv:1308.0850.
    Raises InputError as Optimizer does, and for an `alpha` that is not from 0 to less than 1.
    """

    slots = ("velocity", "square", "mean")
    theirs = {"velocity": "momentum_buffer", "square": "square_avg", "mean": "grad_avg"}
    not_negative = (*Counting.not_negative, "momentum")

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, {**options, "momentum": momentum, "centered": centered})

    @classmethod
    def _check(cls, group: Group) -> None:
        super()._check(group)
        if not 0 <= group["alpha"] < 1:
            raise InputError(f"RMSprop: alpha is {group['alpha']}; expected at least 0, less than 1")

    def _update(self, values: Array, gradients: Array, state: list[Array], scales: StepScales, group: Group) -> None:
        options = RMSpropOptions(*(group[name] for name in RMSpropOptions._fields))
        kernels_of(type(values)).update.rmsprop(values, gradients, state, scales, options)
