"""Files are whole or absent."""

import errno
import os

import pytest

from gpucnn.files import atomic_write


def test_a_file_takes_the_place_of_another(tmp_path):
    path = tmp_path / "file"
    atomic_write(path, b"old")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_kept_under_another_name(tmp_path):
    for data in (b"one", b"two", b"three"):
        atomic_write(tmp_path / "file", data, keep=tmp_path / "kept")
    assert (tmp_path / "file").read_bytes() == b"three" and (tmp_path / "kept").read_bytes() == b"two"
    assert len(list(tmp_path.iterdir())) == 2


def test_others_may_read_it_as_the_mask_says(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_fails_leaves_the_old_file_and_names_it(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"os.{step}", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        atomic_write(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
