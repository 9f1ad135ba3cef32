"""The lock on a run's log: by flock, and, with a stand-in for its module, by Windows' call."""

import runpy
import sys
from types import SimpleNamespace

import pytest

from gpucnn.runs import locking as locking_source
from gpucnn.runs.locking import lock


def test_a_file_is_locked_until_it_is_closed(tmp_path) -> None:
    path = tmp_path / "log"
    path.touch()
    with path.open("r+b") as first, path.open("r+b") as second:
        lock(first)
        with pytest.raises(BlockingIOError):
            lock(second)
        first.close()
        lock(second)


def test_on_windows_a_byte_far_behind_the_log_is_locked(tmp_path, monkeypatch) -> None:
    held: set[int] = set()

    def locking(descriptor: int, mode: int, count: int) -> None:
        byte = file.tell()
        assert (descriptor, mode, count) == (file.fileno(), 2, 1)
        if byte in held:
            raise OSError(36, "Resource deadlock avoided")
        held.add(byte)

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr(sys, "platform", "win32")
    on_windows = runpy.run_path(locking_source.__file__)["lock"]
    path = tmp_path / "log"
    path.write_bytes(b"a line\n")
    with path.open("r+b") as file:
        file.seek(3)
        on_windows(file)
        assert min(held) >= 2**30 and file.tell() == 3
        with pytest.raises(BlockingIOError):
            on_windows(file)
        assert file.read() == b"ine\n"
