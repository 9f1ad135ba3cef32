"""Whatever a configuration holds, it is accepted or refused in words."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpucnn.config.check import check
from gpucnn.config.yaml_reader import Document, read_yaml
from gpucnn.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
ODD: list[Any] = [
    None, True, 0, -1, 1, 3, 10**30, 0.5, float("nan"), float("inf"), "", "relu", "same", "mnist", "yes", "a/b",
    "x" * 200,
    [], [1], [1, 2], [[1, 2], [3, 4]], ["relu"], [None], {}, {"name": None}, {"name": "adam"}, {"name": ["sgd"]},
    {"name": {"a": 1}}, {"relu": None}, {"relu": {}, "tanh": {}}, {"conv2d": {"out_channels": 2, "kernel_size": 3}},
    {"residual": ["relu"]}, {"residual": "relu"}, {"residual": [{"residual": []}]}, {"conv2d": [1]}, {"": ""},
]  # fmt: skip


def mutated(data: Any, rng: random.Random) -> Any:
    """The data with one value somewhere in it exchanged for an odd one, removed, or added."""
    data = copy.deepcopy(data)
    here = data
    while True:
        inner = [key for key in _keys(here) if isinstance(here[key], dict | list) and here[key]]
        if not inner or rng.random() < 0.3:
            break
        here = here[rng.choice(inner)]
    key = rng.choice(_keys(here))
    match rng.randrange(4):
        case 0:
            del here[key]
        case 1 if isinstance(here, dict):
            here[rng.choice(["name", "init", "lr_scale", "p", "classes", "bogus"])] = rng.choice(ODD)
        case _:
            here[key] = rng.choice(ODD)
    return data


def _keys(here: Any) -> list[Any]:
    return list(here) if isinstance(here, dict) else list(range(len(here)))


@pytest.mark.parametrize("seed", range(6))
def test_odd_values_anywhere_are_refused_in_words(seed: int) -> None:
    rng = random.Random(seed)
    refused = 0
    for _ in range(60):
        name = rng.choice(["lenet", "smoke", "my_images"])
        data = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
        for _ in range(rng.randint(1, 3)):
            data = mutated(data, rng)
        text = yaml.safe_dump(data, sort_keys=False)
        document = read_yaml(text.replace("*id", "id").replace("&id", "id"), "x.yaml")
        try:
            check(Document(document.data, document.places))
        except ConfigError as error:
            refused += 1
            assert all(line.startswith("x.yaml:") for line in str(error).splitlines())
    assert refused > 20


@pytest.mark.parametrize(
    "override", ["model.0=3", "model=[]", "data=null", "data.name=[1]", "optimizer.name={a: 1}", ".=3"]
)
def test_odd_overrides_are_refused_in_words(override: str) -> None:
    with pytest.raises(ConfigError):
        check(read_yaml((CONFIGS / "smoke.yaml").read_text(), "x.yaml"), [override])
