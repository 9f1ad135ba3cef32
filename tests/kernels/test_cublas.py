"""cuBLAS, as the CUDA kernels call it: on a GPU, and against a library over NumPy that takes the same arguments."""

import ctypes
import functools
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn.backend import load_cupy, to_device, zeros
from gpucnn.errors import DeviceError, InputError
from gpucnn.geometry import make_window
from gpucnn.kernels.cuda import columns, cublas, gemm, precision, program, tensor
from gpucnn.kernels.numpy import kernels as reference
from tests.configurations import COUNT, convolution
from tests.emulation.proxy import OnHost
from tests.judges import close

N, T = 0, 1  # cublasOperation_t


class One(NamedTuple):
    """What cublasGemmEx is called with, after the handle."""

    a_turned: int
    b_turned: int
    m: int
    n: int
    k: int
    alpha: int
    a: int
    a_type: int
    a_leading: int  # numbers from one column to the next
    b: int
    b_type: int
    b_leading: int
    beta: int
    c: int
    c_type: int
    c_leading: int
    compute: int
    algorithm: int


class Stack(NamedTuple):
    """What cublasGemmStridedBatchedEx is called with, after the handle."""

    a_turned: int
    b_turned: int
    m: int
    n: int
    k: int
    alpha: int
    a: int
    a_type: int
    a_leading: int  # numbers from one column to the next
    a_step: int  # numbers from one matrix to the next
    b: int
    b_type: int
    b_leading: int
    b_step: int
    beta: int
    c: int
    c_type: int
    c_leading: int
    c_step: int
    batch: int
    compute: int
    algorithm: int


