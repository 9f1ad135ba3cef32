"""The parts of a training that need neither data nor network."""

from collections.abc import Iterable

from gpucnn import optim
from gpucnn.config.schema import Config
from gpucnn.data import Augment
from gpucnn.optim.optimizers import Group
from gpucnn.tensor import Tensor
from gpucnn.training import LOSSES, EarlyStop
from gpucnn.training.losses import Loss


def build_optimizer(config: Config, parameters: Iterable[Tensor] | Iterable[Group]) -> optim.Optimizer:
    """What moves `parameters`, or groups of them. Raises InputError for options that do not go together."""
    return optim.OPTIMIZERS[config.optimizer.name](parameters, **config.optimizer.beside_name())


def build_schedule(config: Config) -> optim.Schedule:
    """What the learning rate is multiplied by. Raises InputError."""
    return optim.SCHEDULES[config.schedule.name](**config.schedule.beside_name())


def build_loss(config: Config) -> Loss:
    """What is to become small. Raises InputError."""
    return LOSSES[config.loss.name](**config.loss.beside_name())


def build_augment(config: Config) -> Augment | None:
    """The random changes to the training images. Raises InputError."""
    return None if config.data.augment is None else Augment(**dict(config.data.augment))


def build_early_stop(config: Config) -> EarlyStop | None:
    """When to stop early. Raises InputError."""
    return None if config.train.early_stop is None else EarlyStop(**dict(config.train.early_stop))
