import json
from pathlib import Path

import pytest
import yaml

from gpucnn.config.check import check, load_options, shipped_configs
from gpucnn.config.layers import written_out
from gpucnn.config.resolve import differences, differing, resolve, to_yaml
from gpucnn.config.schema import Config, json_schema
from gpucnn.config.yaml_reader import read_yaml

LENET = Path(__file__).parents[2] / "configs" / "lenet.yaml"


def read(text: str, *overrides: str) -> Config:
    return check(read_yaml(text, "x.yaml"), overrides).config


def test_lenet_has_every_default_filled_in() -> None:
    config = resolve(load_options("lenet").config)
    assert list(config) == [
        "name", "seed", "device", "dtype", "precision", "init", "data", "model", "loss", "optimizer", "schedule",
        "train", "report", "logging",
    ]  # fmt: skip
    assert config["data"] == {
        "name": "mnist", "fallback": "digits", "validation": 10000, "target": "labels", "transpose": False,
        "stratified": True, "normalize": "standard", "per_class": None, "limit": None, "classes": None, "split": None,
        "augment": None,
    }  # fmt: skip
    assert config["model"][:3] == [
        {"conv2d": {"out_channels": 6, "kernel_size": 5, "stride": 1, "padding": "same", "dilation": 1, "groups": 1,
                    "bias": False, "init": None, "lr_scale": 1.0}},
        "relu",
        {"max_pool2d": {"kernel_size": 2, "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}},
    ]  # fmt: skip
    assert config["optimizer"] == {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.0, "nesterov": True}
    assert config["train"] == {
        "epochs": 10, "batch_size": 64, "shuffle": True, "clip_norm": None, "clip_value": None,
        "accumulate": 1, "average": None, "early_stop": None,
        "sampler": None, "folds": None, "fold": None, "init_from": None, "timeout": 300.0,
    }  # fmt: skip


@pytest.mark.parametrize("name", shipped_configs())
def test_a_resolved_configuration_resolves_to_itself(name: str) -> None:
    config = load_options(name).config
    text = to_yaml(config)
    again = Config.model_validate_json(json.dumps(_layers_written_out(read_yaml(text, "resolved.yaml").data)))
    assert again == config and to_yaml(again) == text


def _layers_written_out(data: dict) -> dict:
    return data | {"model": written_out(data["model"])}


def test_a_resolved_configuration_is_checked_like_any_other() -> None:
    config = read(LENET.read_text())
    assert read(to_yaml(config)) == config


def test_other_readers_of_yaml_read_the_same() -> None:
    overrides = ["optimizer.lr=1e-7", "train.clip_norm=1e22"]
    config = read(LENET.read_text(), *overrides)
    assert yaml.safe_load(to_yaml(config)) == resolve(config)
    assert config.optimizer.beside_name()["lr"] == 1e-7


@pytest.mark.parametrize("name", ["1e-3", "0o17", "08", "5", "1.0", "null", "true", "yes", "0x1F", "2024-01-01"])
def test_text_that_looks_like_something_else_stays_text(name: str) -> None:
    config = read(LENET.read_text(), f'name="{name}"')
    assert read(to_yaml(config)).name == name
    assert yaml.safe_load(to_yaml(config))["name"] == name


def test_nothing_repeated_becomes_an_alias() -> None:
    config = read(LENET.read_text(), "data={name: synthetic, shape: [1, 28, 28], augment: {shift: 1}}")
    assert "&" not in to_yaml(config) and "*" not in to_yaml(config)


def test_differences_name_both_values() -> None:
    before = read(LENET.read_text())
    after = read(LENET.read_text(), "train.epochs=3", "train.batch_size=32", "model.9.linear.bias=false")
    assert differences(before, after, ignoring=("train.epochs",)) == [
        "model.9.linear.bias: true -> false",
        "train.batch_size: 64 -> 32",
    ]
    assert differences(before, before) == []


def test_a_layer_that_is_another_is_a_difference() -> None:
    before, after = read(LENET.read_text()), read(LENET.read_text(), "model.1=tanh")
    assert differences(before, after) == ["model.1: relu -> tanh"]


def test_the_json_schema_takes_the_shipped_configurations() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed, and it is the judge")
    for name in shipped_configs():
        data = yaml.safe_load((LENET.parent / f"{name}.yaml").read_text())
        jsonschema.validate(data, json_schema())


def test_the_json_schema_tells_editors_names_defaults_and_ranges() -> None:
    schema = json_schema()
    conv2d = schema["$defs"]["conv2d"]
    assert conv2d["required"] == ["out_channels", "kernel_size"] and "in_channels" not in conv2d["properties"]
    assert conv2d["properties"]["bias"]["default"] is True and conv2d["properties"]["bias"]["description"]
    assert conv2d["properties"]["lr_scale"]["minimum"] == 0 and conv2d["properties"]["lr_scale"]["default"] == 1
    assert schema["$defs"]["dropout"]["properties"]["p"]["exclusiveMaximum"] == 1
    bare, written_out = schema["$defs"]["Layer"]["anyOf"]
    assert "relu" in bare["enum"] and "conv2d" not in bare["enum"] and "residual" not in bare["enum"]
    assert {"relu", "conv2d", "residual"} <= set(written_out["properties"])
    assert schema["properties"]["data"]["discriminator"]["mapping"].keys() >= {"mnist", "folder", "synthetic"}


def test_options_that_differ_are_told_run_by_run_and_layers_in_one_line() -> None:
    first = read(LENET.read_text())
    second = read(
        LENET.read_text(), "model.1=batch_norm2d", "model.3.conv2d.padding=[[0, 1], [2, 3]]", "optimizer.lr=1"
    )
    third = read(LENET.read_text().replace("loss:", "  - dropout\nloss:"), "optimizer={name: adam, lr: 0.05}")
    conv = "conv2d: {out_channels: 16, kernel_size: 5, "
    assert differing([first, second, third]) == [
        ("model.1", ["relu", "batch_norm2d", "relu"]),
        (
            "model.3",
            [f"{conv}bias: false}}", f"{conv}padding: [[0, 1], [2, 3]], bias: false}}", f"{conv}bias: false}}"],
        ),
        ("optimizer.name", ["sgd", "sgd", "adam"]),
        ("optimizer.lr", ["0.05", "1.0", "0.05"]),
        ("optimizer.momentum", ["0.9", "0.9", "(nothing)"]),
        ("optimizer.nesterov", ["true", "true", "(nothing)"]),
        ("model.12", ["(nothing)", "(nothing)", "dropout"]),
    ]
    assert differing([first, first]) == []
