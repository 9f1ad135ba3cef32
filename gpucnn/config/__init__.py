"""One YAML file says what to train. Here it is read, checked, and made into what it names.

`load(RUN)` gives the network that a run trained. The steps before: `check` tells all faults of a configuration or
gives it, `build` makes of it the data, the network and the trainer, `saved` finds them again.
"""

from gpucnn.config.saved import SavedRun, load, open_run

__all__ = ["SavedRun", "load", "open_run"]
