"""`gpucnn summary`: list a network's layers, their outputs and costs."""

import argparse
import math
from pathlib import Path

import numpy as np

from gpucnn import nn
from gpucnn.cli.device import accept_config
from gpucnn.cli.table import by, in_bytes, table
from gpucnn.config.build import build_network
from gpucnn.config.check import Checked, data_shape, load_options, stated_shape
from gpucnn.config.layers import CLASSES, counts_classes, lr_scales
from gpucnn.config.schema import Config, source_options
from gpucnn.explain.layers import layer_facts
from gpucnn.geometry import Sizes
from gpucnn.runs.folder import LATEST
from gpucnn.runs.saved import open_run
from gpucnn.training.evaluation import dtype_of

HEADER = ("layer", "output", "parameters", "multiply-adds", "receptive field", "memory")


def run(arguments: argparse.Namespace) -> None:
    """Print the summary of a configuration's or a run's network."""
    name = arguments.network
    if name == LATEST or Path(name).is_dir():
        saved = open_run(name)
        print(summarize(build_network(saved.checked, saved.image_shape, None), saved.image_shape, saved.config))
        return
    checked, shape, classes = _with_or_without_data(name)
    counts = any(counts_classes(entry) for entry in checked.config.model)
    net = build_network(checked, shape, classes)
    print(summarize(net, shape, checked.config, per_class=counts and classes is None))


def _with_or_without_data(name: str) -> tuple[Checked, Sizes, int | None]:
    """The configuration, the shape of its images and the number of classes; None where there are no data.

    Raises ConfigError for a configuration with faults, or without data if its options do not tell the shape either.
    """
    options = load_options(name).config
    shape = stated_shape(options.data)
    paths = [value for value in source_options(options.data).values() if isinstance(value, Path)]
    if shape is None or all(path.expanduser().exists() for path in paths):
        checked = accept_config(name)
        return checked, *data_shape(checked.config.data, checked.config.loss.name)
    return load_options(name), shape, None


def summarize(net: nn.Sequential, shape: Sizes, config: Config, per_class: bool = False) -> str:
    """A table of the layers of `net`, built from `config`, for images of `shape` (C, H, W), and the totals.

    per_class: whether `net` has one output in place of a number of classes that is not known.
    """
    rows, first = list(layer_facts(net, shape)), math.inf
    if per_class:
        first = next(number for number, entry in enumerate(config.model) if counts_classes(entry))
    item = dtype_of(net).itemsize
    lines = [("input", by(shape), "", "", by((1,) * len(shape[1:])), in_bytes(math.prod(shape) * item))]
    for row in rows:
        each = " x classes" if int(row.name.split(".")[0]) >= first else ""
        lines.append(
            (
                f"{row.name} {row.layer.kind}",
                CLASSES if each else by(row.output),
                f"{row.parameters:,}{each}" if row.parameters else "",
                f"{row.multiply_adds:,}{each}" if row.multiply_adds else "",
                by(row.field.pixels),
                in_bytes(row.values * item) + each,
            )
        )
    parameters = sum(parameter.size for parameter in net.parameters())
    activations = (math.prod(shape) + sum(row.values for row in rows)) * item
    totals = (
        f"{parameters:,} parameters ({in_bytes(parameters * item)}), {net.multiply_adds(shape):,} multiply-adds and "
        f"{in_bytes(activations)} of activations per image, {np.dtype(dtype_of(net)).name}"
    )
    if per_class:
        totals += "; all that for a single class"
    return "\n".join([table(HEADER, lines), totals, *_lr_scales(config)])


def _lr_scales(config: Config) -> list[str]:
    """A line on the layers with a learning rate of their own, if there are any."""
    scaled = [f"{scale:g} for layer {name}" for name, scale in lr_scales(config.model) if scale != 1]
    return [f"lr_scale, which multiplies the learning rate: {', '.join(scaled)}"] if scaled else []
