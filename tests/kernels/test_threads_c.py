"""The C kernels' pool: the same bits from any number of threads, in several threads, after a fork, and to the end.

Each in a process of its own, where no test before has started the pool.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpucnn.kernels import dispatch

SETS = list(dispatch.library.usable())
pytestmark = pytest.mark.skipif(not SETS, reason="the C kernels were not built")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
SECONDS = 60

WORK = """
import hashlib, itertools, os, signal, sys, threading
from functools import partial
import numpy as np
import gpucnn
from gpucnn import Tensor, nn, optim, functional as F
from gpucnn.kernels import dispatch
from tests.judges import forward_backward

def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")

def bits(arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()

def train(net, batches=(64, 64, 17)):
    optimizer, rng = optim.Adam(net.parameters()), np.random.default_rng(0)
    for size in batches:
        optimizer.zero_grad()
        images = Tensor(rng.standard_normal((size, 1, 28, 28)).astype("float32"))
        F.cross_entropy(net(images), rng.integers(0, 10, size)).backward()
        optimizer.step()
    return bits(net.state_dict().values())

def network(seed, *more):
    gpucnn.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 12, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 32, 5, groups=2),
        nn.BatchNorm2d(32), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(800, 120), *more, nn.Linear(120, 10),
    )
"""

EVERY_OPERATION = """
x, labels = normal(65, 8, 30, 33), np.random.default_rng(1).integers(0, 50, 20_000)
operations = {
    "convolution": lambda: forward_backward(F.conv2d, x, normal(20, 8, 5, 4), normal(20)),
    "strides": lambda: forward_backward(partial(F.conv2d, stride=2, padding=1), x, normal(20, 8, 3, 3)),
    "groups": lambda: forward_backward(partial(F.conv2d, groups=8, dilation=2), x, normal(32, 1, 3, 3)),
    "volumes": lambda: forward_backward(F.conv3d, x.reshape(65, 4, 20, 9, 11), normal(10, 4, 3, 3, 3)),
    "linear": lambda: forward_backward(F.linear, normal(256, 800), normal(150, 800), normal(150)),
    "maxima": lambda: forward_backward(partial(F.max_pool2d, kernel_size=3, stride=2, padding=1), x),
    "averages": lambda: forward_backward(partial(F.avg_pool2d, kernel_size=2), x),
    "norm": lambda: forward_backward(
        lambda x, w, b: F.batch_norm(x, Tensor(np.zeros(8, "f")), Tensor(np.ones(8, "f")), w, b, training=True),
        x, normal(8), normal(8)),
    "functions": lambda: [a for f in (F.relu, F.leaky_relu, F.tanh, F.sigmoid) for a in forward_backward(f, x)],
    "softmax": lambda: [a for dim in (0, 1) for a in forward_backward(partial(F.softmax, dim=dim), normal(20_000, 50))],
    "its logarithm": lambda: forward_backward(F.log_softmax, normal(20_000, 50)),
    "loss": lambda: forward_backward(lambda x: F.cross_entropy(x, labels), normal(20_000, 50)),
    "training": lambda: [np.frombuffer(train(network(0, nn.Dropout())).encode(), "uint8")],
}
for name in dispatch.library.usable():
    dispatch.choose(name)
    for operation, compute in operations.items():
        print(name, operation, bits(compute()))
"""

TWO_MODELS = """
alone = [train(network(seed), [64] * 10) for seed in (0, 1)]
nets, at_once = [network(seed) for seed in (0, 1)], [None, None]
def compute(index):
    at_once[index] = train(nets[index], [64] * 10)
threads = [threading.Thread(target=compute, args=(index,)) for index in (0, 1)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert alone[0] != alone[1]
assert at_once == alone, (at_once, alone)
"""

FORKING = """
def compute():
    return bits(forward_backward(F.conv2d, normal(64, 8, 20, 20), normal(20, 8, 5, 5)))

def compute_until(stop):
    while not stop.is_set():
        compute()

expected, stop = compute(), threading.Event()
busy = threading.Thread(target=compute_until, args=(stop,))
busy.start()  # so that the pool is at work when this process forks
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # where it hangs
        os._exit(0 if compute() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
busy.join()
"""

ENDLESS = """
def compute():
    print("begun", flush=True)
    while True:
        forward_backward(F.conv2d, normal(64, 8, 20, 20), normal(20, 8, 5, 5))
"""


def output(script: str, threads: int = 3) -> str:
    """What a script prints, on so many threads; no warnings of forks in a process with threads."""
    environment = {**os.environ, "GPUCNN_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
    options = {"cwd": Path(__file__).parents[2], "env": environment, "timeout": SECONDS, "text": True}
    done = subprocess.run([sys.executable, "-c", WORK + script], capture_output=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_any_number_of_threads_gives_the_same_bits():
    alone = output(EVERY_OPERATION, 1).splitlines()
    assert len(alone) == 13 * len(SETS)
    for threads in (2, 3, 8):
        assert output(EVERY_OPERATION, threads).splitlines() == alone


def test_two_models_at_once_train_as_each_does_alone():
    output(TWO_MODELS)


@needs_fork
def test_a_forked_child_computes_whatever_the_pool_was_doing():
    output(FORKING)


def test_the_interpreter_ends_while_a_thread_computes():
    output(ENDLESS + "threading.Thread(target=compute, daemon=True).start(); import time; time.sleep(0.5)")


@pytest.mark.skipif(os.name == "nt", reason="this system sends no SIGINT to one process")
def test_ctrl_c_is_heard():
    program = subprocess.Popen(
        [sys.executable, "-c", WORK + ENDLESS + "compute()"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "GPUCNN_THREADS": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout and program.stdout.readline() == "begun\n"
    program.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in program.communicate(timeout=SECONDS)[1]
