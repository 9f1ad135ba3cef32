"""Reading a picture file, of any size and colour mode, as an array."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from gpucnn.data.untrusted import naming, open_data, read_up_to
from gpucnn.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # PPM: PGM and PBM too
MAX_FILE_BYTES = 2**28
MAX_PIXELS = 2**26  # 67 million; unpacked, a picture of that size takes a quarter of a gigabyte

_ORIENTATION = 0x0112  # in EXIF
_ON_ITS_SIDE = (5, 6, 7, 8)  # orientations that exchange the sides

Background = Literal["white", "black"]  # what shows through transparent parts

# What Pillow raises for files that are damaged, hostile or no pictures.
_DAMAGE = (
    OSError, ValueError, TypeError, SyntaxError, EOFError, IndexError, KeyError, OverflowError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip


def read_image(
    path: Path | str,
    channels: int,
    size: tuple[int, int] | None = None,
    invert: bool = False,
    ground: Background = "white",
) -> np.ndarray:
    """Read a picture file of any of `FORMATS` as uint8 (C, H, W).

    channels: 1 (grey, ITU-R 601 luma) or 3 (RGB). size: (H, W) to stretch it to (antialiased bilinear), or
    None to keep its own. Transparent parts show `ground`; EXIF orientation is applied; 16-bit grey is
    brought to 8 bits; `invert` exchanges black and white. Raises DataError if the file is not a readable picture.
    """
    picture = open_picture(path)
    with naming(path):
        return pixels_of(picture, channels, size, invert, ground)


def pixels_of(
    picture: Image.Image,
    channels: int,
    size: tuple[int, int] | None = None,
    invert: bool = False,
    ground: Background = "white",
) -> np.ndarray:
    """The pixels of an opened picture, as `read_image` gives them. Raises DataError where it is damaged."""
    if channels not in (1, 3):
        raise DataError(f"channels is {channels}; pictures are read with 1 (grey) or 3 (RGB).")
    opaque = _opaque(upright(picture), "L" if channels == 1 else "RGB", ground)
    if size is not None:
        opaque = opaque.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(opaque).reshape(opaque.height, opaque.width, channels)
    if invert:
        pixels = 255 - pixels
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))  # (H, W, C) -> (C, H, W)


def upright(picture: Image.Image) -> Image.Image:
    """The decoded picture, turned as its EXIF orientation requires. Raises DataError if it is damaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damage that it tolerates
        try:
            return ImageOps.exif_transpose(picture)
        except _DAMAGE as error:
            raise DataError(f"the picture is damaged or truncated ({error}). Give another copy.") from None


def read_size(path: Path | str) -> tuple[int, int]:
    """(H, W) of a picture as displayed, from its header. Raises DataError as `read_image` does."""
    picture = open_picture(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            turned = picture.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
        except _DAMAGE as error:
            raise DataError(f"{path}: the picture is damaged ({error}).") from None
    width, height = picture.size
    return (width, height) if turned else (height, width)


def read_channels(path: Path | str) -> int:
    """1 if the picture's header declares it grey, else 3. Raises DataError as `read_image` does."""
    mode = open_picture(path).mode
    return 1 if mode.startswith("I") or mode in ("1", "L", "LA", "F") else 3


def open_picture(path: Path | str) -> Image.Image:
    """Open a picture and read its header; the pixels are not decoded yet.

    Raises DataError if it is not a picture or too large; OSError where reading fails.
    """
    with open_data(path) as file:
        content = read_up_to(file, MAX_FILE_BYTES + 1)
    if not content:
        raise DataError(f"{path} is empty (0 bytes). Give another copy, or remove it.")
    if len(content) > MAX_FILE_BYTES:
        raise DataError(f"{path}: the file is larger than {MAX_FILE_BYTES:,} bytes.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large pictures, against which the check below is stricter, and of damage
        try:
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
        except Image.UnidentifiedImageError:
            raise DataError(f"{path} is not a picture; expected one of {', '.join(FORMATS)}.") from None
        except Image.DecompressionBombError as error:
            raise DataError(f"{path}: the picture is too large to unpack ({error}). Give a smaller one.") from None
        except _DAMAGE as error:
            raise DataError(f"{path}: the picture is damaged ({error}).") from None
    if picture.width * picture.height > MAX_PIXELS:
        raise DataError(
            f"{path}: the picture is too large to unpack: {picture.width} x {picture.height} pixels, "
            f"and at most {MAX_PIXELS:,} are read. Give a smaller one."
        )
    return picture


def is_deep(picture: Image.Image) -> bool:
    """Whether the grey values of a picture have more than 8 bits."""
    return picture.mode.startswith("I") or picture.mode == "F"


def _opaque(picture: Image.Image, mode: str, ground: Background) -> Image.Image:
    """The picture in `mode` (L or RGB), without transparency or palette. Raises DataError for unknown colours."""
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255 instead of scaling
        wide = np.asarray(picture).astype(np.int64)
        picture = Image.fromarray(((wide.clip(0, 65535) + 128) // 257).astype(np.uint8))
    elif picture.mode == "F":
        picture = Image.fromarray(_whole(np.asarray(picture)))
    try:
        if picture.has_transparency_data:
            shown = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", shown.size, ground), shown)
        return picture.convert("RGB").convert(mode) if picture.mode == "LAB" else picture.convert(mode)
    except _DAMAGE as error:
        raise DataError(f"its colours cannot be read ({error}). Save it as PNG or JPEG.") from None


def _whole(values: np.ndarray) -> np.ndarray:
    """Grey values that a file holds as floats -> uint8: those of 0..1 stretched to 0..255."""
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
        raise DataError("its pixels are floating-point numbers beyond 0 to 255. Save it with 8 bits a pixel.")
    return np.rint(values * 255 if values.max() <= 1 else values).astype(np.uint8)
