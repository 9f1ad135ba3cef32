"""A Tensor's operators and methods, with broadcasting: NumPy's values, PyTorch's gradients."""

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from gpucnn.tensor.quiet import quietly
from tests.judges import Operation, agrees_with_torch, close, has_right_slopes, judged

pytestmark = pytest.mark.usefixtures("device")

IMAGES = (4, 3, 5, 7)
ROWS = np.array([0, 2, 2, 5])  # one row twice: it gets both gradients
MASK = np.arange(24).reshape(6, 4) % 3 == 0


def same(name, function, shapes, least=None) -> Operation:
    """An operation written alike for gpucnn and PyTorch."""
    return Operation(name, function, lambda torch, *inputs: function(*inputs), shapes, least)


BROADCASTS = [
    [(6, 4), (6, 4)],
    [(6, 4), (4,)],
    [(4,), (6, 4)],
    [(6, 1), (1, 4)],
    [(6, 4), ()],
    [(6, 4), (1,)],
    [IMAGES, (3, 1, 1)],
    [IMAGES, (1, 3, 1, 1)],
    [IMAGES, (4, 1, 1, 1)],
    [IMAGES, (7,)],
    [(2, 1, 4), (3, 1)],
]
OPERATORS = [
    same(f"{symbol} of {a} and {b}", function, [a, b], least)
    for a, b in BROADCASTS
    for symbol, function, least in [
        ("sum", lambda x, y: x + y, None),
        ("difference", lambda x, y: x - y, None),
        ("product", lambda x, y: x * y, None),
        ("quotient", lambda x, y: x / y, 0.5),
        ("power", lambda x, y: x**y, 0.5),
    ]
]
NUMBERS = [
    same("x + number", lambda x: 2 + x + 1.5, [(6, 4)]),
    same("x - number", lambda x: 2 - x - 1.5, [(6, 4)]),
    same("x * number", lambda x: 2 * x * 1.5, [(6, 4)]),
    same("x / number", lambda x: 2 / x / 1.5, [(6, 4)], 0.5),
    same("x ** number", lambda x: x**3 + x**2 + x**1 + x**0, [(6, 4)]),
    same("x ** fraction", lambda x: x**0.5 + x**-1, [(6, 4)], 0.5),
    same("number ** x", lambda x: 2**x, [(6, 4)]),
    same("-x", lambda x: -x, [IMAGES]),
]
PRODUCTS = [
    same(f"{a} @ {b}", lambda x, y: x @ y, [a, b])
    for a, b in [
        [(6, 4), (4, 3)],
        [(4,), (4, 3)],
        [(6, 4), (4,)],
        [(4,), (4,)],
        [(2, 6, 4), (2, 4, 3)],
        [(2, 6, 4), (4, 3)],
        [(6, 4), (2, 4, 3)],
        [(5, 1, 6, 4), (2, 4, 3)],
        [(2, 6, 4), (4,)],
    ]
]
ELEMENTWISE = [
    same("exp", lambda x: x.exp(), [IMAGES]),
    same("log", lambda x: x.log(), [IMAGES], 0.1),
    same("sqrt", lambda x: x.sqrt(), [IMAGES], 0.1),
    same("abs", lambda x: x.abs(), [IMAGES]),
]
REDUCTIONS = [
    Operation(
        f"{name} of {shape} over {dim}, {'kept' if keepdim else 'dropped'}",
        lambda x, n=name, d=dim, k=keepdim: getattr(x, n)(d, k),
        lambda torch, x, n=theirs, d=dim, k=keepdim: getattr(x, n)(d, k),
        [shape],
    )
    for name, theirs in [("sum", "sum"), ("mean", "mean"), ("amax", "amax")]
    for shape, dim in [
        ((6, 4), 0),
        ((6, 4), -1),
        ((6, 4), (0, 1)),
        (IMAGES, 1),
        (IMAGES, (0, 2, 3)),
        ((5,), 0),
    ]
    for keepdim in (False, True)
] + [
    Operation(
        f"{name} of everything",
        lambda x, n=name: getattr(x, n)(),
        lambda _, x, n=theirs: getattr(x, n)(),
        [s],
    )
    for name, theirs in [("sum", "sum"), ("mean", "mean"), ("amax", "amax")]
    for s in [IMAGES, (6, 4), ()]
]
SHAPES = [
    same("reshape", lambda x: x.reshape(2, -1), [IMAGES]),
    same("reshape by a tuple", lambda x: x.reshape((4, 105)), [IMAGES]),
    same("reshape to a vector", lambda x: x.reshape(-1), [(6, 4)]),
    same("permute", lambda x: x.permute(2, 0, 3, 1), [IMAGES]),
    same("transpose", lambda x: x.transpose(1, 3), [IMAGES]),
    same("transpose negative", lambda x: x.transpose(-1, 0), [IMAGES]),
]
INDEXING = [
    same("integer", lambda x: x[2], [(6, 4)]),
    same("negative integer", lambda x: x[-1], [IMAGES]),
    same("slice", lambda x: x[1:4, ::2], [(6, 4)]),
    same("ellipsis", lambda x: x[..., 1], [IMAGES]),
    same("new axis", lambda x: x[:, None, 1:3], [(6, 4)]),
    same("rows, one of them twice", lambda x: x[ROWS], [(6, 4)]),
    same("list of rows", lambda x: x[[3, 3, 0]], [(6, 4)]),
    same("elements", lambda x: x[ROWS, [1, 1, 1, 3]], [(6, 4)]),
    same("mask", lambda x: x[MASK], [(6, 4)]),
]
JOINS = [
    Operation(
        f"concatenate {shapes} along {dim}",
        lambda *xs, d=dim: gpucnn.concatenate(xs, d),
        lambda torch, *xs, d=dim: torch.cat(xs, d),
        shapes,
    )
    for shapes, dim in [
        ([(2, 4), (3, 4)], 0),
        ([(6, 1), (6, 3), (6, 2)], 1),
        ([IMAGES, IMAGES], 1),
        ([IMAGES, IMAGES], -1),
    ]
]
# What convolutions return lies in memory batch-last; whatever follows must read it as (N, C, H, W)
AFTER_CONVOLUTION = [
    Operation(
        f"convolution, then {operation.name}",
        lambda x, w, *rest, f=operation.ours: f(F.conv2d(x, w, padding=1), *rest),
        lambda torch, x, w, *rest, f=operation.theirs: f(torch, torch.conv2d(x, w, padding=1), *rest),
        [IMAGES, (3, 3, 3, 3), *operation.shapes[1:]],
    )
    for operation in [*OPERATORS, *ELEMENTWISE, *REDUCTIONS, *SHAPES, *INDEXING, *JOINS]
    if operation.shapes[0] == IMAGES and operation.least is None
]
OPERATIONS = [
    *OPERATORS,
    *NUMBERS,
    *PRODUCTS,
    *ELEMENTWISE,
    *REDUCTIONS,
    *SHAPES,
    *INDEXING,
    *JOINS,
    *AFTER_CONVOLUTION,
]


