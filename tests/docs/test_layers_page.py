"""docs/layers.md names every layer, and its configuration is accepted."""

import re
from pathlib import Path

from gpucnn import nn
from gpucnn.config.check import check
from gpucnn.config.yaml_reader import read_yaml

PAGE = (Path(__file__).parents[2] / "docs" / "layers.md").read_text()
TAKES = {"layers.md": {"yaml"}}


def test_every_layer_is_named():
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {
        name for name in nn.LAYERS if re.sub(r"[123]d$", "", name) not in {re.sub(r"[123]d$", "", n) for n in named}
    } == set()


def test_the_configuration_is_accepted():
    [model] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    check(read_yaml(f"data: {{name: synthetic}}\noptimizer: {{name: sgd, lr: 0.1}}\n{model}", "layers.md"))
