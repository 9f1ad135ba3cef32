"""The emulated CuPy refuses what CuPy refuses, and has no names that CuPy has not."""

import copy
import pickle

import numpy as np
import pytest

from tests.emulation import fake_cupy as cp
from tests.emulation.arrays import host_memory
from tests.emulation.streams import Stream, synchronisations


def device(*shape):
    return cp.asarray(np.arange(np.prod(shape), dtype="float32").reshape(shape))


def test_arrays_are_not_numpys():
    x = device(2, 3)
    assert not isinstance(x, np.ndarray)
    assert (x.shape, x.size, x.ndim, x.nbytes, x.itemsize, x.strides) == ((2, 3), 6, 2, 24, 4, (12, 4))
    assert x.flags.c_contiguous and not x.T.flags.c_contiguous
    assert isinstance(x.get(), np.ndarray)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, host: x + host,
        lambda x, host: host + x,
        lambda x, host: x == host,
        lambda x, host: cp.maximum(x, host),
        lambda x, host: cp.copyto(x, host),
        lambda x, host: x.__setitem__(slice(None), host),
        lambda x, host: x.__iadd__(host),
        lambda x, host: host.__iadd__(x),
        lambda x, host: np.asarray(x),
        lambda x, host: np.maximum(host, x),
        lambda x, host: np.concatenate([host, x]),
    ],
)
def test_arrays_of_host_and_device_do_not_mix(mix):
    with pytest.raises(TypeError):
        mix(device(3), np.ones(3, "float32"))


def test_numbers_mix():
    x = device(3)
    for number in (2, 2.0, np.float32(2), True):
        assert (number * x).dtype == "float32"
        assert (x * number).get().tolist() == [0, number, 2 * number]


def test_results_are_arrays_on_the_device_in_c_order():
    x = device(2, 3)
    for result in (x.sum(), x.max(), x[0, 1], x.argmax(), cp.vdot(x, x), (x > 1).any()):
        assert isinstance(result, cp.ndarray) and result.shape == ()
    assert (x.T + 1).flags.c_contiguous
    assert float(x.sum()) == 15
    assert [part.shape for part in cp.split(x, 3, axis=1)] == [(2, 1)] * 3


@pytest.mark.parametrize("lies", ["C", "F", "turned", "every second"])
def test_the_order_of_an_array_from_the_host(lies):
    """Fortran order stays, which CuPy's own results have not; what lies otherwise comes in C order."""
    host = np.arange(24.0).reshape(2, 3, 4)
    host = {"C": host, "F": np.asfortranarray(host), "turned": host.swapaxes(0, 1), "every second": host[:, :, ::2]}[
        lies
    ]
    for there in (cp.asarray(host), cp.array(host, "float32")):
        assert (there.get() == host).all()
        assert there.flags.f_contiguous if lies == "F" else there.flags.c_contiguous
    fortran = cp.asarray(np.asfortranarray(host))
    for as_it_lies in (cp.empty_like, cp.zeros_like, cp.ones_like, cp.array, lambda x: x.astype("float32")):
        assert as_it_lies(fortran).flags.f_contiguous
    for in_c in (cp.ascontiguousarray, lambda x: x.copy(), lambda x: x + 1, lambda x: cp.stack([x, x]), cp.square):
        assert in_c(fortran).flags.c_contiguous
    assert cp.ascontiguousarray(fortran.sum()).shape == (1,)


def test_views_share_memory_and_name_their_owner():
    x = device(2, 3)
    row = x[1].reshape(3, 1)
    row[...] = 9
    assert x.get()[1].tolist() == [9, 9, 9]
    assert row.base is x and x.base is None
    assert x[[0, 1]].base is None


def test_what_nobody_wrote_is_no_number():
    assert np.isnan(cp.empty((2, 2)).get()).all()
    assert np.isnan(cp.empty_like(device(3)).get()).all()


def test_set_asks_for_the_same_shape_and_dtype():
    x = device(3)
    x.set(np.ones(3, "float32"))
    assert x.get().tolist() == [1, 1, 1]
    with pytest.raises(TypeError):
        x.set(np.ones(3))
    with pytest.raises(ValueError, match="Shape mismatch"):
        x.set(np.ones(4, "float32"))
    with pytest.raises(ValueError, match="Unsupported dtype"):
        cp.asarray(["text"])


