"""Layer: a module whose geometry is known before it runs."""

from typing import Any, TypeVar

from gpucnn.errors import ShapeError
from gpucnn.geometry import ReceptiveField, Sizes, Window, is_count
from gpucnn.nn.module import Module

__all__ = ["Layer"]

L = TypeVar("L", bound="Layer")


class Layer(Module):
    """A module whose geometry is known before it runs: what the summary and the configuration ask for.

    Shapes here are without the images' axis: (C, H, W) or (F,). Methods of this class need a layer's options alone; a
    layer whose weights are drawn at random draws them in `_draw`, which `undrawn` leaves out.
    """

    kind: str  # its name in a configuration and in messages
    inferred: str | None = None  # the constructor's argument that is the first entry of the input's shape

    def _draw(self, *options: Any) -> None:
        """Make the parameters that are drawn at random. The constructor calls this last."""

    def output_shape(self, shape: Sizes) -> Sizes:
        """The shape of the result for an input of `shape`. Raises ShapeError where it does not fit."""
        return shape

    def multiply_adds(self, shape: Sizes) -> int:
        """Multiply-adds per image for an input of `shape`."""
        return 0

    def window(self, shape: Sizes) -> Window | None:
        """The window that slides over an input of `shape`; None for a layer that works place by place."""
        return None

    def receptive_field(self, shape: Sizes, field: ReceptiveField | None = None) -> ReceptiveField:
        """What the units behind this layer see of an image, for an input of `shape` whose units see `field` of it.

        Without `field` the input is the image. Where padding fills a window's outer taps a unit may see less.
        """
        field = field or ReceptiveField.of_input(len(shape) - 1)
        window = self.window(shape)
        return field if window is None else field.through(window)


def check_features(kind: str, shape: Sizes, expected: int) -> None:
    """Raises ShapeError unless an input of `shape` (C, ...) has the `expected` channels, the layer's num_features."""
    if shape[0] != expected:
        raise ShapeError(f"{kind}: input has {shape[0]} channels, expected {expected}. Give num_features={shape[0]}")


def undrawn(kind: type[L]) -> type[L]:
    """`kind` without `_draw`: its layers know their shapes, take next to no memory however large, and cannot run."""
    return type(kind.__name__, (kind,), {"_draw": Layer._draw})


def check_count(kind: str, option: str, value: int) -> int:
    """`value`, a number of channels or features. Raises ShapeError unless it is a whole number of at least 1."""
    if not is_count(value, 1):
        raise ShapeError(f"{kind}: {option} is {value!r}; expected a whole number of at least 1")
    return value
