"""Python's search for garbage, put off where very many objects are made that stay, or do not live long.

Objects that refer to each other in a circle are only found by looking through all objects. Python does so whenever many
were made: while libraries are imported, or a figure is drawn, again and again and in vain.
"""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Inside the block Python looks for no garbage: what refers to itself in a circle stays until later."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
