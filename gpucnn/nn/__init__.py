"""Modules, layers and initial weights; names are PyTorch's."""

from gpucnn.nn import activation, init
from gpucnn.nn.activation import (
    Dropout,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Softmax,
    Tanh,
)
from gpucnn.nn.containers import ModuleList, Residual, Sequential
from gpucnn.nn.layer import Layer
from gpucnn.nn.layers import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    Conv1d,
    Conv2d,
    Conv3d,
    Flatten,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    Linear,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    ReflectionPad2d,
    ReplicationPad2d,
    ZeroPad2d,
)
from gpucnn.nn.module import Buffer, Module, Parameter
from gpucnn.nn.normalization import BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d
from gpucnn.nn.subsampling import Subsample2d

globals().update(activation.OTHERS)

# By the name a configuration gives them.
LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer
    for layer in list(vars().values())
    if isinstance(layer, type) and issubclass(layer, Layer) and hasattr(layer, "kind") and layer is not Sequential
}

__all__ = [
    "LAYERS",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "Residual",
    "ScaledTanh",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Subsample2d",
    "Tanh",
    "ZeroPad2d",
    "init",
]
