"""The receptive field of every unit of real networks against brute force."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gpucnn import Tensor, nn, no_grad
from gpucnn.cli.device import accept_config
from gpucnn.config.build import build_network
from gpucnn.explain.layers import layer_facts

LENET = (Path(__file__).parents[2] / "configs/lenet.yaml").read_text()
EVERY_KIND = """\
name: every_kind
data: {name: synthetic}
optimizer: {name: sgd, lr: 0.1}
train: {epochs: 1, batch_size: 32}
model:
  - conv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: [[0, 1], [2, 1]]}
  - batch_norm2d
  - leaky_relu
  - residual: [{conv2d: {out_channels: 4, kernel_size: 3, padding: same, dilation: 2, groups: 4}}, relu]
  - zero_pad2d: {padding: [1, 0, 0, 2]}
  - max_pool2d: {kernel_size: 3, stride: 1, padding: 1}
  - dropout
  - conv2d: {out_channels: 3, kernel_size: [2, 3]}
  - avg_pool2d: {kernel_size: 2, ceil_mode: true}
  - global_avg_pool2d
  - flatten
  - linear: {out_features: 10}
"""
SIDE = 28


def lit_network(text: str, path: Path) -> nn.Sequential:
    """A network of a configuration that lets light through: whatever a unit sees makes it greater than 0."""
    path.write_text(text)
    net = build_network(accept_config(str(path)), (1, SIDE, SIDE), 10).eval()
    dark = ("bias", "running_mean")
    net.load_state_dict({k: np.full_like(v, not k.endswith(dark)) for k, v in net.state_dict().items()})
    return net


Spans = list[tuple[int, int]]  # [first, last + 1) along each axis


def units(net: nn.Sequential) -> Iterator[tuple[str, Spans, Spans]]:
    """Every unit: what it is, the rows and columns it sees, and those that its field says.

    One image per pixel, which alone is lit: a unit sees the pixels of the images that light it.
    """
    y = Tensor(np.eye(SIDE * SIDE, dtype="float32").reshape(-1, 1, SIDE, SIDE))
    for depth, layer in enumerate(net):
        with no_grad():
            y = layer(y)
        field, outputs = net[: depth + 1].receptive_field((1, SIDE, SIDE)), y.shape[2:] or (1, 1)
        seen = (y.numpy().reshape(SIDE, SIDE, -1, *outputs) > 0).any(axis=2)  # by any channel, or any number of a row
        for unit in np.ndindex(*outputs):
            starts = [start + place * jump for start, place, jump in zip(field.start, unit, field.jump, strict=True)]
            told = [(start, start + size) for start, size in zip(starts, field.size, strict=True)]
            yield f"layer {depth} ({layer.kind}), {unit}", spans(seen[(..., *unit)]), told


def spans(seen: np.ndarray) -> Spans:
    """From the first to the last row and column of (H, W) that is seen."""
    lit = [np.flatnonzero(seen.any(axis=1 - axis)) for axis in (0, 1)]
    return [(int(places[0]), int(places[-1]) + 1) if places.size else (0, 0) for places in lit]


def test_every_unit_of_lenet(tmp_path):
    for unit, seen, told in units(lit_network(LENET, tmp_path / "x.yaml")):
        assert seen == [(max(start, 0), min(end, SIDE)) for start, end in told], unit


def test_units_behind_every_kind_of_window(tmp_path):
    """Near a border padding may fill the outer taps, so that a unit sees less; more than its field it never sees."""
    exact = set()
    for unit, seen, told in units(lit_network(EVERY_KIND, tmp_path / "x.yaml")):
        if all(start >= 0 and end <= SIDE for start, end in told):
            assert seen == told, unit
            exact.add(unit.split(",")[0])
        elif (0, 0) not in seen:
            assert all(t[0] <= s[0] and s[1] <= t[1] for s, t in zip(seen, told, strict=True)), unit
    assert len(exact) == 9  # every layer before the global pooling has units away from the borders


def test_the_pixels_of_a_unit_as_slices(tmp_path):
    net = lit_network(LENET, tmp_path / "x.yaml")
    assert net[:1].receptive_field((1, SIDE, SIDE)).of((0, 14), (SIDE, SIDE)) == (slice(0, 3), slice(12, 17))
    behind_pooling = net[:6].receptive_field((1, SIDE, SIDE))  # 5 + 1 + 4·2 + 2 = 16 pixels, 4 apart, from -2 on
    assert behind_pooling.of((0, 4), (SIDE, SIDE)) == (slice(0, 14), slice(14, 28))
    assert net.receptive_field((1, SIDE, SIDE)).of((0, 0), (SIDE, SIDE)) == (slice(0, 28), slice(0, 28))
    padded = nn.ZeroPad2d(3).receptive_field((1, 5, 5))
    assert padded.of((0, 10), (5, 5)) == (slice(0, 0), slice(5, 5))  # of padding alone: nothing


def test_the_facts_of_layers_have_them(tmp_path):
    net = lit_network(EVERY_KIND, tmp_path / "x.yaml")
    rows = list(layer_facts(net, (1, SIDE, SIDE)))
    top = [row for row in rows if "." not in row.name]
    assert [row.field.size for row in top] == [
        net[:n].receptive_field((1, SIDE, SIDE)).size for n in range(1, len(net) + 1)
    ]
    assert [row.field.size for row in rows if row.name.startswith("3")] == [(11, 11)] * 3  # 3 + 2·4, inside and behind
