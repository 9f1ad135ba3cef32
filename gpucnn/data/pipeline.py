"""From pictures in files to the network's inputs, and from its outputs to classes.

A run stores one `Pipeline` as pipeline.json. It is derived from the training images once; everything that uses the run
later goes through it, so that a picture is treated as in training.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from gpucnn.data import layouts
from gpucnn.data.centring import centred, ink_of
from gpucnn.data.dataset import MAX_CLASSES, Dataset, checked_names
from gpucnn.data.fingerprint import Fingerprint
from gpucnn.data.image import Background, is_deep, open_picture, pixels_of, upright
from gpucnn.data.kept import Kept
from gpucnn.data.normalize import Normalizer
from gpucnn.data.ranges import BYTE, WORD, PixelRange, Scale, recognise, recognise_pictures
from gpucnn.data.untrusted import MAX_BYTES, naming
from gpucnn.errors import DataError, ShapeError

Ground = Literal["dark", "bright"]
# Of classes; then of several labels, each with a probability of its own; of numbers, which are the answer; of a class
# per pixel; and of pictures, where white is 1.
Outputs = Literal["logits", "log_probabilities", "probabilities", "label_logits", "numbers", "pixel_logits", "pictures"]
Side = Annotated[int, Field(ge=1, le=65536)]

_LOOKED_AT = 2000  # training images whose ground is examined
_AT_ONCE = 64  # of them
_DARK, _BRIGHT = 0.25, 0.75  # of the way from black to white: where the ground of training images ends and begins
_MOST = 0.9  # the share of training images whose ground must be alike
_OPPOSED = 0.5


class Pipeline(Kept):
    """How pictures become inputs of a run's network, and what its outputs mean.

    channels, size: of its images, (H, W); signals have one side, volumes three. pixels: the range of the training
    pixels. ground: what surrounds the objects, where the training images agree. background: what shows through
    transparent parts. invert: whether black and white of files were exchanged for training. transposed: whether the
    training files' rows and columns were. thresholds: of several labels, the probability from which each is given.
    normalization: the file of the normalizer beside pipeline.json. temperature: what scores are divided by before
    softmax, found by `gpucnn eval --calibrate`.
    """

    version: Literal[1] = 1
    channels: Side
    size: Annotated[tuple[Side, ...], Field(min_length=1, max_length=3)]
    pixels: PixelRange
    ground: Ground | None
    background: Background
    invert: bool
    transposed: bool
    class_names: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_CLASSES)]
    outputs: Outputs
    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    normalization: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.safetensors$", max_length=100)]
    fingerprint: Fingerprint
    temperature: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        checked_names(self.class_names)
        several = self.outputs == "label_logits"
        if several != (self.thresholds is not None) or several and len(self.thresholds or ()) != len(self.class_names):
            raise ValueError(f"outputs are {self.outputs}, and thresholds {self.thresholds}")
        if self.channels * math.prod(self.size) * 4 > MAX_BYTES:
            raise ValueError(f"an image of {self.channels} x {self.size} is too large")
        return self

    @classmethod
    def of(
        cls,
        train: Dataset,
        fingerprint: Fingerprint,
        outputs: Outputs,
        *,
        from_files: bool = False,
        background: Background | None = None,
        invert: bool = False,
        transposed: bool = False,
        normalization: str = "normalization.safetensors",
        thresholds: tuple[float, ...] | None = None,
    ) -> Self:
        """Recognise the pipeline of these training images.

        from_files: whether they were read from picture files, whose range is 0 to 255. background: by default black
        where the ground is dark, else white.
        """
        pixels = recognise_pictures(train.images) if from_files else recognise(train.images)
        ground = common_ground(train.images, pixels) if train.images.ndim == 4 and pixels.known else None
        return cls(
            channels=train.image_shape[0],
            size=train.image_shape[1:],
            pixels=pixels,
            ground=ground,
            background=background or ("black" if ground == "dark" else "white"),
            invert=invert,
            transposed=transposed,
            class_names=train.class_names,
            outputs=outputs,
            thresholds=thresholds,
            normalization=normalization,
            fingerprint=fingerprint,
        )

    @property
    def answers_with_maps(self) -> bool:
        """Whether an answer is as large as the image: a class per pixel, or a picture."""
        return self.outputs in ("pixel_logits", "pictures")

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image; of a signal (C, W), of a volume (C, D, H, W)."""
        return self.channels, *self.size

    def images(
        self, pictures: Any, *, invert: bool = False, centre: bool = False, transposed: bool = False
    ) -> np.ndarray:
        """Pictures as images like those of the training, (N, C, H, W), uint8 or float32, before normalisation.

        pictures: the path of a file, a PIL image, or an array of numbers of any type and usual range: (H, W), (H, W, C)
        or (C, H, W) for one picture, (N, H, W), (N, H, W, C) or (N, C, H, W) for several, with 1, 3 or 4 (transparent)
        channels, or as one row (N, C * H * W); or a list of such. They are stretched to the size of the training
        images. invert: exchange black and white (again, where training did). centre: scale and centre what is drawn as
        in MNIST's images, on the ground of the training images, whatever its own. transposed: rows and columns stand
        exchanged, as in EMNIST's own files.

        Raises DataError for ambiguous arrays and for files that are not pictures; OSError.
        """
        read = _Reader(self, transposed, centre)
        images = np.concatenate([read.one(picture) for picture in _each(pictures)])
        if self.invert != invert and not centre:
            images = self.pixels.inverted(images)
        return np.ascontiguousarray(images.swapaxes(2, 3) if transposed else images)

    def size_of(self, picture: Any, *, transposed: bool = False) -> tuple[int, ...]:
        """(H, W) of one picture of any kind that `images` takes, as it is in its file. Raises as `images` does."""
        if isinstance(picture, str | Path):
            picture = open_picture(Path(picture).expanduser())
        if isinstance(picture, Image.Image):
            shown = upright(picture)
            return shown.height, shown.width
        size = self.size[::-1] if transposed else self.size
        return layouts.channels_first(layouts.as_array(picture), (self.channels, *size)).shape[2:]

    def inputs(self, pictures: Any, normalizer: Normalizer, dtype: str = "float32", **options: bool) -> np.ndarray:
        """The network's input, (N, C, H, W) of the floating type `dtype`; `options` as for `images`."""
        return normalizer.apply(self.images(pictures, **options), dtype)

    def check_pictures(self) -> None:
        """Raise DataError unless the network takes pictures as files hold them."""
        if len(self.size) != 2 or self.channels not in (1, 3):
            shape = " x ".join(map(str, self.image_shape))
            raise DataError(
                f"The network was trained on arrays that are not pictures, {shape}; give such arrays from Python "
                "(gpucnn.load(RUN)), or an npz archive of them."
            )

    def opposed(self, images: np.ndarray) -> np.ndarray:
        """Whether the ground of images (N, C, H, W), as from `images`, is bright where training's was dark.

        Or the reverse; (N,) bool, all False where the training images have no common ground.
        """
        if self.ground is None:
            return np.zeros(len(images), bool)
        bright = grounds(images, self.pixels) > _OPPOSED
        return bright if self.ground == "dark" else ~bright

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """The network's outputs (N, K, ...) as probabilities (N, K, ...): softmax unless they are, by `temperature`.

        Raises ShapeError.
        """
        expected = (len(self.class_names), *(self.size if self.answers_with_maps else ()))
        if outputs.shape[1:] != expected:
            raise ShapeError(
                f"the network gave outputs of shape {outputs.shape}; expected (N, {', '.join(map(str, expected))}), "
                "one for each class"
            )
        return as_probabilities(outputs, self.outputs, self.temperature)

    def classes(self, outputs: np.ndarray) -> list[str]:
        """The names of the most probable classes, given outputs (N, K). Raises ShapeError."""
        return [self.class_names[label] for label in self.probabilities(outputs).argmax(axis=1)]


