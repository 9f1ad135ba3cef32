"""One YAML file says what to train. Here it is read, checked, and made into what it names.

`check` gives a configuration or all its faults, `build` makes the data, the network and the trainer of it.
"""

import importlib
from typing import Any

# Names that version 0.1.0 had here, and the module that has them now.
_MOVED = dict.fromkeys(("SavedRun", "load", "open_run"), "gpucnn.runs")


def __getattr__(name: str) -> Any:
    """A name of `_MOVED`, from where it is now."""
    if name not in _MOVED:
        raise AttributeError(f"module 'gpucnn.config' has no attribute {name!r}")
    return getattr(importlib.import_module(_MOVED[name]), name)
