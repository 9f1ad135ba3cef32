"""Verified downloads from mirrors into a folder; a file is complete or absent."""

import errno
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpucnn.errors import DataError

CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0  # without a single byte
_CHUNK = 2**16
MOST_BYTES = 2**32  # of a file: far more than any here has


class DownloadError(DataError):
    """A data set is not on disk, and no mirror gave it."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file: name, size in bytes (None where it is unknown), SHA-256 in hexadecimal."""

    name: str
    size: int | None
    sha256: str


def data_folder() -> Path:
    """The folder of the data sets: GPUCNN_DATA_DIR, by default "gpucnn" in the user's cache folder."""
    named = os.environ.get("GPUCNN_DATA_DIR")
    if named:
        return Path(named).expanduser()
    import pooch  # takes a tenth of a second to import

    return Path(pooch.os_cache("gpucnn"))


def fetch(files: Sequence[RemoteFile], mirrors: Sequence[str], folder: Path) -> None:
    """Download `files` into `folder` from the first of `mirrors` (URLs that end in /) that serves them correctly.

    Every mirror is tried once; files already downloaded are not requested again. A file gets its name once its size
    and checksum are verified. Raises DownloadError with the cause of each mirror; OSError for a full disk.
    """
    _make_folder(folder)
    left = list(files)
    causes = []
    for mirror in mirrors:
        try:
            while left:
                _fetch_one(left[0], mirror, folder)
                left.pop(0)
            return
        except _MirrorError as error:
            causes.append(f"{mirror}{left[0].name}: {error}")
    raise DownloadError(
        f"{left[0].name} is not in {folder} and no mirror gave it:\n  " + "\n  ".join(causes) + "\n"
        f"Put the file there yourself, or set GPUCNN_DATA_DIR to the folder that holds {folder.name}/."
    )


class _MirrorError(Exception):
    """The cause why a mirror failed."""


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise DownloadError(
            f"Downloads cannot be kept: {error}. Set GPUCNN_DATA_DIR to a folder to write to."
        ) from None


def _fetch_one(remote: RemoteFile, mirror: str, folder: Path) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)  # the progress bar suffices

    def download(url: str, path: str, _: object) -> None:
        _stream(url, Path(path), remote.size)

    try:
        # Into a temporary file in `folder`, renamed when the checksum is right and removed otherwise.
        pooch.retrieve(mirror + remote.name, f"sha256:{remote.sha256}", remote.name, folder, downloader=download)
    except requests.ConnectTimeout:
        raise _MirrorError(f"no connection within {CONNECT_SECONDS:.0f} s") from None
    except requests.RequestException as error:  # an answer of 404 or 503, a connection refused or cut off
        raise _MirrorError(_innermost(error)) from None
    except ValueError:
        raise _MirrorError("it sent other bytes than the published file (SHA-256 differs)") from None


def _stream(url: str, path: Path, size: int | None) -> None:
    """Download `url` to `path`. Raises _MirrorError if it sends more than `size` bytes, or than MOST_BYTES."""
    import requests
    from tqdm import tqdm

    with (
        requests.get(
            url,
            stream=True,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            headers={"Accept-Encoding": "identity"},  # the bytes of the file, not of some packing of it
        ) as response,
        path.open("wb") as file,
        tqdm(desc=url.rsplit("/", 1)[-1], total=size, unit="B", unit_scale=True, disable=None) as progress,
    ):
        response.raise_for_status()
        for chunk in response.iter_content(_CHUNK):
            if size is not None and file.tell() + len(chunk) > size:
                raise _MirrorError(f"it sent more than the {size:,} bytes the file has")
            if file.tell() + len(chunk) > MOST_BYTES:
                raise _MirrorError(f"it sent more than {MOST_BYTES:,} bytes")
            file.write(chunk)
            progress.update(len(chunk))


def _innermost(error: BaseException) -> str:
    """The cause at the bottom of requests' and urllib3's wrappings, in one line."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return " ".join(str(error).split()) or type(error).__name__
