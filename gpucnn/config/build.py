"""Building what a configuration describes: the data, the network, the trainer."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gpucnn import nn, optim
from gpucnn.config.layers import MisfitError, Shape, build_layers, check_outputs, fault_of, lr_scales, with_classes
from gpucnn.config.schema import Checked, Config, Data, PerClass, answer_shape, source_options, takes_of
from gpucnn.data import (
    Augment,
    Dataset,
    Fingerprint,
    Loaded,
    Loader,
    Normalizer,
    Pipeline,
    Source,
    draw_per_class,
    fold_of,
    hold_out,
    load_fallback,
    load_source,
    resplit,
    select_classes,
    transposed,
)
from gpucnn.data.label_maps import VOID
from gpucnn.data.loader import balanced
from gpucnn.data.ranges import full_scale
from gpucnn.errors import ConfigError, DataError
from gpucnn.optim.optimizers import Group
from gpucnn.parallel import ALONE, Communicator
from gpucnn.tensor import Tensor
from gpucnn.training import AVERAGES, EMA, LOSSES, SWA, EarlyStop, Loaders, Trainer
from gpucnn.training.evaluation import outputs_to
from gpucnn.training.losses import Loss

EVALUATION_BATCH_SIZE = 256  # images; no gradients are kept


class Classes(NamedTuple):
    """The names of training images' classes, and how many images each has; of other labels, of all together."""

    class_names: tuple[str, ...]
    class_counts: Sequence[int]


