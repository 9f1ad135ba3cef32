"""From a picture's numbers to a network's input: the part of a run's pipeline that goes with an exported network."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from gpucnn.data import Normalizer, Pipeline
from gpucnn.data.ranges import BYTE, HIGHEST, Scale
from gpucnn.errors import InputError


@dataclass(frozen=True, eq=False)
class Entry:
    """The numbers taken, (C, H, W) of `dtype` in the range `given`, and what is done to each to normalise it.

    x · gain + offset, rounded where `levels`, taken from `mirror` where the training exchanged black and white, minus
    `shift` times `scale`, which are float32 of shape (1, 1, 1), (C, 1, 1) or (C, H, W).
    """

    shape: tuple[int, ...]
    dtype: Literal["uint8", "float32"]
    given: Scale
    gain: float
    offset: float
    levels: bool
    mirror: float | None
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, pipeline: Pipeline, normalizer: Normalizer, *, bytes_only: bool = False) -> Self:
        """The entry of a run. Pictures of 8 bits are taken as in files, 0 to 255; other numbers as the training's were.

        bytes_only: 8 bits also where the training's pictures had other numbers, fractions of 1 for example. Raises
        InputError where these have no meaning to the network.
        """
        pixels, dtype, given = pipeline.pixels, "float32", pipeline.pixels.scale
        own_bytes = pixels.whole and pixels.low >= 0 and pixels.high <= BYTE.high
        if own_bytes or (bytes_only and pixels.known):
            dtype = "uint8"
            given = BYTE if pixels.known else given
        elif bytes_only:
            raise InputError(
                f"the network was trained on numbers from {pixels.low:g} to {pixels.high:g}, and bytes have no meaning "
                "to it; export it with --onnx"
            )
        gain = (pixels.high - pixels.low) / (given.high - given.low)
        return cls(
            shape=pipeline.image_shape,
            dtype="uint8" if dtype == "uint8" else "float32",
            given=given,
            gain=gain,
            offset=pixels.low - given.low * gain,
            levels=gain != 1 and pixels.whole and pixels.high <= HIGHEST[1],
            mirror=pixels.low + pixels.high if pipeline.invert else None,
            shift=normalizer.shift.astype(np.float32),
            scale=normalizer.scale.astype(np.float32),
        )

    def apply(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures (N, C, H, W) of the type and range taken as the network's inputs, float32."""
        x = pictures * np.float32(self.gain) + np.float32(self.offset)
        x = np.rint(x) if self.levels else x
        x = x if self.mirror is None else np.float32(self.mirror) - x
        return ((x - self.shift) * self.scale).astype(np.float32)
