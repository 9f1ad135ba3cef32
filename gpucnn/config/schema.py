"""Pydantic models of the whole YAML. The options of layers, optimizers and data come from their signatures."""

import functools
import inspect
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union

from pydantic import Field, ValidationInfo, field_validator

from gpucnn import nn, optim
from gpucnn.config.explain import Node
from gpucnn.config.layers import Layer, needs_options
from gpucnn.config.options import Options, options_model
from gpucnn.config.yaml_reader import Document
from gpucnn.data import FALLBACKS, PER_PIXEL, SOURCES, Augment, Normalization
from gpucnn.kernels.cuda.precision import PRECISIONS
from gpucnn.training import AVERAGES, LOSSES, EarlyStop
from gpucnn.training.kinds import MAPS

DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Split(Options):
    """Another split into training and test images than the data set's own."""

    source: Literal["train", "all"] = Field(default="all", description="The images that are split.")
    train: Count | Annotated[float, Field(gt=0, lt=1)] = Field(
        description="How many of them to train on, a number or a fraction; the rest is the test set."
    )
    order: Literal["random", "label"] = Field(
        default="random", description="Drawn by the seed, or sorted by label and cut."
    )


class PerClass(Options):
    """How many images of every class to draw; all by default."""

    train: Count | None = Field(default=None, description="Training images of every class, drawn by the seed.")
    test: Count | None = Field(default=None, description="Test images of every class, drawn by the seed.")


class Data(Options):
    """The options that every data set has."""

    name: str
    fallback: Literal[FALLBACKS] | None = Field(  # type: ignore[valid-type]
        default=None, description="Data set to use where this one is neither on disk nor to be downloaded."
    )
    validation: Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, lt=1)] | Literal["test"] = Field(
        default=0,
        description="Training images held out for validation: a number or a fraction; 0 for none. "
        "test: the test images, watched after each epoch. Data that have validation images of their own use those.",
    )
    target: Literal["labels", "inputs"] = Field(
        default="labels", description="What the network is to answer: the labels, or the input itself (autoencoders)."
    )
    transpose: bool = Field(
        default=False, description="Whether rows and columns of every image are exchanged, as EMNIST's files need."
    )
    stratified: bool = Field(default=True, description="Whether the validation images keep the classes' proportions.")
    normalize: Normalization = Field(default="standard", description="How pixels become numbers.")
    per_class: PerClass | None = Field(default=None, description="So many images of every class, drawn by the seed.")
    limit: Count | None = Field(default=None, description="Keep at most so many training images, of all classes alike.")
    classes: list[int | str] | None = Field(default=None, description="Only these classes, renumbered in this order.")
    split: Split | None = Field(default=None, description="Another split into training and test images.")
    augment: options_model("augment", Augment) | None = Field(  # type: ignore[valid-type]
        default=None, description="Random changes to the training images."
    )


class Named(Options):
    """Options beside a `name`, which determines what they belong to."""

    name: str

    def beside_name(self) -> dict[str, Any]:
        """The options without the name."""
        return {key: value for key, value in self if key != "name"}


def _named(
    name: str, takes: Callable[..., Any], base: type[Options] = Named, skip: Collection[str] = ()
) -> type[Options]:
    """The model of a `name` and the options that `takes` accepts."""
    return options_model(f"{name}_options", takes, skip=skip, base=base, extra={"name": (Literal[name], ...)})


def _one_of(models: list[type[Options]]) -> Any:
    """The union of such models, distinguished by `name`."""
    return Annotated[Union[tuple(models)], Field(discriminator="name")]  # noqa: UP007  (built from a tuple)


if TYPE_CHECKING:  # what mypy can know of models that are created on import
    AnyData = Data
    AnyLoss = Named
    AnyAverage = Named
    AnyOptimizer = Named
    AnySchedule = Named
    EarlyStopOptions = Options
else:
    AnyData = _one_of([_named(name, load, base=Data) for name, load in SOURCES.items()])
    AnyLoss = _one_of([_named(name, loss) for name, loss in LOSSES.items()])
    AnyAverage = _one_of([_named(name, average) for name, average in AVERAGES.items()])
    AnyOptimizer = _one_of([_named(name, cls, skip=("parameters",)) for name, cls in optim.OPTIMIZERS.items()])
    EarlyStopOptions = options_model("early_stop", EarlyStop)
    AnySchedule = _one_of([_named(name, cls) for name, cls in optim.SCHEDULES.items()])


class Train(Options):
    """How long and in what batches to train, and when to stop."""

    epochs: Count = Field(default=10, description="Passes over the training images.")
    batch_size: Count = Field(default=64, description="Images per step.")
    shuffle: bool = Field(default=True, description="Whether every epoch has its own order.")
    clip_norm: Positive | None = Field(default=None, description="Shrink the gradient to this norm where it is longer.")
    clip_value: Positive | None = Field(default=None, description="Clip every entry of the gradient to this size.")
    accumulate: Count = Field(default=1, description="Minibatches of one update: their mean gradient is taken.")
    average: AnyAverage | None = Field(default=None, description="Which average of the weights is kept; null: none.")
    early_stop: EarlyStopOptions | None = Field(default=None, description="Stop when a figure no longer improves.")
    sampler: Literal["balanced"] | None = Field(
        default=None, description="balanced: images are drawn so that every class comes as often as any other."
    )
    folds: Annotated[int, Field(ge=2, le=100)] | None = Field(
        default=None, description="Train so many times, each time with another part of the images for validation."
    )
    fold: Count | None = Field(default=None, description="Only this one of the folds, counted from 1.")
    init_from: str | None = Field(
        default=None,
        description="Weights to begin with, as far as they fit: a run, a safetensors file, or https://...#sha256=...",
    )
    timeout: Positive = Field(
        default=300.0, description="Seconds that processes which train together wait for one that does not answer."
    )

    @field_validator("init_from")
    @classmethod
    def _with_a_checksum(cls, named: str | None) -> str | None:
        if named is not None:
            split_address(named)
        return named