def as_probabilities(outputs: np.ndarray, kind: Outputs, temperature: float = 1.0) -> np.ndarray:
    """A network's outputs (N, K, ...) as probabilities of the same shape: its own, where it gives such, or softmax.

    With another temperature than 1, the softmax of the logits, or of the logarithms of its own, divided by it. Those of
    several labels are the sigmoids; numbers and pictures are returned as they are.
    """
    if temperature != 1:
        with np.errstate(divide="ignore"):  # the logarithm of 0
            scores = np.log(outputs) if kind == "probabilities" else outputs
        return as_probabilities(scores / outputs.dtype.type(temperature), "logits")
    if kind in ("probabilities", "numbers", "pictures"):
        return outputs
    if kind == "label_logits":
        return np.exp(-np.logaddexp(0, -outputs)).astype(outputs.dtype, copy=False)
    if kind == "log_probabilities":
        return np.exp(outputs)
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def blank(images: np.ndarray) -> np.ndarray:
    """Which of images (N, C, H, W) are of one colour throughout, so that nothing is to be seen: (N,) bool."""
    pixels = images.reshape(*images.shape[:2], -1)  # (N, C, H, W) -> (N, C, H*W)
    return (pixels.max(axis=2) == pixels.min(axis=2)).all(axis=1)


def grounds(images: np.ndarray, pixels: PixelRange) -> np.ndarray:
    """The median of every image's border, from black, 0, to white, 1: images (N, C, H, W) -> (N,)."""
    edges = [images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]]
    border = np.concatenate([edge.mean(axis=1, dtype=np.float64) for edge in edges], axis=1)  # (N, 2H + 2W)
    return np.median(pixels.fraction(border), axis=1)


