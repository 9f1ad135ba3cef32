"""`gpucnn config`: show or check a configuration, or print the schema for editors."""

import argparse
import json

from gpucnn.cli.device import accept_config
from gpucnn.config.check import load_options
from gpucnn.config.resolve import to_yaml
from gpucnn.config.schema import json_schema


def show(arguments: argparse.Namespace) -> None:
    """Print a configuration with every default filled in, which can be trained as it is."""
    print(to_yaml(load_options(arguments.config, arguments.overrides).config), end="")


def validate(arguments: argparse.Namespace) -> None:
    """Check a configuration. Raises ConfigError with all its faults."""
    accept_config(arguments.config, arguments.overrides)
    print(f"{arguments.config}: nothing is wrong with it")


def schema(arguments: argparse.Namespace) -> None:
    """Print the JSON schema of configurations."""
    print(json.dumps(json_schema(), indent=2))
