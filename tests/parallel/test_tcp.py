"""Processes that torchrun's variables connect over TCP: what they send each other, and what is said of faults."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import launch
import numpy as np
import pytest

from gpucnn.errors import InputError, TrainingError
from gpucnn.parallel import start
from gpucnn.parallel.communicator import UnansweredError
from gpucnn.parallel.nccl import Nccl
from gpucnn.parallel.tcp import Place, Tcp
from gpucnn.parallel.torchrun import place
from tests.devices import on
from tests.emulation import fake_cupy, fake_nccl

CONFIG = """
name: small
data: {name: digits, validation: 0.1}
model: [batch_norm2d, {dropout: {p: 0.2}}, flatten, {linear: {out_features: 10}}]
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
train: {epochs: EPOCHS, batch_size: 64, timeout: 5}
report: false
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def together(size: int, work: Callable[[Tcp], Any], timeout: float = 20.0) -> list[Any]:
    """What `work` returns, or the error that it raises, in each of `size` threads that TCP connects."""
    port, results = free_port(), [None] * size

    def run(rank: int) -> None:
        communicator = Tcp(Place(rank, size, "127.0.0.1", port, b"key"), timeout)
        try:
            results[rank] = work(communicator)
        except Exception as error:
            results[rank] = error
        for peer in communicator._peers.values():  # as when a process ends
            peer.close()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("size", [2, 3])
def test_all_get_the_same(size: int) -> None:
    numbers = [np.random.default_rng(rank).normal(size=300_000).astype(np.float32) for rank in range(size)]

    def work(communicator: Tcp) -> Any:
        large, small = numbers[communicator.rank].copy(), np.array([1.0, communicator.rank])
        first, second = communicator.start_sum(large), communicator.start_sum(small)
        second.wait()
        first.wait()
        return (
            large,
            small.tolist(),
            communicator.gather({"rank": communicator.rank}),
            communicator.broadcast(f"of {communicator.rank}"),
            communicator.local_rank,
        )

    expected = sum(numbers[1:], start=numbers[0])
    for rank, (large, *rest) in enumerate(together(size, work)):
        np.testing.assert_array_equal(large, expected)
        assert rest == [[size, sum(range(size))], [{"rank": each} for each in range(size)], "of 0", rank]


def test_gradients_on_gpus_go_through_nccl_whose_identity_tcp_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(host: Tcp) -> Any:
        communicator = Nccl(host)
        there = fake_cupy.asarray(np.full(3, 1.0 + host.rank))
        communicator.sum(there)
        return there.get().tolist(), communicator.gather(host.rank), communicator.sum(np.ones(2)).tolist()

    with on("cuda-emulated"):
        monkeypatch.setattr(fake_cupy.cuda, "nccl", fake_nccl, raising=False)
        assert together(3, work) == [([6.0] * 3, [0, 1, 2], [3.0, 3.0])] * 3


def test_a_process_that_ends_or_is_silent_is_named() -> None:
    def ends(communicator: Tcp) -> Any:
        if communicator.rank == 1:
            return None
        return communicator.gather(1)

    def is_silent(communicator: Tcp) -> Any:
        communicator.timeout = 0.3
        if communicator.rank == 1:
            time.sleep(1)
            return None
        return communicator.gather(1)

    for work, said in ((ends, "rank 1 of 3 .* has ended"), (is_silent, "rank 1 of 3 .* did not answer for 0.3 s")):
        first, _, third = together(3, work)
        assert isinstance(first, UnansweredError) and isinstance(third, UnansweredError)
        with pytest.raises(UnansweredError, match=said):
            raise first


def test_an_error_that_all_have_in_common_is_told_from_one_of_a_process() -> None:
    common = together(3, lambda communicator: communicator.all_failed(InputError("of all")))
    assert common == [True] * 3

    def of_one(communicator: Tcp) -> Any:
        return communicator.gather(1) if communicator.rank != 2 else communicator.all_failed(InputError("of one"))

    first, second, third = together(3, of_one)
    assert third is False and isinstance(first, UnansweredError) and isinstance(second, UnansweredError)


