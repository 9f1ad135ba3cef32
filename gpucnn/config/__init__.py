"""Configuration: one YAML file says what to train.

`check` reads a configuration and reports all its faults; `build` makes the data, the network and the trainer.
"""

import importlib
from typing import Any

# Names that version 0.1.0 had here, and the module that has them now.
_MOVED = dict.fromkeys(("SavedRun", "load", "open_run"), "gpucnn.runs")


def __getattr__(name: str) -> Any:
    """A name of `_MOVED`, from its new module."""
    if name not in _MOVED:
        raise AttributeError(f"module 'gpucnn.config' has no attribute {name!r}")
    return getattr(importlib.import_module(_MOVED[name]), name)
