"""The emulated pools keep books as CuPy's do."""

import gc

import pytest

from tests.emulation import fake_cupy as cp
from tests.emulation import pools


@pytest.fixture
def pool():
    pool = cp.cuda.MemoryPool()
    yield pool
    pool.free_all_blocks()


def test_arrays_are_of_the_allocators_memory(pool):
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.zeros(200, "float32")
        y = x + 1
        view = y[3:]
    z = x + 1
    assert pool.used_bytes() == 2 * 1024 and pool.calls.count("malloc") == 2  # in whole units of 512 bytes
    del x, y
    gc.collect()
    assert pool.used_bytes() == 1024 and pool.total_bytes() == 2048 and z.size
    del view
    assert pool.used_bytes() == 0 and pool.free_bytes() == 2048
    pool.free_all_blocks()
    assert pool.total_bytes() == 0 and pool.calls[-1] == "free_all_blocks"


def test_what_was_given_back_is_used_again(pool):
    for _ in range(3):
        held = pool.malloc(1000)
        del held
    assert pool.total_bytes() == 1024


def test_a_limit_and_the_device_end(pool):
    pool.set_limit(2048)
    held = pool.malloc(1024)
    with pytest.raises(
        cp.cuda.memory.OutOfMemoryError, match=r"1,536 bytes \(allocated so far: 1,024 .*limit .* 2,048"
    ):
        pool.malloc(1500)
    pool.set_limit()
    with pytest.raises(
        MemoryError, match=r"Out of memory allocating 1,073,741,824 bytes \(allocated so far: 1,024 bytes"
    ):
        pool.malloc(pools.DEVICE_BYTES)
    assert held.size == pool.total_bytes()


@pytest.mark.parametrize("freed", [True, False])
def test_the_device_loses_what_a_pool_keeps_that_goes(freed):
    before = cp.cuda.runtime.memGetInfo()[0]
    pool = cp.cuda.MemoryPool()
    kept, given_back = pool.malloc(512), pool.malloc(1024)
    assert cp.cuda.runtime.memGetInfo()[0] == before - 1536
    del given_back
    if freed:
        pool.free_all_blocks()
    del pool
    assert cp.cuda.runtime.memGetInfo()[0] == before - 512 - (0 if freed else 1024)
    del kept
    assert cp.cuda.runtime.memGetInfo()[0] == before - (0 if freed else 1024)
