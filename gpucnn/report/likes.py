"""What the channels of convolutions like, as a page draws it: the patches that excite them most, and one made to."""

import math
from typing import Any

import numpy as np

from gpucnn.data import Dataset
from gpucnn.explain.layers import LayerFacts
from gpucnn.explain.units import STEPS, Excitement, ascended, convolutions_of, exciting
from gpucnn.geometry import ReceptiveField
from gpucnn.report.pixels import THUMBNAIL, Viewer, packed
from gpucnn.report.series import rounded
from gpucnn.report.subject import Subject

BYTES = 300_000  # of the pictures of all layers
MOST_LAYERS, MOST_CHANNELS, PATCHES = 6, 16, 6
LOOKED_AT = 2000  # test images, evenly spread
MOST_WORK = 10_000_000_000  # multiply-adds of the ascent, in which a step costs three runs of the network


def likes_inside(subject: Subject, test: Dataset, viewer: Viewer) -> dict[str, Any] | None:
    """Of some channels of the convolutions, what excites them; None where there is no convolution, or no room."""
    every = list(convolutions_of(subject.net, subject.image_shape).values())
    spread = np.linspace(0, len(every) - 1, min(len(every), MOST_LAYERS)).astype(np.int64)
    numbers = np.arange(0, len(test), -(-len(test) // LOOKED_AT))
    room, chosen = BYTES // max(1, len(spread)), [every[place] for place in spread.tolist()]
    names = [facts.name for facts in chosen]
    found = exciting(subject.net, subject.normalizer, test.images[numbers], names, PATCHES) if names else []
    layers = [_layer(subject, *each, numbers, viewer, room) for each in zip(chosen, found, strict=True)]
    shown = [layer for layer in layers if layer is not None]
    return {"looked_at": len(numbers), "of": len(test), "layers": shown} if shown else None


def _layer(
    subject: Subject, facts: LayerFacts, found: Excitement, numbers: np.ndarray, viewer: Viewer, room: int
) -> dict[str, Any] | None:
    """One convolution's channels, as many as fit into `room` bytes; found: among the test images of these `numbers`."""
    patches = [patch(viewer, numbers[found.images[0, 0]], found.units[0, 0], facts.field)]
    channels = np.arange(min(MOST_CHANNELS, facts.output[0], room // ((PATCHES + 1) * patches[0].size)))
    if not len(channels):
        return None
    patches = [
        patch(viewer, numbers[found.images[channel, place]], found.units[channel, place], facts.field)
        for channel in channels
        for place in range(found.images.shape[1])
    ]
    return {
        "name": facts.name,
        "kind": facts.layer.kind,
        "of": facts.output[0],
        "patches": packed(np.stack(patches)),
        "images": numbers[found.images[channels]].tolist(),
        "values": [rounded(values) for values in found.values[channels]],
        "made": _made(subject, facts, channels, viewer),
    }


def _made(subject: Subject, facts: LayerFacts, channels: np.ndarray, viewer: Viewer) -> dict[str, Any] | None:
    """What the unit amid each channel's map sees of a picture made to excite it; None where that would take long."""
    if len(channels) * STEPS * 3 * subject.net.multiply_adds(subject.image_shape) > MOST_WORK:
        return None
    limits = viewer.low, viewer.high
    made = ascended(subject.net, subject.normalizer, subject.image_shape, facts.name, limits, channels)
    shown = viewer.of(made.round().astype(np.uint8) if viewer.images.dtype == np.uint8 else made)
    amid = np.array(facts.output[1:]) // 2
    return packed(np.stack([patch(shown, each, amid, facts.field) for each in range(len(channels))]))


def patch(viewer: Viewer, image: int, unit: np.ndarray, field: ReceptiveField) -> np.ndarray:
    """What a unit sees of an image, (K, D, H, W) uint8, black beyond its border; all of it where the field is larger.

    Large ones are made smaller by leaving out pixels.
    """
    whole = viewer.view(np.array([image]))[0]  # (K, D, H, W)
    for axis, (size, jump, start, place) in enumerate(
        zip(field.pixels, field.jump, field.start, unit.tolist(), strict=True), start=4 - len(field.size)
    ):
        side = whole.shape[axis]
        if size < side:
            first = math.ceil(start + place * jump)
            border = [(size, size) if each == axis else (0, 0) for each in range(4)]
            whole = np.pad(whole, border).take(np.arange(first, first + size) + size, axis=axis, mode="clip")
        whole = whole.take(np.arange(0, whole.shape[axis], -(-whole.shape[axis] // THUMBNAIL)), axis=axis)
    return whole
