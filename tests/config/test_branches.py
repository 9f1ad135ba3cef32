"""Branches in YAML: built, nested, with learning rates by name; and their faults, each with its place."""

import pytest

from gpucnn.config.build import build_network
from gpucnn.config.check import check
from gpucnn.config.layers import lr_scales
from gpucnn.config.resolve import to_yaml
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.errors import ConfigError

CONFIG = """data: {name: synthetic, shape: [1, 12, 12]}
optimizer: {name: sgd, lr: 0.1}
model:
  - branches:
      merge: MERGE
      paths:
        - []
        - [PATH]
  - flatten
  - linear: {out_features: classes}
"""
NESTED = """branches: {merge: sum, paths: [[{conv2d: {out_channels: 3, kernel_size: 1, lr_scale: 0.5}}, relu],
             [conv2d: {out_channels: 3, kernel_size: 3, padding: same}]]}"""


def checked(merge: str, path: str):
    return check(read_yaml(CONFIG.replace("MERGE", merge).replace("PATH", path), "x.yaml"))


def test_nested_branches_are_built_and_written_again_as_they_are():
    accepted = checked("concat", NESTED)
    net = build_network(accepted, (1, 12, 12), 10)
    assert net[0].output_shape((1, 12, 12)) == (4, 12, 12)
    assert [name for name, _ in net.named_parameters()][:2] == ["0.1.0.0.0.weight", "0.1.0.0.0.bias"]
    assert dict(lr_scales(accepted.config.model))["0.1.0.0.0"] == 0.5
    text = to_yaml(accepted.config)
    assert to_yaml(check(read_yaml(text, "y.yaml")).config) == text


@pytest.mark.parametrize(
    ("merge", "path", "words"),
    [
        (
            "mean",
            "relu",
            r"x.yaml:5:7: model layer 0 \(branches\): merge: given \"mean\", expected one of sum, concat",
        ),
        ("sum", "relo", r"x.yaml:8:12: model layer 0 \(branches\) path 1 layer 0 \(relo\): unknown layer 'relo'"),
        (
            "sum",
            "conv2d: {out_channels: 2, kernel_size: x}",
            r"x.yaml:8:38: model layer 0 \(branches\) path 1 layer 0 \(conv2d\): kernel_size: given",
        ),
        (
            "sum",
            "relu, conv2d: {out_channels: 2, kernel_size: 13}",
            r"x.yaml:8:18: model layer 0 \(branches\) path 1 layer 1 \(conv2d\): the window does not fit",
        ),
        (
            "sum",
            "conv2d: {out_channels: 2, kernel_size: 1}",
            r"x.yaml:4:5: model layer 0 \(branches\): path 0 gives shape \(1, 12, 12\), path 1 \(2, 12, 12\)",
        ),
    ],
)
def test_faults_have_their_place(merge, path, words):
    with pytest.raises(ConfigError, match=words):
        checked(merge, path)
