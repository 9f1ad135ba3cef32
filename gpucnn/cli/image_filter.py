"""`gpucnn filter`: filter a picture with a fixed kernel."""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from gpucnn import Tensor, filters, no_grad
from gpucnn.cli.table import by
from gpucnn.config.faults import did_you_mean
from gpucnn.data.image import read_channels, read_image
from gpucnn.data.untrusted import naming, open_data, read_up_to
from gpucnn.errors import DataError, InputError
from gpucnn.files import atomic_write

MAX_KERNEL_BYTES = 2**16


def run(arguments: argparse.Namespace) -> None:
    """Write the filtered picture, of the same size, and print where. Raises InputError, OSError."""
    kernel = read_kernel(arguments.kernel)
    pixels = read_image(arguments.image, read_channels(arguments.image))
    target = checked_target(arguments.out or default_target(arguments.image, arguments.kernel))
    convolve = filters.summed if arguments.summed else filters.per_channel
    with no_grad():
        filtered = convolve(Tensor(pixels[None].astype(np.float32)), kernel, arguments.border)
    values = np.rint(filtered.numpy()[0])  # (C, H, W)
    atomic_write(target, as_png(values))
    cut = np.mean((values < 0) | (values > 255))
    beyond = f", {cut:.1%} of it beyond black or white and cut off there" if cut else ""
    print(f"{target}: {by(values.shape)}{beyond}")


def read_kernel(name: str) -> np.ndarray:
    """The fixed kernel of that name, else the one in the file of that name. Raises DataError, OSError."""
    if name in filters.KERNELS:
        return filters.KERNELS[name]
    if not Path(name).exists():
        raise InputError(
            f"--kernel {name}: no such file, and no kernel of that name; {did_you_mean(name, filters.KERNELS)}"
        )
    with naming(name):
        with open_data(name) as file:
            content = read_up_to(file, MAX_KERNEL_BYTES + 1)
        if len(content) > MAX_KERNEL_BYTES:
            raise DataError(f"it is larger than {MAX_KERNEL_BYTES:,} bytes; a kernel is a few rows of numbers.")
        try:
            return filters.parse_kernel(content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise DataError("it is not text; write one row of the kernel per line, as in `0 1 0`.") from None


def default_target(image: str, kernel: str) -> Path:
    """The default path, beside the picture: cat-blur.png for cat.jpg and blur."""
    return Path(image).with_name(f"{Path(image).stem}-{Path(kernel).stem}.png")


def checked_target(path: Path | str) -> Path:
    """The path of the output. Raises InputError, before any work, unless it is a PNG in an existing folder."""
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise InputError(f"--out {target}: the picture is written as PNG; give a name that ends in .png")
    if not target.parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.parent}; make it, or give another --out")
    return target


def as_png(values: np.ndarray) -> bytes:
    """Values (1 or 3, H, W) as the bytes of a PNG, clipped to 0..255."""
    pixels = values.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)  # (C, H, W) -> (H, W, C)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()
