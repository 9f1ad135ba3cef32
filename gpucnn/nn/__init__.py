"""Modules, layers and initial weights; names are PyTorch's."""

from gpucnn.nn import init
from gpucnn.nn.activation import (
    Dropout,
    Flatten,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Softmax,
    Tanh,
)
from gpucnn.nn.containers import ModuleList, Residual, Sequential
from gpucnn.nn.convolution import Conv1d, Conv2d, Conv3d, Linear
from gpucnn.nn.layer import Layer
from gpucnn.nn.module import Buffer, Module, Parameter
from gpucnn.nn.normalization import BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d
from gpucnn.nn.pooling import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    ReflectionPad2d,
    ReplicationPad2d,
    ZeroPad2d,
)
from gpucnn.nn.subsampling import Subsample2d

LAYERS: dict[str, type[Layer]] = {  # by the name a configuration gives them
    layer.kind: layer
    for layer in (
        Conv1d,
        Conv2d,
        Conv3d,
        Linear,
        BatchNorm,
        BatchNorm1d,
        BatchNorm2d,
        BatchNorm3d,
        MaxPool1d,
        MaxPool2d,
        MaxPool3d,
        AvgPool1d,
        AvgPool2d,
        AvgPool3d,
        GlobalAvgPool2d,
        GlobalMaxPool2d,
        Subsample2d,
        ZeroPad2d,
        ReplicationPad2d,
        ReflectionPad2d,
        ReLU,
        LeakyReLU,
        Tanh,
        ScaledTanh,
        Sigmoid,
        Softmax,
        LogSoftmax,
        Dropout,
        Flatten,
        Residual,
    )
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
