"""`gpucnn summary`: a network's layers, what they give and what they cost."""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from gpucnn import nn
from gpucnn.cli.device import accept_config
from gpucnn.cli.table import by, in_bytes, table
from gpucnn.config.build import build_network
from gpucnn.config.check import data_shape
from gpucnn.config.find import LATEST
from gpucnn.config.layers import lr_scales
from gpucnn.config.saved import open_run
from gpucnn.config.schema import Config
from gpucnn.geometry import ReceptiveField, Sizes
from gpucnn.training.evaluation import dtype_of

HEADER = ("layer", "output", "parameters", "multiply-adds", "receptive field", "memory")


class Row(NamedTuple):
    """A layer, its counts per image; `field` is the receptive field of one of its outputs, in pixels of the input."""

    name: str
    output: Sizes
    parameters: int
    multiply_adds: int
    field: Sizes
    values: int  # numbers in its output


def run(arguments: argparse.Namespace) -> None:
    """Print the summary of a configuration's or a run's network."""
    name = arguments.network
    if name == LATEST or Path(name).is_dir():
        saved = open_run(name)
        checked, shape = saved.checked, saved.image_shape
    else:
        checked = accept_config(name)
        shape, _ = data_shape(checked.config.data)
    print(summarize(build_network(checked, shape, None), shape, checked.config))


def summarize(net: nn.Sequential, shape: Sizes, config: Config) -> str:
    """A table of the layers of `net`, built from `config`, for images of `shape` (C, H, W), and the totals."""
    rows = list(layer_rows(net, shape, ReceptiveField.of_input(len(shape) - 1)))
    item = dtype_of(net).itemsize
    lines = [
        (
            row.name,
            by(row.output),
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            by(row.field),
            in_bytes(row.values * item),
        )
        for row in (Row("input", shape, 0, 0, (1,) * len(shape[1:]), math.prod(shape)), *rows)
    ]
    parameters = sum(parameter.size for parameter in net.parameters())
    activations = (math.prod(shape) + sum(row.values for row in rows)) * item
    totals = (
        f"{parameters:,} parameters ({in_bytes(parameters * item)}), {net.multiply_adds(shape):,} multiply-adds and "
        f"{in_bytes(activations)} of activations per image, {np.dtype(dtype_of(net)).name}"
    )
    return "\n".join([table(HEADER, lines), totals, *_lr_scales(config)])


def _lr_scales(config: Config) -> list[str]:
    """A line on the layers that have a learning rate of their own; none where there are none."""
    scaled = [f"{scale:g} for layer {name}" for name, scale in lr_scales(config.model) if scale != 1]
    return [f"lr_scale, which multiplies the learning rate: {', '.join(scaled)}"] if scaled else []


def layer_rows(net: nn.Sequential, shape: Sizes, field: ReceptiveField, prefix: str = "") -> Iterator[Row]:
    """A row for each layer behind units of `field`.

    Layers inside a residual block, 4.0, 4.1 ..., stand before the block.
    """
    for number, layer in enumerate(cast("list[nn.Layer]", net.layers)):
        if isinstance(layer, nn.Residual):
            yield from layer_rows(layer, shape, field, f"{prefix}{number}.")
            parameters, multiply_adds = 0, 0  # told layer by layer
        else:
            parameters, multiply_adds = sum(each.size for each in layer.parameters()), layer.multiply_adds(shape)
        field, shape = layer.receptive_field(shape, field), layer.output_shape(shape)
        yield Row(f"{prefix}{number} {layer.kind}", shape, parameters, multiply_adds, field.size, math.prod(shape))
