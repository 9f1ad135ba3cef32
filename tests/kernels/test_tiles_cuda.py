"""Every tile of the CUDA kernels of convolution and of products, whatever the plans would choose for a GPU."""

import itertools
import math
import re

import numpy as np
import pytest

from gpucnn import Tensor
from gpucnn.backend import load_cupy, to_device
from gpucnn.errors import ShapeError
from gpucnn.geometry import make_window
from gpucnn.kernels.cuda import gemm, plans, program
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.numpy import kernels as reference
from tests.judges import agrees, close, forward_backward, upstream

OUTS = {16: 13, 8: 15, 4: 3, 2: 3, 1: 1}  # that fill tiles of so many in part
WINDOWS = [
    make_window("conv", (5, 6), (3, 2), stride=(1, 2), padding=((1, 0), (2, 1))),
    make_window("conv", (5, 6), (2, 3), stride=(2, 1), padding=1, dilation=(3, 2)),
    make_window("conv", (5, 6), (3, 2), stride=2, padding=1, dilation=(2, 4)),
]
GRADIENTS = ("LOW_GRADIENT", "SMALL_GRADIENT", "LARGE_GRADIENT")
LAUNCHES = [plans.forward, plans.backward, plans.weight]


@pytest.fixture
def launched(monkeypatch):
    """The names of the kernels that were launched."""
    names, launch = set(), program.launch

    def noting(source, name, *arguments):
        names.add(name)
        launch(source, name, *arguments)

    monkeypatch.setattr(program, "launch", noting)
    return names


@pytest.fixture
def planned(monkeypatch):
    """Change a number of the plans."""

    def change(**numbers):
        for name, number in numbers.items():
            monkeypatch.setattr(plans, name, number)
        for launch in LAUNCHES:
            launch.cache_clear()

    yield change
    for launch in LAUNCHES:
        launch.cache_clear()


