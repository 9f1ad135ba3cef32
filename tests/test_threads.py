"""The pool: every tile once, failures told, BLAS left as it was; and the same bits from any number of threads."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from gpucnn import threads
from gpucnn.errors import InputError

LIKE = np.zeros(1)


def in_another_process(script: str, **variables: str) -> str:
    """What a Python script prints."""
    options = {"cwd": Path(__file__).parents[1], "env": {**os.environ, **variables}, "timeout": 60}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, **options).stdout


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_every_task_runs_once(count):
    done = []
    threads.run(done.append, count, LIKE)
    assert sorted(done) == list(range(count))


SHARING = """
import threading, time
import numpy as np
from threadpoolctl import threadpool_info
from gpucnn import threads

def blas():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

def task(index):
    time.sleep(0.01)
    names.add(threading.current_thread().name)
    inside.update(blas())

names, inside, before = set(), set(), blas()
threads.run(task, 20, np.zeros(1))
print(len(names), inside, before == blas())
"""


def test_tasks_run_on_several_threads_while_blas_has_one():
    """In a process of its own, where no other library has brought a BLAS."""
    assert in_another_process(SHARING, GPUCNN_THREADS="2", OPENBLAS_NUM_THREADS="2") == "2 {1} True\n"


@pytest.mark.parametrize("failing", [0, 7, 19])
def test_what_a_task_raises_is_raised_and_the_pool_goes_on(failing):
    def task(index: int) -> None:
        if index == failing:
            raise KeyError(index)

    with pytest.raises(KeyError, match=str(failing)):
        threads.run(task, 20, LIKE)
    test_every_task_runs_once(20)


def test_several_callers_share_the_pool():
    results = [[] for _ in range(6)]
    callers = [threading.Thread(target=threads.run, args=(done.append, 200, LIKE)) for done in results]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
        assert not caller.is_alive(), "the callers wait for each other"
    assert all(sorted(done) == list(range(200)) for done in results)


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "1025", ""])
def test_a_number_of_threads_that_cannot_be_is_refused(monkeypatch, given):
    monkeypatch.setenv("GPUCNN_THREADS", given)
    threads.thread_count.cache_clear()
    try:
        with pytest.raises(InputError, match=rf"GPUCNN_THREADS is '{given}'.*1 to 1024"):
            threads.thread_count()
    finally:
        threads.thread_count.cache_clear()


TRAINING = """
import hashlib
import numpy as np
import gpucnn
from gpucnn import Tensor, nn, optim, functional as F

gpucnn.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5, groups=2),
    nn.BatchNorm2d(16), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Dropout(), nn.Linear(120, 10),
)
optimizer, rng = optim.Adam(net.parameters()), np.random.default_rng(0)
for size in (64, 64, 17):
    optimizer.zero_grad()
    images = Tensor(rng.standard_normal((size, 1, 28, 28)).astype("float32"))
    F.cross_entropy(net(images), rng.integers(0, 10, size)).backward()
    optimizer.step()
print(hashlib.sha256(b"".join(a.tobytes() for a in net.state_dict().values())).hexdigest())
"""


def test_any_number_of_threads_trains_to_the_same_bits():
    found = {in_another_process(TRAINING, GPUCNN_THREADS=n, OPENBLAS_NUM_THREADS=n) for n in ("1", "2", "3")}
    assert len(found) == 1


CAPTURED = """
import hashlib
import numpy as np
import gpucnn
from gpucnn import Trainer, optim
from gpucnn.config.build import build_network
from gpucnn.config.check import load_config
from gpucnn.data.loader import Loader
from gpucnn.kernels import dispatch
from gpucnn.training import captured


class Counting(captured.Cpu):
    programs = 0

    def capture(self, *arguments):
        Counting.programs += 1
        return super().capture(*arguments)


captured.Cpu = Counting
digest, rng = hashlib.sha256(), np.random.default_rng(0)
for name in ("lenet", "lenet_bn", "separable", "mlp", "lenet5_1998", "renom", "best_fashion"):
    for batch in (2, 40):
        gpucnn.manual_seed(0)
        net = build_network(load_config(name), (1, 28, 28), 10)
        images = rng.integers(0, 256, (2 * batch + 2, 1, 28, 28)).astype("uint8")
        trainer = Trainer(net, optim.SGD(net.parameters(), 0.05, momentum=0.9))
        loader = Loader((images, rng.integers(0, 10, len(images))), batch, shuffle=True)
        digest.update(repr([r.loss for r in trainer.run(loader, None, 2) if hasattr(r, "step")]).encode())
        for array in net.state_dict().values():
            digest.update(array.tobytes())
assert Counting.programs == (0 if dispatch.chosen() == "numpy" else 21)  # 7 networks, batches of 2, 40 and the last 2
print(digest.hexdigest())
"""


def test_any_number_of_threads_runs_captured_steps_to_the_same_bits():
    found = {in_another_process(CAPTURED, GPUCNN_THREADS=n, OPENBLAS_NUM_THREADS=n) for n in ("1", "2", "3")}
    assert len(found) == 1


FORKING = """
import os
import numpy as np
from gpucnn import threads

def count():
    done = []
    threads.run(done.append, 50, np.zeros(1))
    return len(done)

assert count() == 50
child = os.fork()
if child == 0:
    os._exit(0 if count() == 50 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_a_pool_of_its_own():
    """A child has none of its parent's threads, and would wait for them for ever."""
    assert in_another_process(FORKING, PYTHONWARNINGS="ignore") == "0\n"
