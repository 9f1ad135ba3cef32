"""Log files that grow line by line, and can be cut back to their length at a checkpoint."""

import os
from pathlib import Path

from gpucnn.errors import CheckpointError, InputError
from gpucnn.runs.locking import lock

BUFFER = 2**16  # bytes: some thousand lines reach the disk in one write


class LogFile:
    """A text file that lines are appended to. They are buffered until `flush`.

    `write`, `flush` and `close` raise OSError if writing fails.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("r+b", buffering=BUFFER)
        self._file.seek(0, os.SEEK_END)

    def lock(self) -> None:
        """Lock the file for this process until it is closed or the process ends in any way.

        Raises InputError if another process holds the lock.
        """
        try:
            lock(self._file)
        except BlockingIOError:
            raise InputError(
                f"another process is training in {self.path.parent}; wait for it, or give another folder"
            ) from None

    def write(self, line: str) -> None:
        """Append `line`, given without its line break."""
        self._file.write(line.encode() + b"\n")

    def flush(self) -> int:
        """Write all lines to the disk; returns the file's size in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def cut(self, size: int) -> None:
        """Remove everything after the first `size` bytes. Raises CheckpointError if the file is shorter."""
        present = self._file.seek(0, os.SEEK_END)
        if not 0 <= size <= present:
            raise CheckpointError(
                f"{self.path} was changed after the checkpoint: it had {size} bytes and has {present}. "
                "Restore it, or train again in another folder"
            )
        self._file.truncate(size)
        self._file.seek(size)

    def close(self) -> None:
        """Write buffered lines, close the file and release its lock."""
        self._file.close()