class TrainingData(NamedTuple):
    """The parts of a data set, and the normaliser, fitted on `train`. `loaded` names the data set."""

    train: Dataset
    validation: Dataset | None
    test: Dataset
    normalizer: Normalizer
    loaded: Loaded

    @property
    def parts(self) -> dict[str, Dataset]:
        """The parts that exist, by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def reproduced(self) -> "TrainingData":
        """The same with each image its own label."""
        white = 255.0 if self.loaded.source.from_files else full_scale(self.train.images)
        validation = None if self.validation is None else self.validation.reproduced(white)
        return self._replace(
            train=self.train.reproduced(white), validation=validation, test=self.test.reproduced(white)
        )

    def fingerprint(self) -> Fingerprint:
        """The fingerprint by which the data are recognised."""
        return Fingerprint.of(self.loaded.used, self.parts)

    def renumbered(self, class_names: tuple[str, ...]) -> "TrainingData":
        """The same with the classes in that order; see `Dataset.renumbered`."""
        validation = None if self.validation is None else self.validation.renumbered(class_names)
        train, test = self.train.renumbered(class_names), self.test.renumbered(class_names)
        return self._replace(train=train, validation=validation, test=test)


def load_data(config: Config, used: str | None = None, normalizer: Normalizer | None = None) -> TrainingData:
    """Read the data set and split it as `data:` says. After a fallback, counts of images keep their fraction.

    `used` is the data set that a run was trained on; if that is the fallback, the requested one is not looked for.
    `normalizer` is the run's; without it one is fitted.

    Raises DataError for data that is damaged or too small, DownloadError if it cannot be downloaded.
    """
    data = config.data
    if used is not None and used == data.fallback != data.name:
        loaded = load_fallback(data.name, used)
    else:
        loaded = load_source(data.name, source_options(data, config.loss.name), data.fallback)
    source = transposed(loaded.source) if data.transpose else loaded.source
    if data.augment and len(source.train.image_shape) != 3:
        raise ConfigError(
            f"data.augment changes pictures (C, H, W), and these are of shape {source.train.image_shape}; leave it out"
        )
    if augment := build_augment(config):
        augment.white(source.train.images)  # raises for colours that the images do not have
    if data.split:
        count = loaded.scaled(data.split.train, of=data.split.source)
        source = resplit(source, count, data.split.source, data.split.order, config.seed)
    if isinstance(data.classes, list):  # an int is the number of classes that `synthetic` makes
        source = select_classes(source, data.classes)
    if data.per_class:
        source = _drawn(source, data.per_class, config.seed)
    train, validation = source.train if data.limit is None else source.train.limit(data.limit), None
    if data.target == "labels":
        _check_kind(config, train)
        _check_void(config, source.parts.values())
    if config.train.folds and config.train.fold:
        if source.validation is not None:
            raise DataError(
                f"train.folds takes validation images from the training images, and {data.name} has some of its own; "
                "leave train.folds out"
            )
        train, validation = fold_of(train, config.train.folds, config.train.fold, config.seed)
    elif data.validation == "test":
        validation = source.test
    elif source.validation is not None:
        validation = source.validation
    elif data.validation:
        train, validation = hold_out(train, _held_out(data, data.validation, loaded), config.seed, data.stratified)
    normalizer = normalizer or Normalizer.fit(data.normalize, train)
    parts = TrainingData(train, validation, source.test, normalizer, loaded)
    return parts.reproduced() if data.target == "inputs" else parts


def _check_kind(config: Config, train: Dataset) -> None:
    """Raise DataError unless the labels are of a kind that the loss takes."""
    takes = takes_of(config.loss.name)
    if train.kind not in takes:
        raise DataError(
            f"loss {config.loss.name} takes labels that are {' or '.join(takes)}, and these are {train.kind}; give "
            "another loss, or say what they are (data.labels)"
        )


def _check_void(config: Config, parts: Iterable[Dataset]) -> None:
    """Raise DataError where pixels have no class, and the loss does not leave them out."""
    if getattr(config.loss, "ignore_index", None) == VOID:
        return
    if any(part.kind == "pixels" and (part.labels == VOID).any() for part in parts):
        raise DataError(
            f"pixels of the masks are {VOID}, which is no class; leave them out of the loss and the figures: "
            f"loss: {{name: cross_entropy, ignore_index: {VOID}}}"
        )


def _drawn(source: Source, per_class: PerClass, seed: int) -> Source:
    """The source with the images that `per_class:` draws."""
    train, test = per_class.train, per_class.test
    return replace(
        source,
        train=source.train if train is None else draw_per_class(source.train, train, seed, "train"),
        test=source.test if test is None else draw_per_class(source.test, test, seed, "test"),
    )


def _held_out(data: Data, validation: int | float, loaded: Loaded) -> int | float:
    """The number of validation images, or their share; after a fallback, the share of those that `limit` leaves."""
    size = loaded.scaled(validation)
    if isinstance(size, int) or isinstance(validation, float) or data.limit is None:
        return size
    return size / min(1.0, loaded.scaled(data.limit))


def build_pipeline(config: Config, data: TrainingData, net: nn.Module) -> Pipeline:
    """How the run's network sees pictures, and what its outputs mean."""
    from_files, names = data.loaded.source.from_files, data.train.class_names
    threshold = getattr(build_loss(config, data.train), "threshold", None)
    return Pipeline.of(
        data.train,
        data.fingerprint(),
        outputs_to(data.train.kind, net),
        from_files=from_files,
        background=getattr(config.data, "background", "white" if from_files else None),
        invert=getattr(config.data, "invert", False),
        transposed=config.data.transpose,
        thresholds=(threshold,) * len(names) if isinstance(threshold, float) else threshold,
    )


def build_loaders(config: Config, data: TrainingData) -> Loaders:
    """The parts of the data in batches. Raises DataError for a sampler of classes where there are none."""
    if config.train.sampler is not None:
        data.train.check_classes("train.sampler: balanced")
    return Loaders(
        Loader(
            data.train,
            config.train.batch_size,
            data.normalizer,
            build_augment(config),
            config.train.shuffle,
            config.seed,
            config.dtype,
            None if config.train.sampler is None else balanced(data.train.labels),
        ),
        None if data.validation is None else evaluation_loader(data.validation, data.normalizer, config.dtype),
        evaluation_loader(data.test, data.normalizer, config.dtype),
    )


