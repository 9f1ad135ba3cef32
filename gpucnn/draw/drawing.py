"""Drawings in JSON, as the page sends them, checked."""

import base64
import json
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from gpucnn.errors import DataError

LONGEST = 512  # pixels of a side
MAX_BYTES = 2**19  # of a drawing in JSON: LONGEST² bytes in base64, and the words around them


@dataclass(frozen=True, eq=False)
class Drawing:
    """Ink (h, w), uint8, 0 for none; and how to turn it into an image.

    centre: scale and centre it as MNIST's images were, else take it whole. invert: exchange black and white afterwards.
    """

    ink: np.ndarray
    centre: bool
    invert: bool


def parse(body: bytes) -> Drawing:
    """The drawing in {"height": h, "width": w, "ink": base64 of h·w bytes, "centre": bool, "invert": bool}.

    Raises DataError where it is anything else.
    """
    try:
        fields = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise DataError("the body is not JSON") from None
    if not isinstance(fields, dict) or fields.keys() != {"height", "width", "ink", "centre", "invert"}:
        raise DataError("expected an object with height, width, ink, centre and invert, and nothing else")
    for name in ("centre", "invert"):
        if not isinstance(fields[name], bool):
            raise DataError(f"{name} is neither true nor false")
    shape = _side(fields, "height"), _side(fields, "width")
    return Drawing(_pixels(fields["ink"], shape), fields["centre"], fields["invert"])


def _side(fields: dict[str, Any], name: str) -> int:
    value = fields[name]
    if type(value) is not int or not 1 <= value <= LONGEST:
        raise DataError(f"{name} is not a whole number from 1 to {LONGEST}")
    return value


def _pixels(ink: Any, shape: tuple[int, int]) -> np.ndarray:
    try:
        content = base64.b64decode(ink, validate=True)
    except (ValueError, TypeError):
        raise DataError("ink is not base64") from None
    if len(content) != shape[0] * shape[1]:
        raise DataError(f"ink holds {len(content)} bytes; expected {shape[0]} x {shape[1]}")
    return np.frombuffer(content, np.uint8).reshape(shape)  # (h·w,) -> (h, w)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
