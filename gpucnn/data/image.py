"""One picture from a file, of any size and mode, as the array a network takes."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from gpucnn.data.untrusted import open_data, read_up_to
from gpucnn.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
MAX_FILE_BYTES = 2**28
MAX_PIXELS = 2**26  # 67 million; unpacked, a picture of that size takes a quarter of a gigabyte

Background = Literal["white", "black"]

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
    background: Background = "white",
) -> np.ndarray:
    """Read a PNG, JPEG, BMP, GIF or WebP file as uint8 (C, H, W).

    channels: 1 (grey, ITU-R 601 luma) or 3 (RGB). size: (H, W) to stretch it to (antialiased bilinear), or
    None to keep its own. Transparent parts show `background`; EXIF orientation is applied; 16-bit grey is
    brought to 8 bits; `invert` exchanges black and white. Raises DataError for what is no readable picture.
    """
    if channels not in (1, 3):
        raise DataError(f"channels is {channels}; pictures are read with 1 (grey) or 3 (RGB).")
    with _opened(path) as picture:
        try:
            upright = ImageOps.exif_transpose(picture)
            plain = _plain(upright, "L" if channels == 1 else "RGB", background)
        except _DAMAGE as error:
            raise DataError(f"{path}: the picture is damaged or truncated ({error}). Give another copy.") from None
    if size is not None:
        plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(plain).reshape(plain.height, plain.width, channels)
    if invert:
        pixels = 255 - pixels
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))  # (H, W, C) -> (C, H, W)


def read_size(path: Path | str) -> tuple[int, int]:
    """(H, W) of a picture as it is shown, from its header. Raises DataError as `read_image` does."""
    with _opened(path) as picture:
        try:
            turned = picture.getexif().get(0x0112, 1) in (
                5,
                6,
                7,
                8,
            )  # EXIF orientations that exchange the sides
        except _DAMAGE as error:
            raise DataError(f"{path}: the picture is damaged ({error}).") from None
        width, height = picture.size
    return (width, height) if turned else (height, width)


def read_channels(path: Path | str) -> int:
    """1 for a picture that its header calls grey, 3 for any other. Raises DataError as `read_image` does."""
    mode = _opened(path).mode
    return 1 if mode.startswith("I") or mode in ("1", "L", "LA") else 3


def _opened(path: Path | str) -> Image.Image:
    """The picture with its header read and its pixels not yet unpacked."""
    with open_data(path) as file:
        content = read_up_to(file, MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise DataError(f"{path}: the file is larger than {MAX_FILE_BYTES:,} bytes.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the check below is stricter
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


def _plain(picture: Image.Image, mode: str, background: Background) -> Image.Image:
    """The picture in `mode` (L or RGB), without transparency or palette."""
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255 instead of scaling
        wide = np.asarray(picture).astype(np.int64)
        picture = Image.fromarray(((wide.clip(0, 65535) + 128) // 257).astype(np.uint8))
    if picture.has_transparency_data:
        shown = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", shown.size, background), shown)
    return picture.convert(mode)