def evaluation_loader(dataset: Dataset, normalizer: Normalizer, dtype: str) -> Loader:
    """A data set in batches for evaluation: in order, without augmentation."""
    return Loader(dataset, EVALUATION_BATCH_SIZE, normalizer, dtype=dtype)


def counted(checked: Checked, classes: int) -> Checked:
    """The configuration with the number of classes in place of the word, as a run keeps it."""
    model = with_classes(checked.config.model, classes)
    return checked._replace(config=checked.config.model_copy(update={"model": model}))


def build_network(checked: Checked, shape: Shape, classes: int | None) -> nn.Sequential:
    """The network for images of `shape` (C, H, W), with initial weights drawn from the process's generator.

    Without a number of classes, a layer of `out_features: classes` is built with one output.
    Raises ConfigError with the place of a layer that does not fit.
    """
    config = checked.config
    try:
        layers, output = build_layers(with_classes(config.model, classes), shape, config.init)
        check_outputs(
            config.model, output, config.loss.name, answer_shape(config.data, config.loss.name, shape, classes)
        )
    except MisfitError as error:
        raise ConfigError(str(fault_of(error, checked.document))) from None
    return nn.Sequential(*layers).astype(config.dtype)


def build_trainer(
    config: Config, net: nn.Module, communicator: Communicator = ALONE, train: Dataset | None = None
) -> Trainer:
    """The trainer of `net` that the configuration describes, in each of the processes that train together.

    `train` are the training images, whose classes the loss may weigh.
    """
    return Trainer(
        net,
        build_optimizer(config, parameter_groups(config, net)),
        build_loss(config, train),
        build_schedule(config),
        config.train.clip_norm,
        config.train.clip_value,
        build_early_stop(config),
        communicator=communicator,
        accumulate=config.train.accumulate,
        average=build_average(config),
    )


def parameter_groups(config: Config, net: nn.Module) -> list[Group]:
    """The parameters of `net`, built from `config`, in one group for each `lr_scale`; that of 1 comes first, if any."""
    scales = dict(lr_scales(config.model))
    groups: dict[float, list[Tensor]] = {1.0: []}
    for name, parameter in net.named_parameters():
        layer, _, _ = name.rpartition(".")  # "0.weight" belongs to layer "0"
        groups.setdefault(scales[layer], []).append(parameter)
    lr = config.optimizer.beside_name()["lr"]
    return [{"params": parameters, "lr": lr * scale} for scale, parameters in groups.items() if parameters]


def build_optimizer(config: Config, parameters: Iterable[Tensor] | Iterable[Group]) -> optim.Optimizer:
    """The optimizer of `parameters`, or groups of them. Raises InputError for options that exclude each other."""
    return optim.OPTIMIZERS[config.optimizer.name](parameters, **config.optimizer.beside_name())


def build_schedule(config: Config) -> optim.Schedule:
    """The schedule of the learning rate. Raises InputError."""
    return optim.SCHEDULES[config.schedule.name](**config.schedule.beside_name())


def build_loss(config: Config, train: Dataset | Classes | None = None) -> Loss:
    """The loss. With the training images, or their classes, its weights are numbers in the order of these.

    Raises InputError.
    """
    loss = LOSSES[config.loss.name](**config.loss.beside_name())
    if train is None or not hasattr(loss, "of"):
        return loss
    return loss.of(train.class_names, [int(count) for count in train.class_counts])


def build_augment(config: Config) -> Augment | None:
    """The augmentation of the training images; None without any. Raises InputError."""
    return None if config.data.augment is None else Augment(**dict(config.data.augment))


def build_average(config: Config) -> EMA | SWA | None:
    """The average of the weights that is kept; None for the weights themselves. Raises InputError."""
    average = config.train.average
    return None if average is None else AVERAGES[average.name](**average.beside_name())


def build_early_stop(config: Config) -> EarlyStop | None:
    """The rule of early stopping; None without one. Raises InputError."""
    return None if config.train.early_stop is None else EarlyStop(**dict(config.train.early_stop))
