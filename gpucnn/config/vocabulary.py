"""What an option's name means wherever it appears: its range, and one line for editors.

Types and defaults are not here: they are read from the signatures of the layers, optimizers, schedules and
data sources. A name that is missing here is accepted with any value of its type.
"""

from typing import Any, NamedTuple


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
    "out_channels": Meaning({"ge": 1, "le": 65536}, "Number of feature maps the layer makes."),
    "out_features": Meaning({"ge": 1, "le": 1_000_000}, "Number of outputs."),
    "kernel_size": Meaning(SIDE, "Size of the window in pixels: one number, or one per axis."),
    "stride": Meaning(SIDE, "How far the window moves: one number, or one per axis."),
    "padding": Meaning(
        MARGIN,
        "Pixels added around the image: one number, one per axis, a pair (before, after) per axis, or a word.",
    ),
    "dilation": Meaning(SIDE, "Distance between the window's taps."),
    "groups": Meaning(ONE_UP, "Number of groups of channels that are convolved apart."),
    "bias": Meaning({}, "Whether each output has a trainable constant."),
    "init": Meaning({}, "How the weights are drawn at the start."),
    "lr_scale": Meaning(ZERO_UP, "The layer's learning rate as a multiple of the optimizer's; 0 freezes it."),
    "ceil_mode": Meaning({}, "Whether a last, partial window counts."),
    "count_include_pad": Meaning({}, "Whether the padding counts in the average."),
    "negative_slope": Meaning({}, "Slope for inputs below zero."),
    "p": Meaning(BELOW_ONE, "Probability of setting a value to zero while training."),
    "affine": Meaning({}, "Whether a trainable scale and shift follow the normalisation."),
    # loss
    "reduction": Meaning({}, "Whether the loss is the mean over the batch or the sum."),
    "label_smoothing": Meaning(BELOW_ONE, "Share of the target spread evenly over all classes."),
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
    "eps": Meaning(POSITIVE, "A small number that keeps a division from failing."),
    # early stopping
    "patience": Meaning(ONE_UP, "Epochs without improvement after which training stops."),
    "min_delta": Meaning(ZERO_UP, "Smallest change that counts as better."),
    # data
    "path": Meaning({}, "The file or folder of the images."),
    "size": Meaning(SIDE, "Pixels that every picture is brought to: one side, or [height, width]."),
    "channels": Meaning({}, "3 for colour, 1 for grey."),
    "train": Meaning(ONE_UP, "The training images: a file, or how many."),
    "test": Meaning(POSITIVE, "The test images: a file, a number, or the fraction that is held out."),
    "invert": Meaning({}, "Whether black becomes white."),
    "pictures": Meaning({}, "Where the picture files are that a table names; by default beside the table."),
    "background": Meaning({}, "What shows through transparent parts of a picture."),
    "shape": Meaning(SIDE, "Channels, height and width of an image."),
    "classes": Meaning({"ge": 2}, "Number of classes."),
    "class_names": Meaning({}, "Names of the classes, in the order of their labels."),
    "label": Meaning({}, "The label's column: its number from 0, or its name in the header line."),
    "header": Meaning({}, "Whether the first line names the columns."),
    "layout": Meaning({}, "Where the channels stand in an array that has them."),
    "axes": Meaning({}, "Axes of an image beside its channels: 1 for signals, 2 for images, 3 for volumes."),
    "seed": Meaning(ZERO_UP, "Where the random choices of the data set begin."),
    # augmentation
    "shift": Meaning(ZERO_UP, "Move by up to so many pixels."),
    "rotate": Meaning(ZERO_UP, "Turn by up to so many degrees either way."),
    "scale": Meaning(BELOW_ONE, "Enlarge or shrink by up to this fraction."),
    "flip": Meaning({}, "Exchange left and right in every second image."),
    "crop": Meaning(ZERO_UP, "Surround by so many zeros and cut a window of the old size out."),
    "cutout": Meaning(ZERO_UP, "Side of a square that is set to zero."),
    # schedules
    "warmup": Meaning(BELOW_ONE, "Fraction of the run during which the learning rate rises from 0."),
    "final": Meaning(FRACTION, "Fraction of the learning rate that is left at the end."),
    "epochs": Meaning(ONE_UP, "Number of epochs."),
    "gamma": Meaning(POSITIVE, "Factor by which the learning rate falls."),
}
