"""Work captured as a graph: what becomes of its memory, and of a capture that fails."""

import weakref

import pytest

from gpucnn.backend import load_cupy, to_device
from gpucnn.kernels.cuda.capture import CaptureError, capture, new_stream


@pytest.fixture
def freed(emulated, monkeypatch):
    """A list of calls that give back a pool's memory: for each, whether the last graph was there still."""
    calls, graphs = [], []
    cuda, stream = load_cupy().cuda, load_cupy().cuda.Stream
    end_capture = stream.end_capture

    class Pool(cuda.MemoryPool):
        def free_all_blocks(self, stream=None):
            calls.append(bool(graphs and graphs[-1]()))
            super().free_all_blocks(stream) if stream else super().free_all_blocks()

    def ended(self):
        graph = end_capture(self)
        graphs.append(weakref.ref(graph))
        return graph

    monkeypatch.setattr(cuda, "MemoryPool", Pool)
    monkeypatch.setattr(stream, "end_capture", ended)
    return calls


def test_a_graph_goes_and_then_its_memory(freed, rng):
    x = to_device(rng.standard_normal(5))
    stream = new_stream()
    with stream:
        replay = capture(lambda: x.__iadd__(x + 1), stream)
        before = x.get()
        replay()
        assert (x.get() == 2 * before + 1).all()
    assert not freed
    del replay
    assert freed == [False]  # given back once, when the graph was gone


def test_the_memory_of_a_capture_that_failed_is_given_back(freed):
    stream = new_stream()
    with stream, pytest.raises(CaptureError, match="capturing: a copy to the host"):
        capture(lambda: to_device(load_cupy().zeros(3) + 1).get(), stream)
    assert freed == [False]
    assert not stream.is_capturing()


def test_a_capture_that_is_interrupted_is_ended(freed):
    def interrupted():
        raise KeyboardInterrupt

    stream = new_stream()
    with stream, pytest.raises(KeyboardInterrupt):
        capture(interrupted, stream)
    assert freed == [False]
    assert not stream.is_capturing()


def test_what_cannot_become_a_graph_is_a_failed_capture(emulated, monkeypatch):
    def refuse(self):
        self.work = None
        raise load_cupy().cuda.runtime.CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")

    monkeypatch.setattr(load_cupy().cuda.Stream, "end_capture", refuse)
    stream = new_stream()
    with stream, pytest.raises(CaptureError, match="out of memory"):
        capture(lambda: None, stream)
