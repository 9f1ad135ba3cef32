"""What the command lines of the benchmarks share."""

import argparse
from collections.abc import Callable
from typing import Any


def positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """An argument's type: an int or a float more than 0 and less than 1000."""

    def number(text: str) -> Any:
        if not 0 < kind(text) < 1000:
            raise argparse.ArgumentTypeError(f"given {text}, expected more than 0 and less than 1000")
        return kind(text)

    return number


def told(seconds: float) -> str:
    """A length of time in words."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