def judge(kernels, x, outs, window, groups, dtype, bias=True):
    """x (I, H, W, N) with `outs` of each group, against the reference."""
    rng = np.random.default_rng(x[0])
    weight = rng.standard_normal((groups * outs, x[0] // groups, *window.kernel)).astype(dtype)
    bias = rng.standard_normal(groups * outs).astype(dtype) if bias else None
    x = rng.standard_normal(x).astype(dtype)
    grad = rng.standard_normal((len(weight), *window.output_sizes(x.shape[1:-1]), x.shape[-1])).astype(dtype)
    results = []
    for conv in (kernels.conv, reference.conv):
        out, grad_weight, by_x = (np.full_like(like, np.nan) for like in (grad, weight, x))
        conv.forward(x, weight, bias, window, groups, groups > 1, out)
        grad_bias = None if bias is None else np.full_like(bias, np.nan)
        conv.backward_weight(x, grad, window, groups, grad_weight, grad_bias)
        conv.backward_input(weight, grad, window, groups, by_x)
        results.append((out, by_x, grad_weight, grad_bias)[: 3 if bias is None else 4])
    for name, found, expected in zip(("out", "by x", "by weight", "by bias"), *results, strict=False):
        close(found, expected, f"{name}: {x.shape}, {weight.shape}, {window}", terms=x.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("busy", [1, 10**7])
@pytest.mark.parametrize("tile", plans.CONTRACTIONS)
@pytest.mark.parametrize("most_slices", [3, 8])
def test_tiles_of_a_contraction(cuda, launched, planned, tile, most_slices, busy, dtype):
    """Full and in part, of one group and more; sums of one thread, and shared by few and by many."""
    planned(CONTRACTIONS=[tile], BUSY=busy, MOST_SLICES=most_slices)
    high, wide = tile
    for groups, images in itertools.product((1, 2), (4, 12) if wide == 4 else (1, 3, 4)):
        for window in WINDOWS:
            judge(cuda, (OUTS[high] * groups, 5, 6, images), OUTS[high], window, groups, dtype, bias=images != 4)
    assert f"contract_{high}x{wide}" in launched


@pytest.mark.parametrize("images", [1, 3, 4, 64, 66])
def test_batches(cuda, images):
    """As the plans choose: with few outs and many, in groups, and depthwise."""
    for outs, ins, groups in [(1, 1, 1), (6, 1, 1), (16, 6, 1), (33, 2, 1), (1, 5, 5), (2, 6, 3)]:
        judge(cuda, (ins, 5, 6, images), outs, WINDOWS[0], groups, "float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("blocks", [1, 100])
@pytest.mark.parametrize("images", [20, 21])
@pytest.mark.parametrize("outs", [6, 14, 70])
def test_tiles_of_the_gradient_by_the_weight(cuda, launched, planned, outs, images, blocks, dtype):
    """Small and large, of one group and more, in one part and in several, by fours of images and one by one."""
    tiles = {name: getattr(plans, name)._replace(enough=blocks) for name in GRADIENTS}
    planned(**tiles)
    for groups, window, bias in itertools.product((1, 2), WINDOWS, (False, True)):
        judge(cuda, (groups * 9, 5, 6, images), outs, window, groups, dtype, bias)
    tile = {6: "8x32", 14: "16x32", 70: "64x64"}[outs]
    assert f"gradient_{tile}x{4 if images == 20 else 1}" in launched


def test_a_long_window_is_staged_in_pieces(cuda):
    judge(cuda, (5, 400, 4), 4, make_window("conv", (400,), (390,)), 1, "float32")


@pytest.mark.parametrize("cuda", ["cuda-emulated"], indirect=True)  # on a GPU a copy of an array is always aligned
def test_arrays_that_are_not_aligned_are_read_one_by_one(cuda, launched, planned, rng):
    planned(BUSY=1)
    window, memory = WINDOWS[0], np.zeros(2 * 5 * 6 * 4 + 4, "float32")
    start = next(i for i in range(4) if memory[i:].ctypes.data % 16)
    x = memory[start : start + 2 * 5 * 6 * 4].reshape(2, 5, 6, 4)
    x[...] = rng.standard_normal(x.shape)
    weight = rng.standard_normal((3, 2, 3, 2)).astype("float32")
    found, expected = (np.empty((3, *window.output_sizes((5, 6)), 4), "float32") for _ in range(2))
    cuda.conv.forward(x, weight, None, window, 1, False, found)
    reference.conv.forward(x, weight, None, window, 1, False, expected)
    close(found, expected)
    assert all(name.endswith("x1") for name in launched)


def test_nan_and_what_it_does_not_reach(cuda):
    """As NumPy's maximum, ReLU keeps NaN; images beside it, which one thread holds too, do not see it."""
    x = np.ones((1, 3, 3, 4), "float32")
    x[0, 0, 0, 1] = np.nan
    out = np.empty((1, 3, 3, 4), "float32")
    cuda.conv.forward(x, np.ones((1, 1, 1, 1), "float32"), None, make_window("conv", (3, 3), (1, 1)), 1, True, out)
    assert np.array_equal(out, x, equal_nan=True)


def test_plans_fit_what_the_kernels_keep(rng):
    """Shared memory, the threads of a block, and every tap of every channel."""
    (staged,) = re.findall(r"STAGED = (\d+);", program.text("conv"))
    assert int(staged) == plans.STAGED
    for _ in range(2000):
        groups, outs, ins, images = (int(2 ** rng.uniform(0, 7)) for _ in range(4))
        kernel = tuple(int(2 ** rng.uniform(0, 5)) for _ in range(2))
        x, weight = (groups * ins, 40, 40, images), (groups * outs, ins, *kernel)
        launch = plans.forward.__wrapped__(make_window("conv", (40, 40), kernel), groups, x, weight, images % 4 == 0)
        high, wide = map(int, launch.kernel.removeprefix("contract_").split("x"))
        slices, chunk = launch.plan["fields"][0][7:9]
        assert 1 <= slices <= ins and 1 <= chunk <= ins
        assert chunk * math.prod(kernel) * high <= plans.STAGED
        assert (slices - 1) * plans.LANES * high * wide <= plans.STAGED
        assert launch.threads <= 1024 and launch.threads % (32 * slices) == 0


def test_a_channel_that_an_int_does_not_count_is_refused():
    x = (1, 2**14, 2**13, 16)
    with pytest.raises(ShapeError, match="a channel of 2147483648 numbers is too large .* smaller batches"):
        plans.forward(make_window("conv", x[1:3], (1, 1)), 1, x, (1, 1, 1, 1), True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("shape", [(1, 1, 1), (10, 84, 64), (7, 13, 33), (70, 130, 35), (40, 400, 1), (33, 0, 5)])
def test_tiles_of_products(cuda, launched, monkeypatch, shape, side, dtype, rng):
    """Of matrices that lie straight, transposed and neither, of stacks of one and both, with bias and ReLU."""
    monkeypatch.setattr(gemm, "SIDES", (side,))
    monkeypatch.setattr(gemm, "ENOUGH_BLOCKS", 0)
    rows, depth, columns = shape
    for stack, a_stack, lying in itertools.product([(), (2, 3)], [False, True], range(5)):
        a = rng.standard_normal((*(stack if a_stack else ()), rows, depth)).astype(dtype)
        b = rng.standard_normal((*stack, depth, columns)).astype(dtype)
        a = np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2) if lying & 1 else a
        b = np.ascontiguousarray(b.swapaxes(-1, -2)).swapaxes(-1, -2) if lying & 2 else b
        b = np.repeat(b, 2, axis=-1)[..., ::2] if lying == 4 else b
        bias = rng.standard_normal(rows).astype(dtype) if lying & 1 else None
        found, expected = np.full((*stack, rows, columns), np.nan, dtype), np.empty((*stack, rows, columns), dtype)
        for kernels, out in ((cuda, found), (reference, expected)):
            kernels.gemm.matmul(a, b, out, bias, bool(lying & 2))
        close(found, expected, (shape, stack, a_stack, lying), terms=max(1, depth))
    assert launched == {f"matmul_{side}x{side}"}


@pytest.mark.parametrize("shape", [(1, 1, 1), (10, 64, 84), (7, 0, 8), (33, 130, 32), (5, 1200, 7)])
def test_products_with_the_sums_of_rows(compiled, shape, rng):
    """Where the sums are a column of their own in the last tile, alone in a tile, and where cuBLAS has none."""
    rows, depth, columns = shape
    a, b = rng.standard_normal((rows, depth)), rng.standard_normal((columns, depth)).T
    out, sums = np.full((rows, columns), np.nan), np.full(rows, np.nan)
    compiled.gemm.matmul_and_row_sums(a, b, out, sums)
    close(out, a @ b, terms=max(1, depth))
    close(sums, a.sum(axis=1), terms=max(1, depth))


OPERANDS = [
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
]


@pytest.mark.parametrize("shapes", OPERANDS)
def test_products_of_tensors_follow_numpys_rules(cuda, shapes, rng):
    a, b = map(rng.standard_normal, shapes)
    y = a @ b
    found = forward_backward(lambda a, b: a @ b, a, b)
    left, right = (a if a.ndim > 1 else a[None]), (b if b.ndim > 1 else b[:, None])
    grad = upstream(y.shape).reshape(np.broadcast_shapes(left.shape[:-2], right.shape[:-2]) + (left.shape[-2], -1))
    by_a, by_b = grad @ right.swapaxes(-1, -2), left.swapaxes(-1, -2) @ grad
    agrees(found, [y, *(summed_to(by, like) for by, like in ((by_a, a), (by_b, b)))])


def summed_to(array, like):
    """Summed over the axes that were broadcast."""
    shape = like.shape if like.ndim > 1 else array.shape[-2:]
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    return array.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True).reshape(like.shape)


def test_products_of_tensors_that_do_not_fit_are_refused(cuda):
    with pytest.raises(ShapeError, match=r"matmul: the shapes \(2, 3\), \(4, 5\) do not fit together"):
        Tensor(np.zeros((2, 3), "float32")) @ Tensor(np.zeros((4, 5), "float32"))


def test_products_of_whole_numbers_are_whole(cuda):
    a = to_device(np.arange(6).reshape(2, 3))
    assert (kernels_of(type(a)).gemm.product(a, a.T).get() == [[5, 14], [14, 50]]).all()


def test_a_product_of_tensors_is_captured(cuda, rng):
    a, b = (to_device(rng.standard_normal(shape).astype("float32")) for shape in ((4, 3), (3, 5)))
    stream = load_cupy().cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        y = (Tensor(a) @ Tensor(b)).memory
        stream.end_capture().launch(stream)
    close(y.get(), a.get() @ b.get())