def test_copies_are_copies():
    x = device(3)
    for other in (x.copy(), copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x)), cp.array(x)):
        other.fill(5)
        assert x.get().tolist() == [0, 1, 2]
    assert cp.asarray(x) is x and x.astype("float32", copy=False) is x


def test_waiting_for_the_device_is_counted():
    x = device(3)
    for wait in (
        lambda: bool(x[0]),
        lambda: float(x[0]),
        lambda: x[0].item(),
        x.get,
        lambda: x[x > 1],
        lambda: cp.cuda.Device().synchronize(),
    ):
        with synchronisations() as found:
            wait()
        assert found.count == 1
    with synchronisations() as found:
        (x + 1).sum().reshape(1)
    assert found.count == 0


@pytest.fixture
def stream():
    """One that may capture; whatever a test leaves open is closed."""
    stream = Stream(non_blocking=True)
    yield stream
    if stream.is_capturing():
        stream.end_capture()


def test_a_graph_computes_when_it_is_launched_into_the_same_memory(stream):
    x, out = device(4), cp.zeros(4, "float32")
    with stream:
        stream.begin_capture()
        doubled = 2 * x
        cp.add(doubled, 1, out=out)
        out[0] = -1
        out *= 3
        total = out.sum()
        graph = stream.end_capture()
    assert np.isnan(doubled.get()).all() and not out.get().any()
    for start in (0, 10):
        x.set(start + np.arange(4, dtype="float32"))
        graph.launch(stream)
        expected = 3 * (2 * (start + np.arange(4.0)) + 1)
        expected[0] = -3
        assert out.get().tolist() == expected.tolist() and total.item() == expected.sum()


@pytest.mark.parametrize(
    "act",
    [
        lambda x: x.get(),
        lambda x: x.sum().item(),
        lambda x: float(x[0]),
        lambda x: bool(x[0] > 1),
        lambda x: x.set(np.zeros(4, "float32")),
        lambda x: cp.asarray([1.0]),
        lambda x: x[np.array([0, 1])],
        lambda x: x[x > 1],
    ],
)
def test_a_capture_refuses_what_waits_or_copies(stream, act):
    x = device(4)
    with stream, pytest.raises(RuntimeError, match="cudaErrorStreamCaptureUnsupported"):
        stream.begin_capture()
        act(x)


@pytest.mark.parametrize(
    "act", [lambda x: x @ x, lambda x: cp.matmul(x, x), lambda x: cp.vdot(x, x), lambda x: x.dot(x)]
)
def test_a_capture_refuses_cublas_through_cupy(stream, act):
    x = device(4)
    with stream, pytest.raises(NotImplementedError, match="cuBLAS"):
        stream.begin_capture()
        act(x)


def test_a_blocking_stream_does_not_capture():
    for blocking in (Stream.null, Stream()):
        with pytest.raises(RuntimeError, match="Unsupported"):
            blocking.begin_capture()


def test_other_streams_compute_meanwhile(stream):
    x = device(3)
    stream.begin_capture()
    x += 1
    assert x.get().tolist() == [1, 2, 3]


def test_a_kernel_takes_what_cupy_passes(emulated):
    source = '#define KERNEL extern "C" __global__ void\nKERNEL none() {}\n'
    kernel = cp.RawModule(code=source, options=()).get_function("none")
    kernel((1,), (1,), ())
    for refused in (np.zeros(2), np.float32(1), "text", True):
        with pytest.raises(TypeError, match="Unsupported type"):
            kernel((1,), (1,), (refused,))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.sum(initial=1.0),
        lambda x: x.sum(where=x > 0),
        lambda x: cp.exp(x, where=x > 0),
        lambda x: np.add(x, x, order="F"),
        lambda x: cp.clip(x, min=0),
        lambda x: x.take(cp.asarray([0]), mode="wrap"),
        lambda x: cp.concatenate(arrays=[x, x]),
    ],
)
def test_keywords_that_cupy_has_not_are_refused(call):
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        call(device(3))


def test_the_memory_of_an_array_is_the_hosts(rng):
    x = cp.asarray(rng.standard_normal(5))
    assert host_memory(x).ctypes.data == x.data.ptr
