"""Layer: a module whose geometry is known before it runs."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from gpucnn.errors import ShapeError
from gpucnn.geometry import Reach, ReceptiveField, Sizes, Window, hashable, is_count
from gpucnn.nn.module import Module

__all__ = ["Layer"]

L = TypeVar("L", bound="Layer")


class Layer(Module):
    """A module whose output shape is known before it runs, as the summary and the configuration need it.

    Shapes here omit the axis of images: (C, H, W) or (F,). Methods of this class use only a layer's options, not its
    weights; a layer whose weights are random draws them in `_draw`, which `undrawn` replaces.
    """

    kind: str  # its name in a configuration and in messages
    inferred: str | None = None  # the constructor's argument that follows from the input's shape, by `infer`

    @classmethod
    def infer(cls, shape: Sizes) -> Any:
        """The `inferred` argument for an input of `shape`."""
        return shape[0]

    def _draw(self, *options: Any) -> None:
        """Make the parameters that are drawn at random. The constructor calls this last."""

    def output_shape(self, shape: Sizes) -> Sizes:
        """The shape of the result for an input of `shape`. Raises ShapeError where it does not fit."""
        return shape

    def multiply_adds(self, shape: Sizes) -> int:
        """Multiply-adds per image for an input of `shape`."""
        return 0

    def window(self, shape: Sizes) -> Window | None:
        """The window that slides over an input of `shape`; None for a layer without one."""
        return None

    def reach(self, shape: Sizes) -> tuple[Reach, ...] | None:
        """What an output reads of an input of `shape` along each axis, as its window says; None for the same place."""
        window = self.window(shape)
        return None if window is None else window.reach

    def receptive_field(self, shape: Sizes, field: ReceptiveField | None = None) -> ReceptiveField:
        """The receptive field of this layer's outputs, for an input of `shape` whose units have the field `field`.

        Without `field` the input is the image. At the border, where windows lie in the padding, a unit sees less.
        """
        field = field or ReceptiveField.of_input(len(shape) - 1)
        reach = self.reach(shape)
        return field if reach is None else field.reading(reach)


def check_features(kind: str, shape: Sizes, expected: int, option: str = "num_features") -> None:
    """Raises ShapeError unless an input of `shape` (C, ...) has the `expected` channels, which `option` gave."""
    if shape[0] != expected:
        raise ShapeError(f"{kind}: input has {shape[0]} channels, expected {expected}. Give {option}={shape[0]}")


def undrawn(kind: type[L]) -> type[L]:
    """A subclass of `kind` that draws no weights: its layers know their shapes, need no memory, and cannot run."""
    return type(kind.__name__, (kind,), {"_draw": Layer._draw})


def keeping_options(function: Callable[..., Any], inputs: int = 1) -> Any:
    """An `__init__` that takes what `function` takes after its first `inputs`, and keeps it as attributes."""
    options = list(inspect.signature(function).parameters.values())[inputs:]
    hints = inspect.get_annotations(function)
    myself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature([myself, *options])

    def init(self: Layer, *values: Any, **named: Any) -> None:
        given = signature.bind(self, *values, **named)
        given.apply_defaults()
        vars(self).update({option.name: hashable(given.arguments[option.name]) for option in options})

    init.__annotations__ = {option.name: hints[option.name] for option in options}
    init.__signature__ = signature  # type: ignore[attr-defined]
    return init


def check_count(kind: str, option: str, value: int) -> int:
    """`value`, a number of channels or features. Raises ShapeError unless it is a whole number of at least 1."""
    if not is_count(value, 1):
        raise ShapeError(f"{kind}: {option} is {value!r}; expected a whole number of at least 1")
    return value
