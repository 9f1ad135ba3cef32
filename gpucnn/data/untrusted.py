"""Reading untrusted files, plain or gzip: damage raises DataError, and every read is bounded."""

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from gpucnn.errors import DataError

MAX_BYTES = 2**31  # of one file, unpacked: ten times CIFAR-10; data of this framework's size stays in memory
_PIECE = 2**20  # bytes read at a time


@contextlib.contextmanager
def open_data(path: Path | str) -> Iterator[IO[bytes]]:
    """Open `path` for reading, through gzip if its first bytes are gzip's, whatever its name.

    Raises DataError for a damaged or truncated gzip stream, also while the file is read inside the `with`,
    and for anything but a regular file; OSError where it cannot be opened.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is not a file but a folder or a device; name a file.")
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
        except EOFError:
            raise DataError(f"{path}: the gzip stream ends early, so the file is truncated. Fetch it again.") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path}: the gzip stream is damaged ({error}). Fetch it again.") from None


def read_up_to(file: IO[bytes], limit: int) -> bytearray:
    """At most `limit` bytes of the file, read in pieces: a single read would allocate `limit` bytes first."""
    content = bytearray()
    while piece := file.read(min(_PIECE, limit - len(content))):
        content += piece
    return content


@contextlib.contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Prefix every DataError raised inside the block with the file's name."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def check_size(path: Path | str, size: int) -> None:
    """Raise DataError if `size`, in bytes, exceeds MAX_BYTES; called before reading."""
    if size > MAX_BYTES:
        raise DataError(
            f"{path}: unpacked it would take {size:,} bytes, and at most {MAX_BYTES:,} are read. "
            "It is damaged, or too large: only folders of pictures and uncompressed npz archives may be so large."
        )
