"""The judge judged: kernels that are right run, and what is undefined on a GPU is seen."""

import numpy as np
import pytest

from gpucnn.kernels.cuda import program
from tests.emulation import compiler
from tests.emulation.compiler import KernelError, Memory

pytestmark = pytest.mark.skipif(compiler.COMPILER is None, reason="there is no g++")

SOURCE = """
struct Pair {
    int first, second;
};

template <int WIDTH> __device__ REAL warp_sum(REAL value) {
    for (int distance = WIDTH / 2; distance > 0; distance /= 2)
        value += __shfl_down_sync(0xffffffff, value, distance, WIDTH);
    return value;
}

KERNEL scaled(Integer count, const REAL *x, double factor, Pair pair, REAL *out) {
    Integer i = thread_number();
    if (i < count) out[i] = (REAL)factor * x[i] + pair.first - pair.second;
}

KERNEL places(int *out) {
    Integer block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    Integer thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] += block * 1000 + thread;
}

KERNEL row_sums(Integer length, const REAL *x, REAL *out) {
    __shared__ REAL sums[8];
    REAL sum = 0;
    for (Integer i = threadIdx.x; i < length; i += blockDim.x) sum += x[blockIdx.x * length + i];
    sum = warp_sum<32>(sum);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 8) {
        sum = sums[threadIdx.x];
        for (int bits = 4; bits > 0; bits /= 2) sum += __shfl_xor_sync(0xff, sum, bits);
        if (threadIdx.x == 0) out[blockIdx.x] = sum;
    }
}

const int TEAM = 8;

KERNEL __launch_bounds__(TEAM *64, 2)
bounded(int *out) { out[threadIdx.x] = 1; }

KERNEL last_lanes(int *out) {
    int own = threadIdx.x;
    out[own] = __shfl_sync(0xffffffff, own, 3) + 100 * __shfl_up_sync(0xffffffff, own, 1);
}

KERNEL without_barrier(REAL *out) {
    __shared__ REAL tile[64];
    tile[threadIdx.x] = 1;
    out[blockIdx.x * 64 + threadIdx.x] = tile[63 - threadIdx.x];
}

KERNEL reads_beyond(Integer count, const REAL *x, REAL *out) {
    out[0] = x[count];
}

KERNEL writes_before(REAL *out) {
    out[-1] = 0;
}

KERNEL null(const REAL *nothing, REAL *out) {
    out[0] = nothing ? 1 : 2;
}

KERNEL reads_null(const REAL *nothing, REAL *out) {
    out[0] = nothing[0];
}

KERNEL some_wait() {
    if (threadIdx.x < 10)
        __syncthreads();
    else
        __syncwarp();
}

KERNEL two_barriers() {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

KERNEL some_have_ended() {
    if (threadIdx.x >= 10) return;
    __syncthreads();
}
"""
PAIR = np.array([5, 2], np.int32).tobytes()


@pytest.fixture
def kernels():
    """Of the source above, in float32."""
    common = (program.SOURCE / "common.cuh").read_text()
    return compiler.compiled(common + SOURCE, program.options("float32"))


def memory(array: np.ndarray) -> Memory:
    return Memory(array.ctypes.data, array.nbytes, array.dtype)


@pytest.mark.parametrize("count", [1, 255, 1000])
def test_values_arrays_and_structs_arrive(kernels, count, rng):
    x, out = rng.integers(-9, 10, count).astype("float32"), np.full(1000, 7, "float32")
    kernels["scaled"]((4,), (256,), [count, memory(x), 0.5, PAIR, memory(out)])
    np.testing.assert_array_equal(out[:count], np.float32(0.5) * x + 3)
    assert (out[count:] == 7).all()


def test_every_thread_of_every_block_runs_once(kernels):
    out = np.zeros(24 * 30, np.int32)
    kernels["places"]((2, 3, 4), (5, 3, 2), [memory(out)])
    expected = 1000 * np.arange(24)[:, None] + np.arange(30)
    np.testing.assert_array_equal(out, expected.reshape(-1))


@pytest.mark.parametrize("length", [1, 31, 300, 1000])
def test_barriers_and_shuffles(kernels, length, rng):
    x, out = rng.integers(-9, 10, (5, length)).astype("float32"), np.zeros(5, "float32")
    kernels["row_sums"]((5,), (256,), [length, memory(x), memory(out)])
    np.testing.assert_array_equal(out, x.sum(axis=1))


