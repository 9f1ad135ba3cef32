"""Models of options, read from the signature of what takes them, so that options are written once."""

import inspect
import types
import typing
from collections.abc import Callable, Collection
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from gpucnn.config.vocabulary import MEANINGS, Meaning


class Options(BaseModel):
    """Base of every part of a configuration: no unknown keys, no silent conversions, only finite numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def options_model(
    name: str,
    takes: Callable[..., Any],
    *,
    skip: Collection[str | None] = (),
    base: type[Options] = Options,
    extra: dict[str, Any] | None = None,
) -> type[Options]:
    """The model of the options that `takes` (a class or a function) accepts, without those named in `skip`.

    An option's type and default come from the signature, its range and description from the vocabulary.
    `extra` gives fields, as `create_model` takes them, beside or instead of those. *args are no options.
    """
    hints = typing.get_type_hints(takes.__init__ if inspect.isclass(takes) else takes)
    fields: dict[str, Any] = dict(extra or {})
    for parameter in inspect.signature(takes).parameters.values():
        if (
            parameter.name in fields
            or parameter.name in skip
            or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ):
            continue
        fields[parameter.name] = field(parameter.name, hints[parameter.name], parameter.default)
    model = create_model(name, __base__=base, **fields)
    model.__doc__ = (inspect.getdoc(takes) or name).partition("\n\n")[0]
    return model


def field(name: str, annotation: Any, default: Any) -> Any:
    """A field as `create_model` takes it; `inspect.Parameter.empty` as default makes it required."""
    meaning = MEANINGS.get(name, Meaning({}, ""))
    required = default is inspect.Parameter.empty
    return (
        in_range(annotation, meaning.range),
        Field(default=... if required else default, description=meaning.description or None),
    )


def in_range(annotation: Any, limits: dict[str, Any]) -> Any:
    """The annotation with every `int` and `float` in it limited, those inside unions and tuples too."""
    if annotation in (int, float):
        return Annotated[annotation, Field(**limits)] if limits else annotation
    arguments = tuple(in_range(argument, limits) for argument in typing.get_args(annotation))
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return Union[arguments]  # noqa: UP007  (built from a tuple)
    if origin in (tuple, list):
        return origin[arguments]
    return annotation
