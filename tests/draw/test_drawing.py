"""What the page sends, and what it may not."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from gpucnn.draw.drawing import LONGEST, MAX_BYTES, parse
from gpucnn.errors import DataError

INK = bytes(range(6))


def body(**changes: Any) -> bytes:
    """A drawing of 2 x 3 pixels, some of it changed; what is None is left out."""
    fields = {"height": 2, "width": 3, "ink": base64.b64encode(INK).decode(), "centre": True, "invert": False}
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not None}).encode()


def test_a_drawing() -> None:
    drawing = parse(body(invert=True))
    assert drawing.ink.tolist() == [[0, 1, 2], [3, 4, 5]] and drawing.ink.dtype == np.uint8
    assert drawing.centre is True and drawing.invert is True


def test_the_largest_drawing_fits() -> None:
    ink = base64.b64encode(bytes(LONGEST * LONGEST)).decode()
    largest = body(height=LONGEST, width=LONGEST, ink=ink)
    assert len(largest) <= MAX_BYTES and parse(largest).ink.shape == (LONGEST, LONGEST)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe{}", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (body().replace(b"2", b"NaN"), "the body is not JSON"),
        (body().replace(b"2", b"Infinity"), "the body is not JSON"),
        (body().replace(b"2", b"9" * 5000), "the body is not JSON"),
        (b"[]", "expected an object with height"),
        (b"null", "expected an object with height"),
        (body(ink=None), "expected an object with height"),
        (body(more=1), "expected an object with height"),
        (body(height=0), f"height is not a whole number from 1 to {LONGEST}"),
        (body(height=-2), "height is not a whole number"),
        (body(height=2.0), "height is not a whole number"),
        (body(height=True), "height is not a whole number"),
        (body(width="3"), "width is not a whole number"),
        (body(width=LONGEST + 1), "width is not a whole number"),
        (body(height=3), "ink holds 6 bytes; expected 3 x 3"),
        (body(ink=""), "ink holds 0 bytes; expected 2 x 3"),
        (body(ink="AAEC*AwQF"), "ink is not base64"),
        (body(ink="AAECAwQ"), "ink is not base64"),
        (body(ink="ÄÄÄÄ"), "ink is not base64"),
        (body(ink=[1, 2]), "ink is not base64"),
        (body(centre=1), "centre is neither true nor false"),
        (body(invert="no"), "invert is neither true nor false"),
    ],
)
def test_what_is_no_drawing(given: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse(given)
