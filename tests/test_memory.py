"""Memory of large arrays is used again: same results, no page faults, and nothing that a user keeps is touched."""

import ast
import resource
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, backend, nn, optim
from gpucnn import functional as F
from gpucnn.backend import ALIGNMENT, POOLED, empty, module_of

LIKE = np.zeros(1, np.float32)
LARGE = (POOLED // 4 + 5,)


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def test_what_nobody_refers_to_is_used_again():
    assert len({address(empty(LARGE, LIKE)) for _ in range(5)}) == 1


@pytest.mark.parametrize("keep", [lambda a: a, lambda a: a[3:], lambda a: a.reshape(5, -1).T[1], memoryview])
def test_what_is_kept_is_not_used_again(keep):
    first = empty((5, *LARGE), LIKE)
    first.fill(1)
    kept = keep(first)
    del first
    second = empty((5, *LARGE), LIKE)
    second.fill(2)
    assert (np.asarray(kept) == 1).all()
    place = address(second)
    del second
    third = empty((5, *LARGE), LIKE)
    assert address(third) == place
    assert (np.asarray(kept) == 1).all()


def test_near_sizes_share_memory_and_others_do_not():
    size = 1 << 20
    place = address(empty((size,), LIKE, np.uint8))
    assert address(empty((size - 1000,), LIKE, np.uint8)) == place
    assert address(empty((size // 2,), LIKE, np.uint8)) != place


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "int64"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 4), LARGE, (64, *LARGE)])
def test_an_array_is_as_asked_for(shape, dtype):
    array = empty(shape, LIKE, dtype)
    assert array.shape == shape and array.dtype == dtype and type(array) is np.ndarray
    assert array.flags.c_contiguous and array.flags.writeable
    assert array.nbytes < POOLED or address(array) % ALIGNMENT == 0


def test_memory_may_come_back_in_another_thread():
    arrays = [empty(LARGE, LIKE)]
    place = address(arrays[0])
    thread = threading.Thread(target=arrays.clear)
    thread.start()
    thread.join()
    assert address(empty(LARGE, LIKE)) == place


def test_many_threads_never_share_memory():
    wrong = []

    def work(number: int) -> None:
        for _ in range(200):
            array = empty(LARGE, LIKE)
            array.fill(number)
            if (array != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_debugging_fills_new_arrays_with_nan(monkeypatch):
    monkeypatch.setattr(backend, "fill_with_nan", True)
    for shape in ((4,), LARGE):
        assert np.isnan(empty(shape, LIKE)).all()
        assert empty(shape, LIKE, bool).dtype == bool


def test_nothing_counts_references():
    """CPython 3.14 borrows references: a count says nothing about who holds an object."""
    for path in Path(gpucnn.__file__).parent.rglob("*.py"):
        names = {getattr(node, "attr", getattr(node, "id", None)) for node in ast.walk(ast.parse(path.read_bytes()))}
        assert "getrefcount" not in names, path


# Whole steps


class Step:
    """A small network with every kind of layer, and what it does with a batch."""

    def __init__(self):
        gpucnn.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Residual(nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.Tanh(), nn.Dropout(0.3)),
            nn.ZeroPad2d(1),
            nn.AvgPool2d(2, padding=1),
            nn.LeakyReLU(0.1),
            nn.ReflectionPad2d(1),
            nn.Flatten(),
            nn.Linear(4 * 6 * 6, 6),
            nn.BatchNorm1d(6),
            nn.Sigmoid(),
            nn.Linear(6, 3),
        )
        self.optimizer = optim.Adam(self.net.parameters(), lr=0.01)

    def __call__(self, x: np.ndarray, labels: np.ndarray) -> float:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.net(Tensor(x)), labels)
        loss.backward()
        optim.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    def run(self, batches) -> list[bytes]:
        losses = [self(*batch) for batch in batches]
        return [np.float64(loss).tobytes() for loss in losses] + [a.tobytes() for a in self.net.state_dict().values()]


@pytest.fixture
def batches(rng):
    sizes = [8, 8, 3, 8, 1, 8, 3]
    return [(rng.standard_normal((n, 2, 10, 10)).astype("float32"), rng.integers(0, 3, n)) for n in sizes if n > 1]


def test_no_step_reads_memory_that_it_did_not_write(batches, device, monkeypatch):
    expected = Step().run(batches)
    monkeypatch.setattr(backend, "fill_with_nan", True)
    assert Step().run(batches) == expected


def test_steps_do_not_depend_on_where_arrays_lie(batches, monkeypatch):
    """Alignment decides how BLAS and the vector loops run over an array; results must not show it."""
    expected = Step().run(batches)
    offsets = iter(range(4, 1 << 30, 4))

    def misaligned(shape, like, dtype=None):
        dtype = np.dtype(like.dtype if dtype is None else dtype)
        memory = np.empty(int(np.prod(shape)) * dtype.itemsize + 4 * ALIGNMENT, np.uint8)
        start = -address(memory) % ALIGNMENT + next(offsets) % ALIGNMENT // dtype.itemsize * dtype.itemsize
        return np.ndarray(shape, dtype, memory, start)

    ours = [module for name, module in sys.modules.items() if name.startswith("gpucnn.")]
    for module in (module for module in ours if getattr(module, "empty", None) is empty):
        monkeypatch.setattr(module, "empty", misaligned)
    assert Step().run(batches) == expected


def test_a_step_takes_its_pages_from_the_one_before():
    """Without reuse, each step of this network costs thousands of page faults."""
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    x = Tensor.from_batch_last(np.zeros((1, 64, 64, 64), np.float32))
    F.global_avg_pool2d(net(x)).sum().backward()
    F.global_avg_pool2d(net(x)).sum().backward()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        F.global_avg_pool2d(net(x)).sum().backward()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 5 * 200


def test_what_was_kept_is_not_overwritten(batches, device):
    step = Step()
    x, labels = batches[0]
    step(x, labels)
    output = step.net(Tensor(x))
    values = output.numpy()
    step(x, labels)
    step(x, labels)
    np.testing.assert_array_equal(output.numpy(), values)


def test_gradients_outlive_their_step(device):
    """The optimizer, a hook or the user may look at them afterwards."""
    x = Tensor(np.ones((2, 2)), requires_grad=True)
    (x * x + x).sum().backward()
    (Tensor(np.ones((2, 2))) * 5).exp()
    assert x.grad.numpy().tolist() == [[3, 3], [3, 3]]
    assert module_of(x.grad.memory) is module_of(x.memory)
