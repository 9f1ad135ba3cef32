"""Networks for images of 32 x 32 in colour, with batch normalisation after each convolution."""

from typing import Any

from bench.workloads import Entry, Network

COLOUR, CLASSES = (3, 32, 32), 10


def _conv(channels: int, kernel: int, groups: int = 1, stride: int = 1, bias: bool = True) -> Entry:
    options = {"kernel_size": kernel, "padding": kernel // 2, "stride": stride, "groups": groups, "bias": bias}
    return "conv2d", {"out_channels": channels, **options}


def _normalised(*layer: Any) -> list[Entry]:
    return [_conv(*layer), ("batch_norm2d", {}), ("relu", {})]


def _pool(size: int) -> Entry:
    return "max_pool2d", {"kernel_size": size, "stride": size}


def _separable(ins: int, outs: int, stride: int = 1) -> list[Entry]:
    """A kernel for each channel, then a mixture of the channels at each place."""
    return [*_normalised(ins, 3, ins, stride), *_normalised(outs, 1)]


def _block(channels: int, stride: int) -> list[Entry]:
    """A block of ResNet-20; where it halves the maps, the shortcut is a convolution of 1 x 1."""
    short = [_conv(channels, 1, stride=stride, bias=False), ("batch_norm2d", {})] if stride > 1 else []
    first, second = (_conv(channels, 3, stride=step, bias=False) for step in (stride, 1))
    long = [first, ("batch_norm2d", {}), ("relu", {}), second, ("batch_norm2d", {})]
    paths = [[list(entry) for entry in path] for path in (short, long)]  # lists, as JSON has them
    return [("branches", {"merge": "sum", "paths": paths}), ("relu", {})]


HEAD: list[Entry] = [("flatten", {}), ("linear", {"out_features": CLASSES, "bias": True})]
LAYERS: dict[str, list[Entry]] = {
    "colour": [entry for channels in (16, 32, 64) for entry in (*_normalised(channels, 3), _pool(2))],
    "separable": [
        *_normalised(32, 3),
        *_separable(32, 64),
        *_separable(64, 128, 2),
        *_separable(128, 128),
        *_separable(128, 256, 2),
        _pool(8),
    ],
    "wide": [
        entry
        for channels in (64, 128, 256)
        for entry in (*_normalised(channels, 3), *_normalised(channels, 3), _pool(2))
    ],
}
RESNET: list[Entry] = [
    *(_conv(16, 3, bias=False), ("batch_norm2d", {}), ("relu", {})),
    *(
        entry
        for channels in (16, 32, 64)
        for block in range(3)
        for entry in _block(channels, 2 if channels > 16 and block == 0 else 1)
    ),
    ("global_avg_pool2d", {}),
]
NETWORKS = {
    **{name: Network([*layers, *HEAD], COLOUR, CLASSES, optimizer="adam") for name, layers in LAYERS.items()},
    "resnet": Network([*RESNET, *HEAD], COLOUR, CLASSES),
}
