"""How much memory images may take, and the folder in which decoded ones are kept."""

import contextlib
import os
import re
from pathlib import Path

from gpucnn.errors import InputError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_SHARE = 2  # one in so many bytes that are free may hold images
_UNKNOWN = 2**31  # bytes, where the system does not say what is free


def image_memory() -> int:
    """The bytes that a part of a data set may take in memory: GPUCNN_MEMORY, or half of what is free.

    Raises InputError for a size that cannot be read.
    """
    given = os.environ.get("GPUCNN_MEMORY")
    if not given:
        return free_memory() // _SHARE
    found = _SIZE.fullmatch(given.strip())
    if found is None:
        raise InputError(f"GPUCNN_MEMORY is {given!r}; expected a size such as 500M or 2G, or leave it unset")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def free_memory() -> int:
    """The bytes of memory that this process may still take: what the machine, or its control group, has left."""
    left = [_UNKNOWN]
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        left = [int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 2**10]
    with contextlib.suppress(OSError, ValueError):  # there may be no such file; a limit of "max" is not a number
        group = Path("/sys/fs/cgroup")
        limit, used = ((group / name).read_text() for name in ("memory.max", "memory.current"))
        left.append(max(0, int(limit) - int(used)))
    return min(left)


def cache_folder() -> Path:
    """The folder of decoded pictures: GPUCNN_CACHE_DIR, by default "gpucnn" in the user's cache folder."""
    named = os.environ.get("GPUCNN_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    import pooch  # takes a tenth of a second to import

    return Path(pooch.os_cache("gpucnn")) / "decoded"
