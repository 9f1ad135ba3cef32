"""The `model:` part of the YAML: one entry per layer, each with the options of the layer's constructor."""

from collections.abc import Iterator, Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, model_serializer, model_validator

from gpucnn import nn
from gpucnn.config.from_signature import Options, field, options_model


class OneLayer(Options):
    """A layer: its name, and under it its options."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "OneLayer":
        if len(self.model_fields_set) != 1:
            given = ", ".join(sorted(self.model_fields_set)) or "none"
            raise ValueError(f"given {given}, expected one layer; begin each layer on its own line with '- '")
        return self

    @property
    def name(self) -> str:
        """The layer's name in `nn.LAYERS`."""
        return next(iter(self.model_fields_set))

    @property
    def options(self) -> Any:
        """The layer's options; a list of layers for `residual`."""
        return getattr(self, self.name)

    @model_serializer
    def _as_written(self) -> Any:
        """`relu` where there is nothing to choose, else `{conv2d: {...}}`."""
        return {self.name: self.options} if has_options(self.name) else self.name


def layer_model() -> type[OneLayer]:
    """OneLayer with a field for each of `nn.LAYERS`."""
    fields: dict[str, Any] = {
        name: (_layer_options(name, layer), Field(default=None))
        for name, layer in nn.LAYERS.items()
        if layer is not nn.Residual
    }
    nested = Field(default=None, min_length=1, description="Layers whose output is added to their input.")
    fields["residual"] = (GenericAlias(list, ("Layer",)), nested)
    return create_model("Layer", __base__=OneLayer, __module__=__name__, **fields)


def _layer_options(name: str, layer: type[nn.Layer]) -> type[Options]:
    """What a layer's constructor takes, and behind it `lr_scale` where the layer has parameters.

    These are the layers of which a size is inferred: that of their parameters.
    """
    if layer.inferred is None:
        return options_model(name, layer)
    options = options_model(name, layer, skip=(layer.inferred,))
    return create_model(name, __base__=options, __doc__=options.__doc__, lr_scale=field("lr_scale", float, 1.0))


def lr_scales(entries: Sequence[OneLayer], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The layers' names in the network, such as `0`, and `3.1` inside a residual block, each with its `lr_scale`."""
    for number, entry in enumerate(entries):
        name = f"{prefix}{number}"
        if entry.name == "residual":
            yield from lr_scales(entry.options, f"{name}.")
        else:
            yield name, getattr(entry.options, "lr_scale", 1.0)


def options_of(name: str) -> Any:
    """The type of a layer's options."""
    return Layer.model_fields[name].annotation


def has_options(name: str) -> bool:
    """Whether there is anything to choose about a layer."""
    return name == "residual" or bool(options_of(name).model_fields)


def needs_options(name: str) -> bool:
    """Whether a layer cannot be written as just its name."""
    return name == "residual" or any(field.is_required() for field in options_of(name).model_fields.values())


def written_out(entries: Any) -> Any:
    """The entries of `model:` with `relu` and `{relu: null}` written as `{relu: {}}`, in nested lists too.

    Anything that is not such an entry is left for the schema to refuse.
    """
    if not isinstance(entries, list):
        return entries
    return [_entry_written_out(entry) for entry in entries]


def _entry_written_out(entry: Any) -> Any:
    if isinstance(entry, str):
        return {entry: {}}
    if not isinstance(entry, dict):
        return entry
    return {
        name: written_out(options) if name == "residual" else {} if options is None else options
        for name, options in entry.items()
    }


if TYPE_CHECKING:
    Layer = OneLayer
else:
    Layer = layer_model()
    Layer.model_rebuild()
