"""What a configuration names, made: the data, the network, the trainer."""

from dataclasses import replace
from typing import NamedTuple

from gpucnn import nn
from gpucnn.autograd import Tensor
from gpucnn.config.check import Checked, fault_of
from gpucnn.config.layers import lr_scales
from gpucnn.config.network import MisfitError, Shape, build_layers, check_outputs
from gpucnn.config.parts import build_augment, build_early_stop, build_loss, build_optimizer, build_schedule
from gpucnn.config.schema import Config, Data, PerClass, source_options
from gpucnn.data import (
    Dataset,
    Loaded,
    Loader,
    Normalizer,
    Source,
    draw_per_class,
    hold_out,
    load_fallback,
    load_source,
    resplit,
    select_classes,
    transposed,
)
from gpucnn.errors import ConfigError
from gpucnn.optim.optimizers import Group
from gpucnn.training import Loaders, Trainer

EVALUATED_AT_ONCE = 256  # images, where no gradients are kept


class TrainingData(NamedTuple):
    """The images of a training, its parts apart. `loaded` tells which data set they are of."""

    train: Dataset
    validation: Dataset | None
    test: Dataset
    normalizer: Normalizer
    loaded: Loaded


def load_data(config: Config, used: str | None = None) -> TrainingData:
    """Read the data set and part it as `data:` says. After a fallback numbers of images keep their fraction.

    `used` is the data set that a run was trained on: where that is the fallback, the one asked for is not looked for.

    Raises DataError for data that is damaged or does not suffice, DownloadError where it cannot be had.
    """
    data = config.data
    if used is not None and used == data.fallback != data.name:
        loaded = load_fallback(data.name, used)
    else:
        loaded = load_source(data.name, source_options(data), data.fallback)
    source = transposed(loaded.source) if data.transpose else loaded.source
    if data.augment and len(source.train.image_shape) != 3:
        raise ConfigError(
            f"data.augment changes pictures (C, H, W), and these are of shape {source.train.image_shape}; leave it out"
        )
    if data.split:
        count = loaded.scaled(data.split.train, of=data.split.source)
        source = resplit(source, count, data.split.source, data.split.order, config.seed)
    if isinstance(data.classes, list):  # of `synthetic` it is the number of classes that are made
        source = select_classes(source, data.classes)
    if data.per_class:
        source = _drawn(source, data.per_class, config.seed)
    train, validation = source.train if data.limit is None else source.train.limit(data.limit), None
    if data.validation == "test":
        validation = source.test
    elif source.validation is not None:
        validation = source.validation
    elif data.validation:
        train, validation = hold_out(train, _held_out(data, data.validation, loaded), config.seed, data.stratified)
    return TrainingData(train, validation, source.test, Normalizer.fit(data.normalize, train), loaded)


def _drawn(source: Source, per_class: PerClass, seed: int) -> Source:
    """The images of a source that `per_class:` draws."""
    train, test = per_class.train, per_class.test
    return replace(
        source,
        train=source.train if train is None else draw_per_class(source.train, train, seed, "train"),
        test=source.test if test is None else draw_per_class(source.test, test, seed, "test"),
    )


def _held_out(data: Data, validation: int | float, loaded: Loaded) -> int | float:
    """How many validation images, or what share: after a fallback the share of those that `limit` leaves."""
    size = loaded.scaled(validation)
    if isinstance(size, int) or isinstance(validation, float) or data.limit is None:
        return size
    return size / min(1.0, loaded.scaled(data.limit))


def build_loaders(config: Config, data: TrainingData) -> Loaders:
    """The parts of the data in batches."""
    return Loaders(
        Loader(
            data.train,
            config.train.batch_size,
            data.normalizer,
            build_augment(config),
            config.train.shuffle,
            config.seed,
            config.dtype,
        ),
        None if data.validation is None else evaluation_loader(data.validation, data.normalizer, config.dtype),
        evaluation_loader(data.test, data.normalizer, config.dtype),
    )


def evaluation_loader(dataset: Dataset, normalizer: Normalizer, dtype: str) -> Loader:
    """A data set in batches that nothing is learned from."""
    return Loader(dataset, EVALUATED_AT_ONCE, normalizer, dtype=dtype)


def build_network(checked: Checked, shape: Shape, classes: int | None) -> nn.Sequential:
    """The network for images of `shape` (C, H, W), with initial weights drawn from the process's generator.

    Raises ConfigError with the place of a layer that does not fit.
    """
    config = checked.config
    try:
        layers, output = build_layers(config.model, shape, config.init)
        check_outputs(config.model, output, config.loss.name, classes)
    except MisfitError as error:
        raise ConfigError(str(fault_of(error, checked.document))) from None
    return nn.Sequential(*layers).astype(config.dtype)


def build_trainer(config: Config, net: nn.Module) -> Trainer:
    """What trains `net` as the configuration says."""
    return Trainer(
        net,
        build_optimizer(config, parameter_groups(config, net)),
        build_loss(config),
        build_schedule(config),
        config.train.clip_norm,
        config.train.clip_value,
        build_early_stop(config),
    )


def parameter_groups(config: Config, net: nn.Module) -> list[Group]:
    """The parameters of `net`, built from `config`, a group for each `lr_scale`; the first is that of 1, if any."""
    scales = dict(lr_scales(config.model))
    groups: dict[float, list[Tensor]] = {1.0: []}
    for name, parameter in net.named_parameters():
        layer, _, _ = name.rpartition(".")  # 0.weight is of layer 0
        groups.setdefault(scales[layer], []).append(parameter)
    lr = config.optimizer.beside_name()["lr"]
    return [{"params": parameters, "lr": lr * scale} for scale, parameters in groups.items() if parameters]
