"""Data files that are damaged, of another kind than named, or made to exhaust whoever reads them."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.files import idx_bytes

Content = str | bytes | Callable[[], bytes]  # a function, where the bytes are many

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.arange(20) % 10
IDX_IMAGES, IDX_LABELS = "data/train-images-idx3-ubyte", "data/train-labels-idx1-ubyte"


def write_files(folder: Path, files: Mapping[str, Content | None]) -> None:
    """Write files by their paths below `folder`; those that are None are left out."""
    for name, content in files.items():
        if content is None:
            continue
        data = content() if callable(content) else content
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


# --- IDX and gzip -----------------------------------------------------------------------------------------------------


def idx(**changes: Content | None) -> dict[str, Content | None]:
    """The four files of an IDX data set, the training images or labels exchanged for something else."""
    return {
        IDX_IMAGES: changes.get("images", idx_bytes(PIXELS)),
        IDX_LABELS: changes.get("labels", idx_bytes(LABELS)),
        "data/t10k-images-idx3-ubyte": idx_bytes(PIXELS),
        "data/t10k-labels-idx1-ubyte": idx_bytes(LABELS),
    }


def gzip_bomb(beginning: bytes, filling: bytes = b"\0", size: int = 2**28) -> Callable[[], bytes]:
    """A gzip file of a thousandth of `size` that unpacks to `beginning` and `size` bytes of `filling`."""
    return lambda: gzip.compress(beginning + filling * (size // len(filling)), compresslevel=1)


# --- CSV --------------------------------------------------------------------------------------------------------------


def csv_line(label: object, pixel: object = 1, pixels: int = 784) -> str:
    return ",".join(map(str, [label, *[pixel] * pixels])) + "\n"


CSV = "".join(csv_line(label) for label in LABELS)


# --- npz --------------------------------------------------------------------------------------------------------------


def npz(**changes: np.ndarray) -> bytes:
    """An archive with Keras's names, some of its arrays exchanged."""
    arrays = {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS, "y_test": LABELS, **changes}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def npz_announcing(shape: tuple[int, ...], size: int) -> bytes:
    """An archive whose images are `size` bytes of zeros, packed, and say they had `shape`."""
    header, labels, file = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    np.save(labels, LABELS)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x_train.npy", header.getvalue() + bytes(size))
        archive.writestr("y_train.npy", labels.getvalue())
    return file.getvalue()


# --- pictures ---------------------------------------------------------------------------------------------------------


def png(width: int = 20, height: int = 20) -> bytes:
    """A picture of noise, which does not pack well, so that half of the file is half of the pixels."""
    file = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(noise).save(file, "png")
    return file.getvalue()


def png_announcing(width: int, height: int, text: bytes = b"") -> bytes:
    """A grey PNG whose header says `width` and `height`, whatever follows; `text` goes in packed."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    packed = chunk(b"zTXt", b"note\0\0" + zlib.compress(text, 1)) if text else b""
    return b"\x89PNG\r\n\x1a\n" + header + packed + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def pictures(**changes: Content | None) -> dict[str, Content | None]:
    """A folder of two classes with five pictures each; `changes` name a class, an underscore and a picture's number."""
    files: dict[str, Content | None] = {f"data/{name}/{number}.png": png() for name in "ab" for number in range(5)}
    return files | {f"data/{name.replace('_', '/')}.png": content for name, content in changes.items()}