def test_processes_that_do_not_fit_together_are_refused() -> None:
    for faulty, message in (
        (Place(1, 3, "127.0.0.1", 0, b"key"), "rank 1 has WORLD_SIZE 3, and rank 0 2"),
        (Place(2, 2, "127.0.0.1", 0, b"key"), "RANK 2 was given"),
        (None, r"ranks \[1\] of 2 did not connect to 127.0.0.1:\d+ within 0.5 s"),
    ):
        port, found = free_port(), []

        def rank_0(port: int = port, found: list[Exception] = found) -> None:
            try:
                Tcp(Place(0, 2, "127.0.0.1", port, b"key"), 0.5)
            except (InputError, TrainingError) as error:
                found.append(error.with_traceback(None))  # whose frames keep connections open

        thread = threading.Thread(target=rank_0)
        thread.start()
        if faulty is not None:
            with pytest.raises(UnansweredError):
                Tcp(faulty._replace(port=port), 0.5)
        thread.join()
        with pytest.raises((InputError, TrainingError), match=message):
            raise found[0]


def test_a_port_in_use_or_of_another_training_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen at 127.0.0.1:{port}.*MASTER_PORT"):
            Tcp(Place(0, 2, "127.0.0.1", port))
    results = {}

    def rank_0() -> None:
        results[0] = Tcp(Place(0, 2, "127.0.0.1", port, b"ours"), 20).gather("first")

    thread = threading.Thread(target=rank_0)
    thread.start()
    with pytest.raises(InputError, match="is of another training"):
        Tcp(Place(1, 2, "127.0.0.1", port, b"theirs"), 20)
    assert Tcp(Place(1, 2, "127.0.0.1", port, b"ours"), 20).gather("second") == ["first", "second"]
    thread.join()
    assert results[0] == ["first", "second"]


VARIABLES = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MASTER_ADDR": ""}, "WORLD_SIZE is 4, and MASTER_ADDR not set"),
        ({"MASTER_ADDR": "", "MASTER_PORT": ""}, "MASTER_ADDR and MASTER_PORT not set"),
        ({"RANK": "4"}, "RANK is 4; expected a whole number from 0 to 3"),
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE is many; expected a whole number of at least 1"),
        ({"MASTER_PORT": "70000"}, "MASTER_PORT is 70000; expected a whole number from 1 to 65534"),
        ({"LOCAL_RANK": "-1"}, "LOCAL_RANK is -1; expected a whole number of at least 0"),
    ],
)
def test_variables_that_are_wrong_are_told(monkeypatch: pytest.MonkeyPatch, change: dict, message: str) -> None:
    for name, value in {**VARIABLES, **change}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        start()


def test_torchrun_keeps_the_port_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert place() == Place(1, 4, "127.0.0.1", 29500, b"", 3)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
    assert place() == Place(1, 4, "127.0.0.1", 29501, b"run", 3)


# --- processes --------------------------------------------------------------------------------------------------------


def started(folder: Path, port: int, name: str, *options: str, size: int = 2) -> list[subprocess.Popen]:
    """Processes that train together, as torchrun starts them."""
    config = folder / "config.yaml"
    command = [sys.executable, "-m", "gpucnn", "train", str(config), "--quiet", "--run-dir", str(folder / name)]
    processes = []
    for rank in range(size):
        variables = {**VARIABLES, "RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_PORT": str(port)}
        with (folder / f"{name} {rank}").open("w") as log:
            processes.append(
                subprocess.Popen([*command, *options], env=launch.environment(**variables), stdout=log, stderr=log)
            )
    return processes


def codes(processes: list[subprocess.Popen]) -> list[int]:
    return [process.wait(launch.SECONDS) for process in processes]


def test_commands_train_together_and_to_the_bit(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.replace("EPOCHS", "2"))
    for name in ("one", "other"):
        assert codes(started(tmp_path, free_port(), name)) == [0, 0], (tmp_path / "one 0").read_text()
    for name in ("model.safetensors", "batches.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    assert not (tmp_path / "one 1").read_text()


def test_a_killed_process_ends_the_other_and_ctrl_c_writes_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.replace("EPOCHS", "100000"))
    processes = started(tmp_path, free_port(), "killed")
    launch.until(lambda: launch.lines(tmp_path / "killed" / "batches.csv") > 50, "the first epochs")
    processes[1].kill()
    assert codes(processes) == [1, -signal.SIGKILL]
    assert "rank 1 of 2" in (tmp_path / "killed 0").read_text()
    processes = started(tmp_path, free_port(), "stopped")
    launch.until(lambda: launch.lines(tmp_path / "stopped" / "batches.csv") > 50, "the first epochs")
    os.kill(processes[1].pid, signal.SIGTERM)
    assert codes(processes) == [130, 130]
    assert "torchrun --nproc-per-node 2 -m gpucnn train" in (tmp_path / "stopped 0").read_text()
