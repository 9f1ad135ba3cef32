"""Networks that no configuration describes: images of 32 x 32 in colour, batch normalisation, updates by Adam."""

from typing import Any

from bench.workloads import Entry, Network

COLOUR, CLASSES = (3, 32, 32), 10


def _conv(channels: int, kernel: int, groups: int = 1, stride: int = 1) -> Entry:
    options = {"kernel_size": kernel, "padding": kernel // 2, "stride": stride, "groups": groups, "bias": True}
    return "conv2d", {"out_channels": channels, **options}


def _normalised(*layer: Any) -> list[Entry]:
    return [_conv(*layer), ("batch_norm2d", {}), ("relu", {})]


def _pool(size: int) -> Entry:
    return "max_pool2d", {"kernel_size": size, "stride": size}


def _separable(ins: int, outs: int, stride: int = 1) -> list[Entry]:
    """A kernel for each channel, then a mixture of the channels at each place."""
    return [*_normalised(ins, 3, ins, stride), *_normalised(outs, 1)]


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
NETWORKS = {name: Network([*layers, *HEAD], COLOUR, CLASSES, optimizer="adam") for name, layers in LAYERS.items()}
