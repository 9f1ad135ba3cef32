"""`gpucnn summary`: list a network's layers, their outputs and costs."""

import argparse
import math
from pathlib import Path

import numpy as np

from gpucnn import nn
from gpucnn.cli.device import accept_config
from gpucnn.cli.table import by, in_bytes, table
from gpucnn.config.build import build_network
from gpucnn.config.check import data_shape
from gpucnn.config.layers import lr_scales
from gpucnn.config.schema import Config
from gpucnn.geometry import Sizes
from gpucnn.report.architecture import layer_facts
from gpucnn.runs.folder import LATEST
from gpucnn.runs.saved import open_run
from gpucnn.training.evaluation import dtype_of

HEADER = ("layer", "output", "parameters", "multiply-adds", "receptive field", "memory")


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
    rows = list(layer_facts(net, shape))
    item = dtype_of(net).itemsize
    lines = [("input", by(shape), "", "", by((1,) * len(shape[1:])), in_bytes(math.prod(shape) * item))]
    lines += [
        (
            f"{row.name} {row.layer.kind}",
            by(row.output),
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            by(row.field.size),
            in_bytes(row.values * item),
        )
        for row in rows
    ]
    parameters = sum(parameter.size for parameter in net.parameters())
    activations = (math.prod(shape) + sum(row.values for row in rows)) * item
    totals = (
        f"{parameters:,} parameters ({in_bytes(parameters * item)}), {net.multiply_adds(shape):,} multiply-adds and "
        f"{in_bytes(activations)} of activations per image, {np.dtype(dtype_of(net)).name}"
    )
    return "\n".join([table(HEADER, lines), totals, *_lr_scales(config)])


def _lr_scales(config: Config) -> list[str]:
    """A line on the layers with a learning rate of their own, if there are any."""
    scaled = [f"{scale:g} for layer {name}" for name, scale in lr_scales(config.model) if scale != 1]
    return [f"lr_scale, which multiplies the learning rate: {', '.join(scaled)}"] if scaled else []
