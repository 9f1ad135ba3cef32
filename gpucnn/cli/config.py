"""`gpucnn config`: a configuration shown or checked, and the schema for editors."""

import argparse
import json

from gpucnn.cli.device import accept_config
from gpucnn.config.check import load_options
from gpucnn.config.resolve import to_yaml
from gpucnn.config.schema import json_schema


def show(arguments: argparse.Namespace) -> None:
    """Print a configuration with every default filled in; it trains as it is."""
    print(to_yaml(load_options(arguments.config, arguments.overrides).config), end="")


def validate(arguments: argparse.Namespace) -> None:
    """Raise ConfigError with every fault of a configuration, or say that there is none."""
    accept_config(arguments.config, arguments.overrides)
    print(f"{arguments.config}: nothing is wrong with it")


def schema(arguments: argparse.Namespace) -> None:
    """Print the JSON schema of configurations."""
    print(json.dumps(json_schema(), indent=2))
