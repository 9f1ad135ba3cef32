"""Atomic writes: a file is complete or absent, even if the program is interrupted."""

import contextlib
import os
import secrets
from pathlib import Path


def atomic_write(path: Path | str, data: bytes, keep: Path | None = None) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part of it.

    The bytes are written to a new file in the same folder and flushed to disk; then it is renamed to `path`. With
    `keep`, a path in the same folder, the old file is renamed to it just before: in between there is only the old file,
    under that name. Raises OSError (a full disk, a folder without write permission); the new file is then removed.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        beside.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)  # otherwise the new file's name, or None
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Flush `folder` to disk, so that a rename inside it survives a power failure. Windows opens no folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
