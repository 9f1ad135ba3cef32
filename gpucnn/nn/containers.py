"""Modules that contain modules: Sequential, Residual, ModuleList."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from gpucnn.errors import InputError, ShapeError
from gpucnn.geometry import ReceptiveField, Sizes
from gpucnn.nn.fusion import Operation, fused
from gpucnn.nn.hooks import Hooked
from gpucnn.nn.layer import Layer
from gpucnn.nn.module import Module
from gpucnn.tensor import Tensor

__all__ = ["ModuleList", "Residual", "Sequential"]


def _checked(module: Module) -> Module:
    """The module. Raises InputError for anything else, such as a class or a list of modules."""
    if not isinstance(module, Module):
        raise InputError(f"expected a module, such as nn.ReLU(); given {module!r:.80}. Put * before a list of modules")
    return module


class _Numbered(Module):
    """Base of ModuleList and Sequential: modules by number."""

    layers: list[Module]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Each module under its number."""
        return ((str(i), module) for i, module in enumerate(self.layers))

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)


class ModuleList(_Numbered):
    """Modules by number, as PyTorch names them."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.layers = [_checked(module) for module in modules]

    def append(self, module: Module) -> None:
        """Add a module at the end."""
        self.layers.append(_checked(module))

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]


class Sequential(_Numbered, Layer):
    """Layers one after the other: `net[0]` is the first, `net[:3]` the first three."""

    kind = "sequential"

    def __init__(self, *layers: Module) -> None:
        self.layers = [_checked(layer) for layer in layers]
        self._operations: tuple[Operation, ...] = ()
        self._planned: tuple[Any, ...] = ()  # the layers that those operations are of, and what hooks they had

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """As Module's; defined here too so that stepping into a network's call leads straight to its layers."""
        return self._run_hooked(inputs, options) if self._hooks else self.forward(*inputs, **options)

    def forward(self, x: Tensor) -> Tensor:
        """Every layer in turn. Raises ShapeError that names the layer where it occurred."""
        if self._planned != (plan := (Hooked.changes, *self.layers)):
            self._planned, self._operations = plan, tuple(fused(self.layers))
        for number, layer, method, arguments in self._operations:
            try:
                x = getattr(layer, method)(x, *arguments)
            except ShapeError as error:
                together = enumerate(self.layers[number : number + 3], number) if arguments else ()
                at = next((it for it in together if str(error).startswith(f"{_kind(it[1])}:")), (number, layer))
                raise _in_layer(*at, error) from None
            except MemoryError as error:
                raise MemoryError(
                    f"layer {number} ({_kind(layer)}), given a batch of shape {x.shape}: {error}"
                ) from None
        return x

    def append(self, layer: Module) -> None:
        """Add a layer at the end."""
        self.layers.append(_checked(layer))

    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __setitem__(self, index: int, layer: Module) -> None:
        self.layers[index] = _checked(layer)

    def shapes(self, shape: Sizes) -> list[Sizes]:
        """The input's shape and the output shape of every layer. Raises ShapeError that names the layer."""
        shapes = [shape]
        for number, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise InputError(
                    f"layer {number} ({type(layer).__name__}) does not tell its output shape; make it a Layer"
                )
            try:
                shapes.append(layer.output_shape(shapes[-1]))
            except ShapeError as error:
                raise _in_layer(number, layer, error) from None
        return shapes

    def output_shape(self, shape: Sizes) -> Sizes:
        """The output shape of the last layer."""
        return self.shapes(shape)[-1]

    def multiply_adds(self, shape: Sizes) -> int:
        """The sum over all layers."""
        shapes = self.shapes(shape)
        return sum(
            layer.multiply_adds(s) for layer, s in zip(self.layers, shapes, strict=False) if isinstance(layer, Layer)
        )

    def receptive_field(self, shape: Sizes, field: ReceptiveField | None = None) -> ReceptiveField:
        """The last layer's receptive field: `net[:4].receptive_field((1, 28, 28)).of((2, 3), (28, 28))`."""
        field = field or ReceptiveField.of_input(len(shape) - 1)
        for layer, at in zip(self.layers, self.shapes(shape), strict=False):
            field = cast(Layer, layer).receptive_field(at, field)
        return field


class Residual(Sequential):
    """x + layers(x), whose shapes must be equal (K. He et al., Deep Residual Learning, 2015)."""

    kind = "residual"

    def forward(self, x: Tensor) -> Tensor:
        """x + layers(x). Raises ShapeError where the layers change the shape."""
        y = super().forward(x)
        if y.shape != x.shape:
            raise ShapeError(_residual_fault(x.shape[1:], y.shape[1:]))
        return x + y

    def output_shape(self, shape: Sizes) -> Sizes:
        """The input's shape, which the layers must keep."""
        inner = super().output_shape(shape)
        if inner != shape:
            raise ShapeError(_residual_fault(shape, inner))
        return shape


def _residual_fault(before: Sizes, after: Sizes) -> str:
    return (
        f"residual: its layers turn an input of shape {before} into {after}, which cannot be added to it. "
        f'Keep channels and sizes, as with padding "same" and stride 1'
    )


def _in_layer(number: int, layer: Module, error: ShapeError) -> ShapeError:
    """The error with the layer's number and kind in front: 'layer 3 (conv2d): what happened'."""
    kind = _kind(layer)
    return ShapeError(f"layer {number} ({kind}): {str(error).removeprefix(f'{kind}: ')}")


def _kind(layer: Module) -> str:
    """What a layer is called in messages."""
    return getattr(layer, "kind", type(layer).__name__)