def common_ground(images: np.ndarray, pixels: PixelRange) -> Ground | None:
    """Whether nine in ten training images (N, C, H, W) have a dark ground, or a bright one, or neither."""
    looked_at = np.arange(0, len(images), -(-len(images) // _LOOKED_AT))
    parts = np.array_split(looked_at, -(-len(looked_at) // _AT_ONCE))
    shades = np.concatenate([grounds(images[part], pixels) for part in parts])
    if np.mean(shades < _DARK) >= _MOST:
        return "dark"
    return "bright" if np.mean(shades > _BRIGHT) >= _MOST else None


class _Reader:
    """Converts pictures of any kind to the form of one pipeline; `transposed` exchanges rows and columns.

    `centre`: with what is drawn scaled and centred.
    """

    def __init__(self, pipeline: Pipeline, transposed: bool, centre: bool) -> None:
        self.channels, self.pixels, self.background = pipeline.channels, pipeline.pixels, pipeline.background
        self.check = pipeline.check_pictures
        self.centre, self.bright = centre, pipeline.ground == "bright"
        self.size = pipeline.size[::-1] if transposed else pipeline.size
        if (transposed or centre) and (len(self.size) != 2 or self.channels not in (1, 3)):
            what = "transposed" if transposed else "centred"
            raise DataError(f"Only pictures can be {what}, and images here are {pipeline.image_shape}.")

    def one(self, picture: Any) -> np.ndarray:
        """One picture or array -> (N, C, H, W)."""
        if isinstance(picture, str | Path):
            opened = open_picture(Path(picture).expanduser())
            with naming(picture):
                return self._file(opened)
        return self._file(picture) if isinstance(picture, Image.Image) else self._array(picture)

    def _file(self, picture: Image.Image) -> np.ndarray:
        self.check()
        if self.centre:
            return self._centred(pixels_of(picture, 1, ground=self.background)[0] / 255)[None]
        if is_deep(picture) and self.pixels.scale != BYTE:  # 8 bits would lose what training had
            values = np.asarray(upright(picture))
            between = BYTE.high < self.pixels.high < WORD.high  # 12 bits are stored in files of 16
            return self._colours(values[None, None], None if picture.mode == "F" or between else WORD)
        return self.pixels.fit(self._bytes(picture)[None], BYTE)

    def _bytes(self, picture: Image.Image) -> np.ndarray:
        """A picture of 8 bits -> (C, H, W) uint8."""
        return pixels_of(picture, self.channels, (self.size[0], self.size[1]), ground=self.background)

    def _array(self, given: Any) -> np.ndarray:
        values = layouts.as_array(given)
        values = layouts.channels_first(values, (self.channels, *self.size))
        if not self.centre:
            return self._colours(values, None)
        background = self.pixels.high if self.background == "white" else self.pixels.low
        grey = layouts.with_channels(self.pixels.fit(values), 1, background, self.pixels.fraction)
        return np.stack([self._centred(shades) for shades in self.pixels.fraction(grey[:, 0])])

    def _centred(self, shades: np.ndarray) -> np.ndarray:
        """A grey picture (h, w) from black, 0, to white, 1 -> (C, H, W), what is drawn on it scaled and centred."""
        ink = centred(ink_of(shades), (self.size[0], self.size[1]))
        image = self.pixels.fit(255 - ink if self.bright else ink, BYTE)
        return np.broadcast_to(image, (self.channels, *self.size))

    def _colours(self, values: np.ndarray, scale: Scale | None) -> np.ndarray:
        """Numbers (N, c, h, w) of any range -> (N, C, H, W) in that of the training."""
        if values.shape[1:] == (self.channels, *self.size):
            return self.pixels.fit(values, scale)
        given = self.pixels.fit(values, scale)
        if given.dtype == np.uint8 and self.pixels.scale == BYTE:  # as a file of these pixels is read
            return np.stack([self._bytes(layouts.picture(image)) for image in given])
        background = self.pixels.high if self.background == "white" else self.pixels.low
        coloured = layouts.with_channels(given, self.channels, background, self.pixels.fraction)
        return layouts.resized(coloured, (self.size[0], self.size[1]))


def _each(pictures: Any) -> Iterable[Any]:
    """The pictures given: the items of a list, with arrays of one shape stacked."""
    if not isinstance(pictures, list | tuple):
        return [pictures]
    if not pictures:
        raise DataError("There is no picture in the list; give at least one.")
    if any(isinstance(picture, str | Path | Image.Image) for picture in pictures):
        return pictures
    return _together(pictures)


def _together(arrays: Sequence[Any]) -> Iterable[np.ndarray]:
    values = [layouts.as_array(array) for array in arrays]
    same = len({value.shape for value in values}) == 1
    return [np.stack(values)] if same and values[0].ndim > 0 else values
