"""`gpucnn train --live`: a page while it trains, which changes nothing and which no request brings down."""

import contextlib
import json
import random
import signal
import socket
import threading
import urllib.error
import urllib.request
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpucnn.cli import main
from gpucnn.cli import train as command
from gpucnn.live import LiveServer
from gpucnn.live.server import served
from gpucnn.runs import RunFolder
from tests.draw.mutations import mutated, statuses_of
from tests.live.runs import CONFIG, train, watch_of


@pytest.fixture
def config(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(CONFIG)
    return str(tmp_path / "small.yaml")


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as found:
        return found.getsockname()[1]


def get(port: int, path: str = "/") -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read()


@pytest.fixture
def at_epoch(monkeypatch):
    """Has a function called in the main thread after an epoch, whose files are written by then."""
    original = RunFolder.save

    def arrange(epoch: int, act) -> None:
        def save(folder, state, best=False):
            original(folder, state, best)
            if state.values["position"]["epoch"] == epoch:
                act()

        monkeypatch.setattr(RunFolder, "save", save)

    return arrange


def test_a_training_is_shown_and_survives_malformed_requests(config, tmp_path, capsys, at_epoch) -> None:
    plain = train(tmp_path)
    port, told = free_port(), {}

    def look() -> None:
        right = f"GET /facts HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n".encode()
        assert statuses_of(port, [right]) == {200}
        rng = random.Random(1)
        told["statuses"] = statuses_of(port, [mutated(right, rng) for _ in range(1000)])
        told["page"], told["facts"] = get(port), json.loads(get(port, "/facts"))
        told["progress"] = json.loads(get(port, "/progress"))

    at_epoch(2, look)
    capsys.readouterr()
    assert main(["train", config, "--live", "--port", str(port), "--run-dir", "live", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == f"live: http://127.0.0.1:{port}/" and printed.out.count("live:") == 1
    assert printed.err == ""
    assert told["statuses"] >= {200, 400, 404, 405, 421} and 500 not in told["statuses"]
    assert b'src="/live.js"' in told["page"] and b"@@" not in told["page"]
    assert told["facts"]["runs"][0]["epochs"]["epoch"] == [1, 2]
    assert told["facts"]["version"] == told["progress"]["version"]
    assert told["progress"]["told"] == "Epoch 2 of 3 is done." and not told["progress"]["ended"]
    batches = (plain / "batches.csv").read_text().splitlines()
    worst = told["facts"]["worst"]
    shares = [float(line.split(",")[5]) for line in batches if line.startswith("validation,2,")]
    assert worst["of"] == 150 and worst["wrong"] == round(150 * (1 - shares[0]))
    for name in ("model.safetensors", "batches.csv", "health.json"):
        assert (tmp_path / "live" / name).read_bytes() == (plain / name).read_bytes()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert not [thread for thread in threading.enumerate() if thread.name == "live page"]


def test_ctrl_c_and_resume_as_ever(config, tmp_path, capsys, at_epoch) -> None:
    (tmp_path / "whole").mkdir()
    whole = train(tmp_path / "whole")
    port, told = free_port(), {}
    at_epoch(1, lambda: signal.raise_signal(signal.SIGINT))
    live = ["--live", "--port", str(port), "--quiet"]
    assert main(["train", config, *live, "--run-dir", "run"]) == 130
    assert "--resume run" in capsys.readouterr().err
    at_epoch(2, lambda: told.update(json.loads(get(port, "/facts"))))
    assert main(["train", config, *live, "--resume", "run"]) == 0
    assert told["runs"][0]["epochs"]["epoch"] == [1, 2] and told["forming"]["epochs"] == [0, 1, 2]
    assert (tmp_path / "run/model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_wrong_options_are_told(config, capsys) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        for arguments, words in (
            (["--live", "--port", port], f"--port {port}: Address already in use; give another, or none"),
            (["--port", port], "say --live too"),
            (["--live", "--find-lr"], "leave one of them out"),
            (["--live", "train.folds=3", "data.validation=0"], "train.folds makes several; give train.fold=N too"),
        ):
            assert main(["train", config, "--run-dir", "run", *arguments]) == 2
            assert words in capsys.readouterr().err
    assert not Path("run").exists()


@pytest.mark.parametrize("change", ["data.validation=0", "loss={name: mse}"])
def test_other_trainings_are_shown_too(change, config, at_epoch) -> None:
    port, told = free_port(), {}
    at_epoch(1, lambda: told.update(json.loads(get(port, "/facts"))))
    live = ["--live", "--port", str(port), "--quiet", "train.epochs=1"]
    assert main(["train", config, *live, change, "--run-dir", "run"]) == 0
    assert told["runs"][0]["epochs"]["epoch"] == [1]
    assert (told["worst"] is None) == (change == "data.validation=0")


def test_other_processes_than_the_first_serve_nothing(monkeypatch) -> None:
    monkeypatch.setattr(command.live, "serving", lambda port: 1 // 0)
    monkeypatch.setattr(command, "_run", lambda arguments, communicator, server: 0 if server is None else 1)
    assert command._shown(Namespace(live=True, port=None), SimpleNamespace(rank=1)) == 0


def test_before_there_is_a_run_the_page_says_so(tmp_path) -> None:
    with LiveServer() as server, served(server):
        for path in ("/", "/facts", "/progress"):
            with pytest.raises(urllib.error.HTTPError, match="503"):
                get(server.server_port, path)
        assert b"#progress" not in get(server.server_port, "/live.css")
        server.watch = watch_of(train(tmp_path))
        assert json.loads(get(server.server_port, "/facts"))["title"] == "small, run"
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(f"{server.url}facts", data=b"{}", timeout=20)
