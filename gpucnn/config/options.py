"""Pydantic models of options, read from the signature of the class or function that takes them.

Types and defaults come from the signature; ranges and descriptions, by the option's name, from `MEANINGS` below, where
`Softplus.beta` is that of one class alone. An option that is not named there is accepted with any value of its type.
"""

import inspect
import types
import typing
from collections.abc import Callable, Collection
from typing import Annotated, Any, NamedTuple, Union

from pydantic import BaseModel, ConfigDict, Field, create_model


class Options(BaseModel):
    """Base of every part of a configuration: no unknown keys, no silent conversions, only finite numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def options_model(
    name: str,
    takes: Callable[..., Any],
    *,
    skip: Collection[str | None] = (),
    base: type[Options] = Options,
    extra: dict[str, Any] | None = None,
    more: dict[str, Any] | None = None,
) -> type[Options]:
    """The model of the options that `takes` (a class or a function) accepts, without those named in `skip`.

    An option's type and default come from the signature, its range and description from the vocabulary.
    `extra` gives fields, as `create_model` takes them, before or instead of those; `more`, behind or instead of those.
    *args are no options.
    """
    hints = typing.get_type_hints(takes.__init__ if inspect.isclass(takes) else takes)
    fields: dict[str, Any] = dict(extra or {})
    for parameter in inspect.signature(takes).parameters.values():
        if (
            parameter.name in fields
            or parameter.name in skip
            or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ):
            continue
        own = f"{takes.__name__}.{parameter.name}"
        meaning = own if own in MEANINGS else parameter.name
        fields[parameter.name] = field(meaning, hints[parameter.name], parameter.default)
    model = create_model(name, __base__=base, **fields | (more or {}))
    model.__doc__ = (inspect.getdoc(takes) or name).partition("\n\n")[0]
    return model


def field(name: str, annotation: Any, default: Any) -> Any:
    """A field as `create_model` takes it, of what MEANINGS[name] says; it is required where it has no default."""
    meaning = MEANINGS.get(name, Meaning({}, ""))
    required = default is inspect.Parameter.empty
    return (
        in_range(annotation, meaning.range),
        Field(default=... if required else default, description=meaning.description or None),
    )


def in_range(annotation: Any, limits: dict[str, Any]) -> Any:
    """The annotation with `limits` on every `int` and `float` in it, inside unions and tuples too."""
    if annotation in (int, float):
        return Annotated[annotation, Field(**limits)] if limits else annotation
    arguments = tuple(in_range(argument, limits) for argument in typing.get_args(annotation))
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return Union[arguments]  # noqa: UP007  (built from a tuple)
    if origin in (tuple, list):
        return origin[arguments]
    return annotation


class Meaning(NamedTuple):
    """The range of an option's numbers, as pydantic's constraints, and a description."""

    range: dict[str, Any]
    description: str


ONE_UP: dict[str, Any] = {"ge": 1}
SIDE: dict[str, Any] = {"ge": 1, "le": 65536}  # pixels: far beyond any picture, and no product of a few overflows
MARGIN: dict[str, Any] = {"ge": 0, "le": 65536}
ZERO_UP: dict[str, Any] = {"ge": 0}
POSITIVE: dict[str, Any] = {"gt": 0}
FRACTION: dict[str, Any] = {"ge": 0, "le": 1}
BELOW_ONE: dict[str, Any] = {"ge": 0, "lt": 1}

MEANINGS: dict[str, Meaning] = {
    # layers
    "out_channels": Meaning(
        {"ge": 1, "le": 65536}, "Number of feature maps the layer makes; `classes`: as many as the data have classes."
    ),
    "out_features": Meaning(
        {"ge": 1, "le": 1_000_000}, "Number of outputs; `classes`: as many as the data have classes."
    ),
    "kernel_size": Meaning(SIDE, "Size of the window in pixels: one number, or one per axis."),
    "stride": Meaning(SIDE, "How far the window moves: one number, or one per axis."),
    "padding": Meaning(
        MARGIN,
        "Pixels added around the image: one number, one per axis, a pair (before, after) per axis, or a word.",
    ),
    "dilation": Meaning(SIDE, "Distance between the window's taps."),
    "groups": Meaning(ONE_UP, "Number of groups of channels that are convolved apart."),
    "bias": Meaning({}, "Whether each output has a trainable constant."),
    "init": Meaning({}, "How the weights are drawn at the start; of prelu the slope below zero that it begins with."),
    "lr_scale": Meaning(
        ZERO_UP, "The layer's learning rate as a multiple of the optimizer's; 0 freezes it, running statistics too."
    ),
    "ceil_mode": Meaning({}, "Whether a last, partial window counts."),
    "count_include_pad": Meaning({}, "Whether the padding counts in the average."),
    "negative_slope": Meaning({}, "Slope for inputs below zero."),
    "approximate": Meaning({}, "none: by the normal distribution itself; tanh: by an approximation."),
    "ELU.alpha": Meaning({}, "What the activation tends to below zero, negated."),
    "Softplus.beta": Meaning(POSITIVE, "How sharp the bend is."),
    "Softplus.threshold": Meaning(POSITIVE, "Where beta times the input is above it, the output is the input."),
    "output_padding": Meaning(MARGIN, "Pixels that are added to the output, at the end: one number, or one per axis."),
    "output_size": Meaning(SIDE, "Size of the maps that are made: one number, or one per axis."),
    "scale_factor": Meaning(POSITIVE, "How many times as large each side becomes: one number, or one per axis."),
    "mode": Meaning({}, "By the nearest pixel, or linearly between neighbours along one, two or three axes."),
    "align_corners": Meaning({}, "Linear modes: whether the outer pixels' centres stay where they are."),
    "p": Meaning(BELOW_ONE, "Probability of setting a value to zero while training."),
    "affine": Meaning({}, "Whether a trainable scale and shift follow the normalisation."),
    "elementwise_affine": Meaning({}, "Whether a trainable scale and shift of each number follow the normalisation."),
    "num_groups": Meaning(ONE_UP, "Number of groups of channels that are normalised apart."),
    "sync": Meaning({}, "Whether the statistics are those of the batches of all processes that train together."),
    "dim": Meaning({}, "The axis that is normalised; 1 is that of the classes."),
    "track_running_stats": Meaning({}, "Whether running statistics are kept, and used in evaluation."),
    # loss
    "reduction": Meaning({}, "Whether the loss is the mean over the batch or the sum."),
    "label_smoothing": Meaning(BELOW_ONE, "Share of the target spread evenly over all classes."),
    "weight": Meaning({}, "Weights of classes or labels: a list, a mapping by name; balanced: classes weigh alike."),
    "ignore_index": Meaning({}, "The number of a class whose images add no loss."),
    "pos_weight": Meaning({}, "Weight of the images that have a label: a number, a list, or a mapping by name."),
    "threshold": Meaning({}, "Probability from which a label is given: a number, a list, or a mapping by name."),
    "beta": Meaning(ZERO_UP, "Distance up to which an error counts by its square."),
    # optimizers
    "lr": Meaning(POSITIVE, "Learning rate."),
    "momentum": Meaning(
        FRACTION,
        "SGD: share of the last step that is kept. Batch normalisation: weight of "
        "the newest batch in the running statistics.",
    ),
    "weight_decay": Meaning(ZERO_UP, "Strength of the pull of the weights towards zero."),
    "nesterov": Meaning({}, "Whether the gradient is taken where the momentum leads."),
    "betas": Meaning(BELOW_ONE, "Adam: how long the averages of the gradient and of its square remember."),
    "alpha": Meaning(BELOW_ONE, "RMSprop: how long the averages of the gradient and of its square remember."),
    "centered": Meaning({}, "Whether the gradient's variance divides it, in place of its mean square."),
    "ns_coefficients": Meaning({}, "Muon: coefficients of a step of Newton and Schulz; the second is not 0."),
    "ns_steps": Meaning({"ge": 1, "le": 99}, "Muon: steps of Newton and Schulz that make a direction orthogonal."),
    "adjust_lr_fn": Meaning({}, "Muon: whether learning rates are its own, or fit those of AdamW."),
    "adamw_lr": Meaning(ZERO_UP, "Muon: learning rate of biases and batch norm, which AdamW updates."),
    "eps": Meaning(POSITIVE, "A small number that keeps a division from failing."),
    # averages of weights
    "decay": Meaning(BELOW_ONE, "Share of an average that is kept at each update."),
    "start": Meaning(BELOW_ONE, "Fraction of the run after which weights are averaged, once an epoch."),
    # early stopping
    "patience": Meaning(ONE_UP, "Epochs without improvement after which training stops."),
    "min_delta": Meaning(ZERO_UP, "Smallest change that counts as better."),
    "keep": Meaning({}, "Whether a run ends with the weights of its best epoch by that figure, or with the last."),
    "monitor": Meaning({}, "The figure that should improve."),
    # data
    "path": Meaning({}, "The file or folder of the images."),
    "size": Meaning(SIDE, "Pixels that pictures, or maps, are brought to: one side, or one per axis."),
    "channels": Meaning({}, "3 for colour, 1 for grey."),
    "train": Meaning(ONE_UP, "The training images: a file, or how many."),
    "test": Meaning(POSITIVE, "The test images: a file, a number, or the fraction that is held out."),
    "invert": Meaning({}, "Whether black becomes white."),
    "pictures": Meaning({}, "Where the picture files are that a table names; by default beside the table."),
    "background": Meaning({}, "What shows through transparent parts of a picture."),
    "held_out_by": Meaning({}, "Whether a picture's name decides that it is held out, or its place among the others."),
    **{
        f"{part}_{what}": Meaning({}, f"Where the {part} {what} are: the name of a file (idx) or of an array (npz).")
        for part in ("train", "test", "validation")
        for what in ("images", "labels")
    },
    "cache": Meaning({}, "Whether many decoded pictures are kept in a file for the next time."),
    "shape": Meaning(SIDE, "Channels, height and width of an image."),
    "classes": Meaning({"ge": 2}, "Number of classes."),
    "class_names": Meaning({}, "Names of the classes, in the order of their labels."),
    "label": Meaning({}, "The label's column: its number from 0, or its name in the header line; a list for several."),
    "labels": Meaning({}, "What labels are; by default what the loss takes."),
    "header": Meaning({}, "Whether the first line names the columns."),
    "layout": Meaning({}, "Where the channels stand in an array that has them."),
    "noise": Meaning(FRACTION, "How bright the noise is at most, as a fraction of white."),
    "axes": Meaning({}, "Axes of an image beside its channels: 1 for signals, 2 for images, 3 for volumes."),
    "seed": Meaning(ZERO_UP, "Where the random choices of the data set begin."),
    # augmentation
    "shift": Meaning(ZERO_UP, "Move by up to so many pixels."),
    "rotate": Meaning(ZERO_UP, "Turn by up to so many degrees either way."),
    "scale": Meaning(BELOW_ONE, "Enlarge or shrink by up to this fraction."),
    "flip": Meaning({}, "Exchange left and right in every second image."),
    "crop": Meaning(ZERO_UP, "Surround by so many zeros and cut a window of the old size out."),
    "cutout": Meaning(ZERO_UP, "Side of a square that is set to zero."),
    "erase": Meaning(FRACTION, "Probability that a rectangle of a random size is set to zero."),
    "elastic": Meaning(ZERO_UP, "Displace pixels by smooth random fields of this alpha, in pixels."),
    "elastic_sigma": Meaning(POSITIVE, "Standard deviation, in pixels, of the Gaussian that smooths these fields."),
    "brightness": Meaning(ZERO_UP, "Multiply pixels by a factor that is up to so far from 1."),
    "contrast": Meaning(ZERO_UP, "Multiply differences from the mean grey by a factor that is up to so far from 1."),
    "saturation": Meaning(ZERO_UP, "Multiply differences from grey by a factor that is up to so far from 1."),
    "hue": Meaning({"ge": 0, "le": 0.5}, "Turn colours by up to this part of their circle."),
    "mixup": Meaning(ZERO_UP, "Mix images and labels by shares from Beta(α, α) of this α."),
    "cutmix": Meaning(ZERO_UP, "Exchange rectangles between images, of shares from Beta(α, α) of this α."),
    # schedules
    "warmup": Meaning(BELOW_ONE, "Fraction of the run during which the learning rate rises from 0."),
    "final": Meaning(FRACTION, "Fraction of the learning rate that is left at the end."),
    "epochs": Meaning(ONE_UP, "Number of epochs."),
    "gamma": Meaning(POSITIVE, "Factor by which the learning rate falls."),
}
