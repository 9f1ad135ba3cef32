"""What is run: networks from the shipped configurations and those of networks.py, each with a batch size."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

LEARNING_RATE = 1e-4  # small: thousands of steps on one batch must not drive gradients down to denormal numbers
MOMENTUM = 0.9

Entry = tuple[
    str, dict[str, Any]
]  # a layer's name in a configuration, and its options; of branches, entries in `paths`


@dataclass(frozen=True)
class Workload:
    """A network and a batch: what every contestant runs."""

    name: str
    config: str
    batch: int


@dataclass(frozen=True)
class Network:
    """A network written out, so that a process need not read a configuration; images are of `shape` (C, H, W)."""

    layers: Sequence[Entry]
    shape: tuple[int, ...]
    classes: int
    optimizer: str = "sgd"  # with momentum; or "adam"

    def to_json(self) -> str:
        """The network as text, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Network":
        """The network that `to_json` wrote."""
        given = json.loads(text)
        layers = [(name, options) for name, options in given["layers"]]
        return cls(layers, tuple(given["shape"]), given["classes"], given["optimizer"])


WORKLOADS = {
    workload.name: workload
    for workload in (
        *(Workload(f"lenet-{batch}", "lenet", batch) for batch in (1, 64, 256, 1024)),
        Workload("renom-64", "renom", 64),
        Workload("scala_cnn-128", "scala_cnn", 128),
        Workload("mlp-256", "fashion_mlp", 256),
        Workload("colour-32", "colour", 32),
        Workload("colour-256", "colour", 256),
        Workload("separable-64", "separable", 64),
        Workload("wide-64", "wide", 64),
        Workload("resnet-128", "resnet", 128),
    )
}


def network_of(config: str) -> Network:
    """The network of that name, or of a configuration, with ten classes or as many as its data has."""
    from bench.networks import NETWORKS  # which is made of the classes here

    if config in NETWORKS:
        return NETWORKS[config]
    from gpucnn.config.check import data_shape, load_config  # here: the processes that measure load it not
    from gpucnn.config.layers import with_classes

    checked = load_config(config).config
    shape, classes = data_shape(checked.data)
    layers = with_classes(checked.model, classes or 10)
    return Network([_entry(layer.name, layer.options) for layer in layers], shape, classes or 10)


def _entry(name: str, options: Any) -> Entry:
    return name, {key: value for key, value in options.model_dump().items() if key not in ("init", "lr_scale", "sync")}
