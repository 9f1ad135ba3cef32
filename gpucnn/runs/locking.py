"""A lock on an open file, held until the file is closed or the process ends in any way: Unix's, or Windows'."""

import sys
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    _FAR = 2**30  # a byte that no log reaches: on Windows what is locked cannot be read by others

    def lock(file: BinaryIO) -> None:
        """Lock `file` for this process. Raises BlockingIOError if another process holds the lock."""
        position = file.tell()
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from None
        finally:
            file.seek(position)

else:
    import fcntl

    def lock(file: BinaryIO) -> None:
        """Lock `file` for this process. Raises BlockingIOError if another process holds the lock."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