@judged(OPERATIONS)
def test_agrees_with_pytorch(torch, operation):
    agrees_with_torch(torch, operation.ours, lambda *a: operation.theirs(torch, *a), *operation.inputs())


@judged(OPERATIONS)
def test_gradients_are_the_slopes(operation):
    has_right_slopes(operation.ours, *operation.inputs())


@judged([*OPERATORS, *NUMBERS, *PRODUCTS, *ELEMENTWISE, *REDUCTIONS])
def test_float32_agrees_with_pytorch(torch, operation):
    arrays = operation.inputs("float32")
    agrees_with_torch(torch, operation.ours, lambda *a: operation.theirs(torch, *a), *arrays, terms=arrays[0].size)


@judged([op for op in OPERATIONS if op not in OPERATORS and op not in AFTER_CONVOLUTION])
def test_passes_the_gradient_check(operation):
    gpucnn.check_gradients(operation.ours, operation.inputs(), elements=0)


def test_an_array_on_the_left_is_the_tensors_business(rng):
    a, b = rng.standard_normal((2, 6, 6))
    x = Tensor(b, requires_grad=True)
    for ours, theirs in [(a + x, a + b), (a - x, a - b), (a * x, a * b), (a / x, a / b), (a @ x, a @ b)]:
        assert isinstance(ours, Tensor) and ours.requires_grad
        close(ours.numpy(), theirs)


def test_equal_greatest_values_share_the_gradient(torch):
    """PyTorch's amax does."""
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    agrees_with_torch(torch, lambda x: x.amax(1), lambda x: x.amax(1), x)


def test_clamp_passes_the_gradient_at_its_bounds(torch):
    x = np.array([-2.0, -1.0, 0.5, 2.0, 3.0])
    agrees_with_torch(torch, lambda x: x.clamp(-1.0, 2.0), lambda x: x.clamp(-1.0, 2.0), x)


def test_argmax_takes_the_first_of_equal_ones():
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    assert x.argmax(1).numpy().tolist() == [1, 0]
    assert x.argmax(1).dtype.kind == "i"


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: x + y, [(2, 3), (4,)]),
        (lambda x, y: x * y, [(2, 3, 4, 5), (2, 1, 1)]),
        (lambda x, y: x @ y, [(2, 3), (2, 3)]),
        (lambda x, y: x.reshape(*y.shape), [(2, 3), (4, 2)]),
        (lambda x, y: gpucnn.concatenate([x, y], 1), [(2, 3), (4, 2)]),
        (lambda x, y: gpucnn.stack([x, y]), [(2, 3), (4, 2)]),
    ],
)
def test_shapes_that_do_not_fit_are_told_in_words(function, shapes):
    with pytest.raises(ShapeError) as error:
        function(*(Tensor(np.zeros(shape)) for shape in shapes))
    assert all(str(shape) in str(error.value) for shape in shapes), str(error.value)


def test_an_operation_within_another_is_quiet_too() -> None:
    """As a signal's handler or a finaliser may run one at any place."""
    ones, zeros = np.ones(3), np.zeros(3)
    nested = quietly(lambda x: quietly(np.divide, x, zeros) + np.divide(x, zeros), ones)
    assert np.isinf(nested).all()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.divide(ones, zeros)