class Recorder:
    """A library whose calls are noted, after C's conversion of their arguments by the signatures.

    A `status` that is not 0 is what its functions return, and all they do.
    """

    def __init__(self, library: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.status, self._library = 0, library
        for name, arguments in cublas.SIGNATURES.items():
            setattr(self, name, ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(functools.partial(self._called, name)))

    def _called(self, name: str, first: int, *others: int | None) -> int:
        rest = [other or 0 for other in others]  # a null pointer arrives as None
        self.calls.append((name, first, *rest))
        return self.status or getattr(self._library, name)(ctypes.c_void_p(first) if rest else first, *rest)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments, after the handle, of every call of a function."""
        return [call[2:] for call in self.calls if call[0] == name]

    @property
    def products(self) -> list[One | Stack]:
        """The products that were asked for."""
        made = {"cublasGemmEx": One, "cublasGemmStridedBatchedEx": Stack}
        return [made[call[0]](*call[2:]) for call in self.calls if call[0] in made]


@pytest.fixture
def library(cuda, monkeypatch):
    """cuBLAS, and one over NumPy, whose calls are noted, from the first on."""
    recorder = Recorder(cublas.library())
    monkeypatch.setattr(cublas, "library", lambda: recorder)
    cublas.handle.cache_clear()
    yield recorder
    cublas.handle.cache_clear()


@pytest.fixture
def rounded(cuda):
    """Factors are rounded for tensor cores, to 11 bits: by how many times the error of a product then is larger.

    The library over NumPy does not round.
    """
    precision.set("tf32")
    return 1 if isinstance(cuda, OnHost) else 2**-10 / 1e-5  # `close` takes 1e-5 for a product of float32


def on_device(shape, dtype="float32"):
    return to_device(np.random.default_rng(0).standard_normal(shape).astype(dtype))


def test_the_transposed_product_is_asked_for_in_columns(library):
    """out (2, 3) = a (2, 5) b (5, 3): three rows and two columns to cuBLAS, from bᵀ and aᵀ, which lie in its order."""
    a, b, out = on_device((1, 2, 5)), on_device((1, 5, 3)), on_device((1, 2, 3))
    cublas.multiply(a, b, out)
    (asked,) = library.products
    assert asked._replace(alpha=0, beta=0) == One(
        *(N, N, 3, 2, 5, 0),
        *(b.data.ptr, 0, 3),
        *(a.data.ptr, 0, 5),
        *(0, out.data.ptr, 0, 3),
        *(68, -1),
    )


def test_one_product_is_not_asked_for_as_a_stack(library):
    """cuBLAS sums over great depths many times slower in a stack, even in a stack of one."""
    for count, kind in ((1, One), (2, Stack)):
        cublas.multiply(on_device((1, 2, 5)), on_device((count, 5, 3)), on_device((count, 2, 3)))
        assert type(library.products[-1]) is kind


def test_either_way_gives_the_same(library):
    a, b = on_device((1, 4, 5)), on_device((1, 3, 5)).swapaxes(1, 2)
    for add in (False, True):
        results = [on_device((1, 4, 3)) for _ in range(2)]
        for multiply, out in zip((cublas.multiply_one, cublas.multiply_stack), results, strict=True):
            multiply(a, b, out, add)
        assert (results[0].get() == results[1].get()).all()
        close(results[0].get(), a.get() @ b.get() + (on_device((1, 4, 3)).get() if add else 0))


def test_what_lies_transposed_is_not_copied(library):
    a, b = on_device((4, 5, 2)).swapaxes(1, 2), on_device((4, 3, 5)).swapaxes(1, 2)
    out = on_device((4, 2, 3))
    cublas.multiply(a, b, out)
    (asked,) = library.products
    assert asked._replace(alpha=0, beta=0) == Stack(
        *(T, T, 3, 2, 5, 0),
        *(b.data.ptr, 0, 5, 15),
        *(a.data.ptr, 0, 2, 10),
        *(0, out.data.ptr, 0, 3, 6),
        *(4, 68, -1),
    )


SHAPES = [(1, 1, 1), (10, 84, 64), (7, 13, 3), (1, 5, 7), (5, 1, 7), (5, 7, 1), (1, 5, 1), (1, 1, 5), (5, 1, 1)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_products(cuda, monkeypatch, shape, dtype, rng):
    """Straight and transposed, of single rows and columns, with a stack of either or both, with bias and ReLU."""
    monkeypatch.setattr(gemm, "MOST_PRODUCTS", -1)
    rows, depth, count = shape
    for stack, a_stack in [((), ()), ((3,), ()), ((2, 3), (2, 3))]:
        for turned in range(4):
            a, b = rng.standard_normal((*a_stack, rows, depth)), rng.standard_normal((*stack, depth, count))
            a, b = (lying(x.astype(dtype), turned & bit) for x, bit in ((a, 1), (b, 2)))
            bias = rng.standard_normal(rows).astype(dtype) if turned % 3 else None
            relu = not turned % 2
            found, expected = np.full((*stack, rows, count), np.nan, dtype), np.empty((*stack, rows, count), dtype)
            cuda.gemm.matmul(a, b, found, bias, relu)
            reference.gemm.matmul(a, b, expected, bias, relu)
            close(found, expected, (shape, stack, a_stack, turned), terms=depth)


def lying(x, transposed):
    """x, in memory transposed or not."""
    return np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2) if transposed else x


@pytest.mark.parametrize(("name", "number"), [("float32", 68), ("tf32", 77), ("bf16", 75)])
def test_the_precision_is_that_of_float32_alone(library, rounded, name, number):
    precision.set(name)
    assert precision.get() == name
    for dtype, expected in (("float32", number), ("float64", 70)):
        cublas.multiply(*(on_device((1, 2, 2), dtype) for _ in range(3)))
        assert library.products[-1].compute == expected


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="precision is 'fp8'; expected one of float32, tf32, bf16"):
        precision.set("fp8")


@pytest.mark.parametrize("tile_bytes", [1, 1000, 1 << 28])
def test_rounded_convolutions_are_products_of_columns(cuda, rounded, monkeypatch, tile_bytes):
    """On a GPU whose tensor cores do not take TF32. The results are the reference's, whatever the tiles."""
    monkeypatch.setattr(columns, "TILE_BYTES", tile_bytes)
    monkeypatch.setattr(tensor, "PAYING_OUTS", 1)
    monkeypatch.setattr(tensor, "PAYING_COLUMNS", 1)
    monkeypatch.setattr(tensor, "_capable", lambda device: False)
    for config in map(convolution, range(0, COUNT, 8)):
        options = dict(config.options)
        groups = options.pop("groups")
        x, w, *bias = (array.astype("float32") for array in config.arrays)
        window = make_window("conv", x.shape[2:], w.shape[2:], **options)
        for images in (x, np.repeat(x, 4, axis=0)):
            moved = np.ascontiguousarray(np.moveaxis(images, 0, -1))
            judge_convolution(cuda, moved, w, bias[0] if bias else None, window, groups, config, rounded)


def lenet():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def launches(net, shape, precise, monkeypatch):
    """What a forward and a backward pass launch: the names of kernels, and "cuBLAS" for its products."""
    names, launch, multiply = [], program.launch, cublas.multiply
    precision.set(precise)
    with monkeypatch.context() as patched:
        patched.setattr(program, "launch", lambda *given: names.append(given[1]) or launch(*given))
        patched.setattr(cublas, "multiply", lambda *given, **add: names.append("cuBLAS") or multiply(*given, **add))
        net(Tensor(np.ones(shape, "float32"), requires_grad=True)).sum().backward()
    return names


def test_thin_convolutions_are_launched_alike_in_every_precision(cuda, monkeypatch):
    """LeNet's, of 6 and 16 outs, would leave the tiles of tensor cores mostly empty."""
    net, shape = lenet(), (4, 1, 28, 28)
    exact = launches(net, shape, "float32", monkeypatch)
    assert "cuBLAS" not in exact and {"gradient_pooled_8x32x4", "gradient_pooled_16x32x4"} <= set(exact)
    for precise in ("tf32", "bf16"):
        assert launches(net, shape, precise, monkeypatch) == exact


@pytest.mark.parametrize(
    ("ins", "outs", "side", "groups", "rounded"),
    [
        (32, 64, 3, 1, True),  # ReNom's second
        (1, 32, 3, 1, False),  # and its first, of 9 columns
        (64, 64, 3, 4, False),
        (64, 128, 3, 2, True),
        (64, 32, 1, 1, True),
        (64, 31, 1, 1, False),
        (63, 32, 1, 1, False),
    ],
)
@pytest.mark.parametrize(("images", "capable"), [(4, True), (3, True), (4, False)])
def test_convolutions_of_many_outs_and_columns_are_rounded(
    cuda, monkeypatch, ins, outs, side, groups, rounded, images, capable
):
    """On tensor cores where these take TF32 and four images are read at once, else as products of columns."""
    monkeypatch.setattr(tensor, "_capable", lambda device: capable)
    net, shape = nn.Conv2d(ins, outs, side, padding=side // 2, groups=groups), (images, ins, 5, 5)
    assert "cuBLAS" not in launches(net, shape, "float32", monkeypatch)
    names = launches(net, shape, "tf32", monkeypatch)
    on_tensor_cores = rounded and capable and images == 4
    assert names.count("cuBLAS") == (3 if rounded and not on_tensor_cores else 0)
    assert ("gradient_tensor" in names and names.count("tensor_64") + names.count("tensor_32") == 2) == on_tensor_cores


def judge_convolution(cuda, x, w, bias, window, groups, what, error=1):
    """x is batch-last; `error`: how many times what is usual a product may be off."""
    shape = (len(w), *window.output_sizes(x.shape[1:-1]), x.shape[-1])
    grad = np.random.default_rng(1).standard_normal(shape).astype(x.dtype)
    results = []
    for kernels in (cuda.conv, reference.conv):
        out, grad_weight, by_x = np.full_like(grad, np.nan), np.full_like(w, np.nan), np.full_like(x, np.nan)
        kernels.forward(x, w, bias, window, groups, True, out)
        kernels.backward_weight(x, grad, window, groups, grad_weight)
        kernels.backward_input(w, grad, window, groups, by_x)
        results.append((out, grad_weight, by_x))
    for found, expected in zip(*results, strict=True):
        close(found, expected, what, terms=x.size * error**2)


def test_a_window_of_more_taps_than_the_kernels_stage(cuda, rng):
    x, w = rng.standard_normal((2, 3000, 2)), rng.standard_normal((2, 2, 2100))
    judge_convolution(cuda, x, w, None, make_window("conv", (3000,), (2100,)), 1, "")


def test_work_goes_to_the_current_stream_with_a_workspace_of_its_own(library):
    arrays = [on_device((1, 2, 2)) for _ in range(3)]
    for stream in (load_cupy().cuda.Stream.null, load_cupy().cuda.Stream(non_blocking=True)):
        library.calls.clear()
        with stream:
            cublas.multiply(*arrays)
            cublas.multiply(*arrays)
        assert library.of("cublasSetStream_v2") == [(stream.ptr,)]
        hopper = load_cupy().cuda.Device().compute_capability.startswith("9")
        assert [size for _, size in library.of("cublasSetWorkspace_v2")] == [1 << (25 if hopper else 22)]
        assert len(library.products) == 2


def test_a_product_is_captured(library):
    stream = load_cupy().cuda.Stream(non_blocking=True)
    a, b, out = on_device((1, 2, 5)), on_device((1, 5, 3)), zeros((1, 2, 3), on_device((1, 1, 1)))
    with stream:
        cublas.multiply(a, b, out)
        expected = out.get()
        out.fill(0)
        stream.begin_capture()
        cublas.multiply(a, b, out)
        graph = stream.end_capture()
        assert not out.get().any()
        graph.launch(stream)
    assert (out.get() == expected).all()


@pytest.mark.parametrize(("status", "name"), [(1, "NOT_INITIALIZED"), (15, "NOT_SUPPORTED"), (99, "99")])
def test_a_status_is_named(library, status, name):
    library.status = status
    with pytest.raises(DeviceError, match=f"^cublasCreate_v2 failed: CUBLAS_STATUS_{name}$"):
        cublas.multiply(*(on_device((1, 2, 2)) for _ in range(3)))


def test_a_library_that_is_not_there_is_named(monkeypatch):
    def missing(name):
        raise RuntimeError(f"no {name} here\nlooked in: everywhere")

    monkeypatch.setitem(sys.modules, "cuda", None)
    with pytest.raises(DeviceError, match="cuBLAS.* cannot be loaded: .*cuda.*pip install 'cupy-cuda13x"):
        cublas.library.__wrapped__()
    monkeypatch.setitem(
        sys.modules, "cuda", SimpleNamespace(pathfinder=SimpleNamespace(load_nvidia_dynamic_lib=missing))
    )
    with pytest.raises(DeviceError, match="cannot be loaded: no cublas here. Install"):
        cublas.library.__wrapped__()
