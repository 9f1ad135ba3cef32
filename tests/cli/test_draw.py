"""gpucnn draw: what it says, what it refuses, how it ends."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from gpucnn.cli import main

SIGNALS = """\
name: signals
device: cpu
data: {name: npz, path: x.npz, axes: 1}
model: [flatten, linear: {out_features: 2}]
optimizer: {name: sgd, lr: 0.1}
train: {epochs: 1, batch_size: 8}
report: false
"""


def test_draw_says_where_and_ends_with_ctrl_c(run) -> None:
    command = [sys.executable, "-m", "gpucnn.cli", "draw", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline()
            found = re.match(r"(http://127\.0\.0\.1:\d+/) shows what .* makes of what you draw; Ctrl-C ends it\n", said)
            assert found and str(run) in said
            with urllib.request.urlopen(found[1], timeout=20) as page:
                assert b"<canvas" in page.read()
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, rest.strip(), errors) == (0, "ended", "")


def test_draw_at_a_port_that_is_taken(run, fails) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = fails(2, "draw", str(run), "--port", str(port))
    assert message == f"--port {port}: Address already in use; give another, or none to have a free one chosen\n"


@pytest.mark.parametrize("port", ["0", "x", "70000", "-1", "8" * 5000])
def test_draw_at_what_is_no_port(port: str, run, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["draw", str(run), f"--port={port}"])
    assert ended.value.code == 2 and f"--port: {port} is not a port: a whole number" in capsys.readouterr().err


def test_draw_of_no_run(fails) -> None:
    assert "no run at nowhere: it does not exist" in fails(2, "draw", "nowhere")


def test_draw_for_a_network_that_takes_no_pictures(tmp_path, fails) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.random((40, 1, 9), np.float32), np.arange(40) % 2
    np.savez("x.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    (tmp_path / "x.yaml").write_text(SIGNALS)
    assert main(["train", "x.yaml", "--run-dir", "signals", "--quiet"]) == 0
    message = fails(2, "draw", "signals")
    assert message.startswith("the network takes no picture of one channel or three, but 1 x 9; draw for one that does")
    assert len(message.splitlines()) == 1


def test_draw_with_weights_that_are_not_finite(run, fails) -> None:
    from gpucnn.runs.saved import open_run
    from gpucnn.training import save_weights

    weights = open_run(str(run)).network().state_dict()
    weights["0.weight"][0] = np.inf
    save_weights(run / "model.safetensors", weights)
    assert "not finite; train it again" in fails(2, "draw", str(run))