def test_lanes_receive_of_lanes(kernels):
    out = np.zeros(64, np.int32)
    kernels["last_lanes"]((1,), (64,), [memory(out)])
    lanes = np.arange(64)
    before = np.where(lanes % 32, lanes - 1, lanes)  # the first lane has none before it
    np.testing.assert_array_equal(out, lanes // 32 * 32 + 3 + 100 * before)


def test_arguments_may_be_parts_of_one_array(kernels):
    whole = np.arange(8, dtype="float32")
    kernels["scaled"]((1,), (32,), [4, memory(whole[:4]), 1.0, PAIR, memory(whole[2:6])])
    assert whole[6:].tolist() == [6, 7]
    kernels["scaled"]((1,), (32,), [8, memory(whole), 0.0, PAIR, memory(whole)])
    assert (whole == 3).all()


def test_a_missing_barrier_shows(kernels):
    out = np.zeros(128, "float32")
    kernels["without_barrier"]((2,), (64,), [memory(out)])
    assert np.isnan(out).any()


@pytest.mark.parametrize("length", [1, 5, 16, 1000])
def test_no_step_over_an_arrays_ends(kernels, length):
    x = np.zeros(2 * length, "float32")
    with pytest.raises(KernelError, match=r"writes_before: writes outside"):
        kernels["writes_before"]((1,), (1,), [memory(x[length:])])
    if length % 4 == 0:  # else what follows up to 16 bytes is NaN
        with pytest.raises(KernelError, match=r"reads_beyond: thread 0 of block \(0, 0, 0\) reads or writes outside"):
            kernels["reads_beyond"]((1,), (1,), [length, memory(x[:length]), memory(x[:1].copy())])
    else:
        out = np.zeros(1, "float32")
        kernels["reads_beyond"]((1,), (1,), [length, memory(x[:length].copy()), memory(out)])
        assert np.isnan(out[0])


def test_null_pointers(kernels):
    out = np.zeros(1, "float32")
    kernels["null"]((1,), (1,), [None, memory(out)])
    assert out[0] == 2
    with pytest.raises(KernelError, match="reads or writes outside of every array"):
        kernels["reads_null"]((1,), (1,), [None, memory(out)])


@pytest.mark.parametrize("name", ["some_wait", "two_barriers"])
def test_a_barrier_that_not_all_come_to(kernels, name):
    for _ in range(2):  # the first leaves nothing behind
        with pytest.raises(KernelError, match=r"waits in line \d+ for threads that do not come: thread \d+ waits in"):
            kernels[name]((1,), (64,), [])
    test_barriers_and_shuffles(kernels, 300, np.random.default_rng(0))


def test_threads_that_have_ended_are_not_waited_for(kernels):
    kernels["some_have_ended"]((3,), (64,), [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([1, 1.0], "scaled has 5 parameters; given 2 arguments"),
        ([1.0, None, 1.0, PAIR, None], "count is Integer of 8 bytes; given 1.0"),
        ([1, None, 1, PAIR, None], "factor is double of 8 bytes; given 1"),
        ([1, None, 1.0, PAIR + PAIR, None], "pair is Pair of 8 bytes; given 16 bytes"),
        ([1, 3, 1.0, PAIR, None], r"x is float \*; given 3"),
        ([1, memory(np.zeros(3)), 1.0, PAIR, None], r"x is float \*; given Memory.*float64"),
    ],
)
def test_arguments_that_are_not_the_parameters(kernels, arguments, words):
    with pytest.raises(KernelError, match=words):
        kernels["scaled"]((1,), (1,), arguments)


@pytest.mark.parametrize(
    ("blocks", "threads"), [((0,), (32,)), ((1,), (1025,)), ((1, 70_000), (1,)), ((1,), (1, 1, 65))]
)
def test_launches_that_a_gpu_refuses(kernels, blocks, threads):
    with pytest.raises(KernelError, match="cannot be launched"):
        kernels["some_have_ended"](blocks, threads, [])


def test_more_threads_than_there_may_be_registers_for(kernels):
    out = np.zeros(512, "int32")
    kernels["some_have_ended"]((1,), (256,), [])
    kernels["bounded"]((1,), (512,), [memory(out)])
    assert out.all()
    for name, arguments, most in (("some_have_ended", [], 256), ("bounded", [memory(out)], 512)):
        with pytest.raises(KernelError, match=f"{name} is launched .* __launch_bounds__ says so; now {most}"):
            kernels[name]((1,), (most + 32,), arguments)


def test_a_source_that_does_not_compile():
    with pytest.raises(KernelError, match="does not compile"):
        compiler.compiled("KERNEL broken( {", ())


ROUNDED = """
KERNEL rounded(const REAL *x, REAL *out) {
    out[0] = x[0] * x[1] + x[2];
    out[1] = x[3] * x[4];
    out[2] = x[5] * 2;
}
"""


@pytest.mark.parametrize("form", ["", "fused"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_round_one_by_one_or_as_a_gpus(form, dtype):
    """A product less what it rounds to is 0, or in one rounding the rest; denormal floats are kept, or 0."""
    dtype = np.dtype(dtype)
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    x = np.array([1 + eps, 1 + eps, -1 - 2 * eps, tiny, 0.5, tiny / 4], dtype)
    assert x[5] > 0
    out = np.full(3, np.nan, dtype)
    text = (program.SOURCE / "common.cuh").read_text() + ROUNDED
    compiler.compiled(text, program.options(dtype), form)["rounded"]((1,), (1,), [memory(x), memory(out)])
    flushed = form == "fused" and dtype == "float32"
    expected = [eps**2 if form == "fused" else 0, *([0, 0] if flushed else [tiny / 2, tiny / 2])]
    assert out.tolist() == expected
    assert x[5] * dtype.type(2) > 0  # afterwards NumPy has them
