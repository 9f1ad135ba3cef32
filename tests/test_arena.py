"""Buffers reused from step to step: same results, no new memory, and nothing that a user keeps is touched."""

import threading

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.arena import ALIGNMENT, SMALL, Arena, empty


def address(array: np.ndarray) -> int:
    return array.ctypes.data


LIKE = np.zeros(1, np.float32)


def test_the_nth_request_gets_the_nth_buffer_again():
    arena = Arena()
    addresses = []
    for _ in range(3):
        with arena.step():
            addresses.append([address(empty(shape, LIKE)) for shape in [(3, 4), (5,), (3, 4)]])
    assert addresses[0] == addresses[1] == addresses[2]
    assert len(set(addresses[0])) == 3, "within a step no buffer is given twice"


def test_every_key_has_its_own_buffers():
    """The last, smaller batch neither takes the others' buffers nor makes them be allocated anew."""
    arena, found = Arena(), []
    for size in (8, 3, 8, 3):
        with arena.step(size):
            found.append(address(empty((size,), LIKE)))
    assert found[:2] == found[2:]
    assert arena.nbytes == (8 + 3) * 4


def test_a_step_that_asks_for_something_else_gets_it():
    arena = Arena()
    for shape, dtype in [((3, 4), "float32"), ((4, 4), "float32"), ((4, 4), "float64"), ((4, 4), "bool")]:
        with arena.step():
            given = empty(shape, LIKE, dtype=dtype)
            assert given.shape == shape and given.dtype == dtype


def test_outside_a_step_nothing_is_reused():
    arena = Arena()
    with arena.step():
        inside = empty((4,), LIKE)
    kept = [empty((4,), LIKE) for _ in range(3)]
    assert len({address(a) for a in [inside, *kept]}) == 4


def test_a_step_ends_with_an_error_too():
    arena = Arena()
    with pytest.raises(KeyError), arena.step():
        raise KeyError
    with arena.step():
        inside = empty((4,), LIKE)
    assert address(empty((4,), LIKE)) != address(inside)


def test_another_thread_is_outside():
    arena, found = Arena(), []
    with arena.step():
        thread = threading.Thread(target=lambda: found.append(empty((4,), LIKE)))
        thread.start()
        thread.join()
    assert arena.nbytes == 0 and len(found) == 1


def test_buffers_are_aligned_and_so_are_large_arrays_outside_a_step():
    with Arena().step():
        for count in range(1, 40):
            assert address(empty((count,), LIKE)) % ALIGNMENT == 0
    for count in range(SMALL + 1, SMALL + 40):
        assert address(empty((count,), LIKE)) % ALIGNMENT == 0


def test_debug_fills_reused_buffers_with_nan():
    arena = Arena(debug=True)
    for _ in range(2):
        with arena.step():
            given = empty((4,), LIKE)
            assert np.isnan(given).all()
            given[:] = 1


def test_the_variable_switches_debug_on(monkeypatch):
    monkeypatch.setenv("GPUCNN_DEBUG_ARENA", "1")
    with Arena().step():
        assert np.isnan(empty((4,), LIKE)).all()


# Whole steps


class Step:
    """A small network with every kind of layer, and what it does with a batch."""

    def __init__(self, arena: Arena | None):
        gpucnn.manual_seed(0)
        self.arena = arena
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
        if self.arena is None:
            return self.train(x, labels)
        with self.arena.step(x.shape):
            return self.train(x, labels)

    def train(self, x, labels) -> float:
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


def test_steps_with_reused_buffers_filled_with_nan_give_the_same_bits(batches, device):
    expected = Step(None).run(batches)
    assert Step(Arena()).run(batches) == expected
    assert Step(Arena(debug=True)).run(batches) == expected


def test_a_training_step_takes_no_new_buffers(batches):
    arena = Arena()
    step = Step(arena)
    step(*batches[0])
    held = arena.nbytes
    step(*batches[1])
    assert arena.nbytes == held > 0


def test_what_was_made_outside_a_step_is_not_overwritten(batches, device):
    step = Step(Arena(debug=True))
    x, labels = batches[0]
    step(x, labels)
    output = step.net(Tensor(x))
    values = output.numpy()
    step(x, labels)
    step(x, labels)
    np.testing.assert_array_equal(output.numpy(), values)


def test_gradients_outlive_their_step(batches, device):
    """The optimizer, a hook or the user may look at them after the block."""
    arena, x = Arena(debug=True), Tensor(np.ones((2, 2)), requires_grad=True)
    with arena.step():
        (x * x + x).sum().backward()
    with arena.step():
        (Tensor(np.ones((2, 2))) * 5).exp()
    assert x.grad.numpy().tolist() == [[3, 3], [3, 3]]
