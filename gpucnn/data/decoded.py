"""Pictures decoded by several threads, kept in a file for the next time, and read from it where memory is too small."""

import contextlib
import hashlib
import math
import os
import secrets
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import PIL

from gpucnn.data.room import cache_folder, image_memory
from gpucnn.data.stored import Rows, Stored
from gpucnn.errors import DataError
from gpucnn.threads import thread_count

WORTH_KEEPING = 2000  # pictures; fewer are decoded in a moment
_AT_ONCE = 32  # pictures that a thread decodes before it takes others
_PIECE = 2**24  # bytes decoded at a time where they go to a file
_VERSION = 1  # of the files of decoded pictures

ReadPicture = Callable[[Path], np.ndarray]  # the picture of a file, (C, H, W) uint8


class Pictures:
    """The pictures of files, decoded by threads, all of the shape (C, H, W)."""

    def __init__(self, files: Sequence[Path], shape: tuple[int, ...], read: ReadPicture) -> None:
        self.files, self.shape, self._read = files, shape, read

    @property
    def nbytes(self) -> int:
        """The bytes that they take when decoded."""
        return len(self.files) * math.prod(self.shape)

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """The pictures of these numbers, (n, C, H, W) uint8. Raises DataError for those of another size; OSError."""
        images = np.empty((len(numbers), *self.shape), np.uint8)
        starts = range(0, len(numbers), _AT_ONCE)

        def decode(start: int) -> None:
            for place in range(start, min(start + _AT_ONCE, len(numbers))):
                images[place] = self._checked(self.files[numbers[place]])

        with _in_threads(min(thread_count(), len(starts))) as pool:
            for _ in pool.map(decode, starts):  # raises the first error
                pass
        return images

    def _checked(self, file: Path) -> np.ndarray:
        pixels = self._read(file)
        if pixels.shape != self.shape:
            raise DataError(
                f"{file} is {pixels.shape[1]} x {pixels.shape[2]} (H x W), but the first picture is "
                f"{self.shape[1]} x {self.shape[2]}. Give size: a number or [H, W], and all are stretched to it."
            )
        return pixels


@contextlib.contextmanager
def _in_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that drops what is left to do when an error ends the block.

    Reading a picture silences Pillow's warnings by `catch_warnings`, which threads would undo for each other.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pool = ThreadPoolExecutor(count)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def decode(pictures: Pictures, options: str, where: Path, keep: bool) -> tuple[np.ndarray, list[str]]:
    """The pictures (N, C, H, W) uint8, and a line on what was kept of them.

    More than `WORTH_KEEPING` are decoded once and kept in `cache_folder`, until one of their files changes its name,
    size or time; `options` and `where` tell other readings of the same files apart. Those that take more than
    `image_memory` stay on disk (`Stored`), and without `keep` they are decoded anew each time that they are used.
    Raises DataError as reading does; OSError where a file cannot be read.
    """
    large = pictures.nbytes > image_memory()
    every = np.arange(len(pictures.files))
    if keep and (large or len(every) >= WORTH_KEEPING):
        try:
            path, notes = _kept(pictures, options, where)
        except OSError as error:
            if error.filename is not None and Path(error.filename) in pictures.files:
                raise
            path, notes = None, [f"decoded pictures are not kept for the next time: {error}"]
    else:
        path, notes = None, []
    if not large:
        return _whole(path, pictures, every), notes
    read = pictures if path is None else Rows(path, pictures.shape, np.dtype(np.uint8))
    told = "are read from there" if path else "are decoded"
    notes.append(
        f"{where}: {len(every):,} pictures take {_in_bytes(pictures.nbytes)}, more than the "
        f"{_in_bytes(image_memory())} of memory for images (GPUCNN_MEMORY), and {told} when they are used"
    )
    return cast(np.ndarray, Stored(read, pictures.shape, np.dtype(np.uint8), every)), notes


def _whole(path: Path | None, pictures: Pictures, every: np.ndarray) -> np.ndarray:
    return pictures(every) if path is None else np.fromfile(path, np.uint8).reshape(len(every), *pictures.shape)


def _kept(pictures: Pictures, options: str, where: Path) -> tuple[Path, list[str]]:
    """The file of the decoded pictures, which is made if there is none, and then a line on it."""
    folder = cache_folder()
    reading = _digest(f"{_VERSION} {PIL.__version__} {pictures.shape} {options} {where.resolve()}".encode())
    path = folder / f"{reading}-{_fingerprint(pictures.files)}.pixels"
    if path.is_file() and path.stat().st_size == pictures.nbytes:
        return path, []
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob(f"{reading}-*.pixels")) - {path}
    _write(path, pictures)
    for old in before:
        old.unlink(missing_ok=True)
    return path, [
        f"{where}: {len(pictures.files):,} decoded pictures are kept in {path} ({_in_bytes(pictures.nbytes)}), "
        "to be read from there the next time; data.cache: false leaves that out"
    ]


def _fingerprint(files: Sequence[Path]) -> str:
    """A hash of the files' names, sizes and times."""
    digest = hashlib.blake2b(digest_size=12)
    for file in files:
        status = file.stat()
        digest.update(os.fsencode(file) + f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _digest(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _write(path: Path, pictures: Pictures) -> None:
    """Decode all pictures into a file, which is whole or absent, with a bar of progress on a terminal."""
    from tqdm import tqdm  # takes a while to import

    count = max(1, _PIECE // math.prod(pictures.shape))
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with (
            beside.open("xb") as file,
            tqdm(
                total=len(pictures.files), desc="decoding", unit=" pictures", disable=None, delay=1, leave=False
            ) as bar,
        ):
            for start in range(0, len(pictures.files), count):
                numbers = np.arange(start, min(start + count, len(pictures.files)))
                file.write(pictures(numbers).data)
                bar.update(len(numbers))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _in_bytes(count: int) -> str:
    """A number of bytes in MiB or GiB."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
