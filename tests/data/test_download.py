"""Downloads from a mirror on this machine that fails in every way."""

import hashlib
import socket
import time

import pytest
import requests

from gpucnn.data import download
from gpucnn.data.download import DownloadError, RemoteFile, data_folder, fetch
from gpucnn.errors import DataError
from tests.data.server import Mirror, give, give_without_end, stall

CONTENT = bytes(range(256)) * 40
FILE = RemoteFile("images.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
OTHER = RemoteFile("labels.gz", 6, hashlib.sha256(b"labels").hexdigest())
GOOD = {"images.gz": give(CONTENT), "labels.gz": give(b"labels")}


@pytest.fixture
def mirror(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    open_mirrors = []

    def start(answers):
        open_mirrors.append(Mirror(answers))
        return open_mirrors[-1]

    yield start
    for one in open_mirrors:
        one.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_are_fetched_and_nothing_else_is_left(mirror, tmp_path, capfd):
    one, two = mirror(GOOD), mirror(GOOD)
    fetch([FILE, OTHER], [one.url, two.url], tmp_path / "new" / "set")
    assert names(tmp_path / "new" / "set") == ["images.gz", "labels.gz"]
    assert (tmp_path / "new" / "set" / "images.gz").read_bytes() == CONTENT
    assert (one.asked, two.asked) == (["images.gz", "labels.gz"], [])
    assert capfd.readouterr() == ("", "")  # no terminal, no progress bar


WRONG = {
    "404": ({}, "404 Client Error"),
    "other bytes": ({"images.gz": give(CONTENT[::-1])}, r"other bytes than the published file \(SHA-256 differs\)"),
    "too large": ({"images.gz": give(CONTENT + b"!")}, "it sent more than the 10,240 bytes the file has"),
    "endless": ({"images.gz": give_without_end}, "it sent more than the 10,240 bytes the file has"),
    "cut off": ({"images.gz": give(CONTENT[:5000], len(CONTENT))}, "IncompleteRead|5000 bytes read"),
    "short": ({"images.gz": give(CONTENT[:5000])}, "other bytes than the published file"),
    "stalls": ({"images.gz": stall}, "[Tt]imed out"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mirror_that_fails_is_named_with_its_cause_and_leaves_nothing(mirror, tmp_path, monkeypatch, case):
    monkeypatch.setattr(download, "READ_SECONDS", 0.3)
    answers, words = WRONG[case]
    bad = mirror(answers)
    with pytest.raises(DownloadError, match=words) as caught:
        fetch([FILE], [bad.url], tmp_path)
    assert f"{bad.url}images.gz: " in str(caught.value)
    assert "set GPUCNN_DATA_DIR to the folder that holds" in str(caught.value)
    assert isinstance(caught.value, DataError)
    assert bad.asked == ["images.gz"]  # once
    assert names(tmp_path) == []


@pytest.mark.parametrize("case", WRONG)
def test_the_second_mirror_is_asked_for_what_is_left(mirror, tmp_path, monkeypatch, case):
    monkeypatch.setattr(download, "READ_SECONDS", 0.3)
    bad, good = mirror({"labels.gz": give(b"labels"), **WRONG[case][0]}), mirror(GOOD)
    fetch([OTHER, FILE], [bad.url, good.url], tmp_path)
    assert (tmp_path / "images.gz").read_bytes() == CONTENT
    assert (bad.asked, good.asked) == (["labels.gz", "images.gz"], ["images.gz"])
    assert names(tmp_path) == ["images.gz", "labels.gz"]


def test_a_closed_port_and_every_mirror_are_named(mirror, tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{held.getsockname()[1]}/"
        bad = mirror({})
        with pytest.raises(DownloadError) as caught:
            fetch([FILE], [closed, bad.url], tmp_path)
    message = str(caught.value)
    assert f"images.gz is not in {tmp_path} and no mirror gave it" in message
    assert f"{closed}images.gz: " in message
    assert "Connection refused" in message
    assert f"{bad.url}images.gz: 404" in message


def test_a_mirror_that_does_not_answer_costs_the_time_to_connect(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):  # fill the queue of connections nobody accepts
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            waiting.append(client)
        start = time.perf_counter()
        with pytest.raises(DownloadError, match="no connection within"):
            fetch([FILE], [f"http://127.0.0.1:{full.getsockname()[1]}/"], tmp_path)
        assert time.perf_counter() - start < 2
        for client in waiting:
            client.close()


def test_an_interrupted_download_leaves_nothing_taken_for_whole(mirror, tmp_path, monkeypatch):
    def interrupt(self, size):
        yield CONTENT[:5000]
        raise KeyboardInterrupt

    one = mirror(GOOD)
    with monkeypatch.context() as context:
        context.setattr(requests.Response, "iter_content", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch([FILE], [one.url], tmp_path)
    assert names(tmp_path) == []
    fetch([FILE], [one.url], tmp_path)
    assert names(tmp_path) == ["images.gz"]


def test_a_full_disk_is_not_the_mirrors_fault(mirror, tmp_path, monkeypatch):
    def full(self, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(requests.Response, "iter_content", full)
    with pytest.raises(OSError, match="No space left") as caught:
        fetch([FILE], [mirror(GOOD).url], tmp_path)
    assert not isinstance(caught.value, DataError)


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="Downloads cannot be kept: .*Set GPUCNN_DATA_DIR"):
        fetch([FILE], ["http://127.0.0.1:9/"], tmp_path / "file" / "set")


def test_progress_is_shown_on_a_terminal(mirror, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    fetch([FILE], [mirror(GOOD).url], tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    assert "100%" in err


def test_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("GPUCNN_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_folder() == tmp_path / "cache" / "gpucnn"


def test_the_data_folder_may_begin_in_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GPUCNN_DATA_DIR", "~/sets")
    assert data_folder() == tmp_path / "sets"