def split_address(named: str) -> tuple[str, str, str] | None:
    """The parts of https://HOST/PATH/FILE#sha256=HEX: the address up to the file's name, the name, and the checksum.

    None for what is no address. Raises ValueError for an address without a checksum.
    """
    if not re.match(r"https?://", named):
        return None
    parts = re.fullmatch(r"(https?://[^#]+/)([^/#]+)#sha256=([0-9a-fA-F]{64})", named)
    if parts is None:
        raise ValueError(f"given {named}, expected https://.../FILE#sha256= and the file's 64 hexadecimal digits")
    return parts[1], parts[2], parts[3].lower()


class Config(Options):
    """The whole configuration of a training."""

    name: str = Field(default="unnamed", description="What the run's folder below runs/ is called.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(default=0, description="Where every random choice begins.")
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.")
    dtype: Literal["float32", "float64"] = Field(default="float32", description="Type of weights and activations.")
    precision: Literal[PRECISIONS] = Field(  # type: ignore[valid-type]
        default="float32", description="How exactly a GPU multiplies float32; a CPU always does so as it is."
    )
    init: Literal[tuple(nn.init.NAMES)] | None = Field(  # type: ignore[valid-type]
        default=None, description="How weights are drawn in layers that do not say."
    )
    data: AnyData = Field(description="What to train on.")
    model: list[Layer] = Field(min_length=1, description="The layers; input sizes are inferred.")
    loss: AnyLoss = Field(
        default={"name": "cross_entropy"}, validate_default=True, description="The function to minimise."
    )
    optimizer: AnyOptimizer = Field(description="How the weights are updated.")
    schedule: AnySchedule = Field(
        default={"name": "constant"}, validate_default=True, description="How the learning rate changes."
    )
    train: Train = Field(default=Train(), description="How long and in which portions to train.")
    report: bool = Field(default=True, description="Whether a page and pictures of the run are written at the end.")
    logging: list[Literal["csv", "tensorboard", "mlflow"]] = Field(
        default=[], description="Where the run is logged beside its own files; each may need its library."
    )

    @field_validator("name")
    @classmethod
    def _fit_for_a_folder(cls, name: str) -> str:
        if not FOLDER_NAME.fullmatch(name):
            raise ValueError(
                f"given {name!r}, expected letters, digits, '.', '_' and '-' (at most 64): it names a folder"
            )
        return name

    @field_validator("precision")
    @classmethod
    def _of_float32(cls, precision: str, info: ValidationInfo) -> str:
        if precision != "float32" and info.data.get("dtype") == "float64":
            raise ValueError(f"given {precision}, which is of float32, where dtype is float64; leave one of them out")
        return precision

    @field_validator("device")
    @classmethod
    def _a_device(cls, device: str) -> str:
        if not DEVICE.fullmatch(device):
            raise ValueError(f"given {device!r}, expected auto, cpu, cuda or cuda:N")
        return device


class Checked(NamedTuple):
    """A configuration without faults, and the text it came from, for messages."""

    config: Config
    document: Document


def source_options(data: Data, loss: str = "cross_entropy") -> dict[str, Any]:
    """The options under `data:` that the data set itself takes; what its labels are follows from the loss."""
    options = {name: getattr(data, name) for name in inspect.signature(SOURCES[data.name]).parameters}
    if "labels" in options and options["labels"] is None:
        takes = [each for each in takes_of(loss) if each not in MAPS]
        options["labels"] = takes[0] if len(takes) == 1 else "auto"
    return options


def takes_of(loss: str) -> tuple[str, ...]:
    """What labels may be to the loss of this name: classes, several, numbers, pixels, pictures."""
    return getattr(LOSSES.get(loss), "takes", ("classes",))


def kinds_of(data: Data, loss: str) -> tuple[str, ...]:
    """What labels can be, of those that the loss takes, by the options of the data alone; empty where nothing fits."""
    given, takes = getattr(data, "labels", None), takes_of(loss)
    if data.target == "inputs":
        possible: tuple[str, ...] = ("pictures",)
    elif data.name in PER_PIXEL:
        possible = ("pixels",)
    elif given not in (None, "auto"):
        possible = (str(given),)
    else:
        possible = ("classes", "several", "numbers") if hasattr(data, "labels") else ("classes",)
    return tuple(each for each in takes if each in possible)


def answer_shape(data: Data, loss: str, shape: tuple[int, ...], outputs: Any) -> tuple[Any, ...]:
    """The shape of a network's output for images of `shape` (C, ...), with so many `outputs`: classes, or numbers."""
    kinds = kinds_of(data, loss)
    if kinds == ("pictures",):
        return shape
    return (outputs, *shape[1:]) if kinds == ("pixels",) else (outputs,)


def needs_files(name: str) -> bool:
    """Whether a data set requires the path of its files."""
    return any(option.default is option.empty for option in inspect.signature(SOURCES[name]).parameters.values())


@functools.cache  # it depends on the code alone, and is slow to make
def json_schema() -> Node:
    """The JSON schema of a configuration, for editors and for messages."""
    schema = Config.model_json_schema()
    layer = schema["$defs"]["Layer"]
    for options in layer["properties"].values():
        options.pop("default", None)
    bare = {"enum": [name for name in nn.LAYERS if not needs_options(name)], "type": "string"}
    schema["$defs"]["Layer"] = {"anyOf": [bare, {**layer, "minProperties": 1, "maxProperties": 1}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
