"""The exercises in the order of the lessons, a file each."""

import importlib

from gpucnn.course.exercise import Exercise
from gpucnn.errors import InputError

FILES = (
    "window", "size", "flip", "forward", "gradients", "pooling", "softmax", "tape", "batch_norm", "receptive_field",
    "lenet5", "failures", "separable", "speed",
)  # fmt: skip


def exercise(number: int) -> Exercise:
    """The exercise of a lesson. Raises InputError where there is none of that number."""
    if not 1 <= number <= len(FILES):
        raise InputError(f"there is no exercise {number}; give a number from 1 to {len(FILES)}")
    return importlib.import_module(f"gpucnn.course.exercises.{FILES[number - 1]}").EXERCISE
