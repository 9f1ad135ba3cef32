"""PyTorch's idioms: each gives PyTorch's values and gradients, or an error; none passes and does something else."""

import copy
import pickle

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, no_grad
from tests.judges import agrees_with_torch, close

A, B = (np.random.default_rng(seed).uniform(0.5, 2.0, (3, 4)) for seed in (0, 1))


# --- in place ---------------------------------------------------------------------------------------------------------


def iadd(x, y):
    x += y


def isub(x, y):
    x -= y


def imul(x, y):
    x *= y


def idiv(x, y):
    x /= y


def ipow(x, y):
    x **= 2


def imod(x, y):
    x %= y


def ifloor(x, y):
    x //= y


def set_row(x, y):
    x[1] = y[0]


def set_mask(x, y):
    x[x > 1] = 0.0


def add_to_row(x, y):
    x[1] += y[0]


def set_elements(x, y):
    x[[0, 2], [1, 3]] = y[0, :2]


def by_name(name, *values):
    def change(x, y):
        getattr(x, name)(*(y if value == "y" else value for value in values))

    change.__name__ = name
    return change


CHANGES = [
    iadd, isub, imul, idiv, ipow, imod, ifloor, set_row, set_mask, add_to_row, set_elements,
    *(by_name(f"{name}_", "y") for name in ("add", "sub", "mul", "div", "pow", "copy")),
    *(by_name(f"{name}_") for name in ("exp", "log", "sqrt", "abs", "neg", "square", "rsqrt", "reciprocal", "sin",
                                       "cos", "sign", "floor", "ceil", "round", "zero")),
    by_name("clamp_", 0.7, 1.5), by_name("clip_", 0.7, 1.5), by_name("fill_", 3.0), by_name("lerp_", "y", 0.25),
    by_name("addcmul_", "y", "y"), by_name("addcdiv_", "y", "y"), by_name("cumsum_", 1),
]  # fmt: skip
# What the change is made to, and what is looked at afterwards.
PLACES = {
    "itself": lambda x: x,
    "data": lambda x: x.data,
    "detached": lambda x: x.detach(),
    "reshaped": lambda x: x.reshape(4, 3).reshape(3, 4),
    "view": lambda x: x.view(-1).view(3, 4),
    "part": lambda x: x[0:3],
    "transposed": lambda x: x.permute(1, 0).transpose(0, 1),
    "unsqueezed": lambda x: x.unsqueeze(0).squeeze(0),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_in_place_is_pytorchs(torch, change, place):
    """Without gradients: the Tensor, a view taken before, and one taken of it show the same values as PyTorch's."""
    seen = []
    for make in (Tensor, torch.tensor):
        x, y = make(A), make(B)
        before = x[1]
        target = PLACES[place](x)
        change(target, y)
        seen.append([each.numpy() for each in (x, target, before, x.reshape(-1))])
    for ours, theirs in zip(*seen, strict=True):
        close(ours, theirs)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_recorded_change_has_pytorchs_gradients(torch, change):
    if change is ifloor:
        pytest.skip("PyTorch has no gradient of it")
    other = A * 0 + 2.0 if change is imod else B  # PyTorch's gradient by the divisor is another where it divides

    def work(x, y):
        h = x * 1.5
        change(h, y)
        return h * x

    found = [x.grad for x in _after(Tensor, work, other)]
    expected = _after(torch.tensor, work, other)
    for ours, theirs in zip(found, expected, strict=True):
        if theirs.grad is None or not theirs.grad.abs().sum():
            assert ours is None or not ours.numpy().any()
        else:
            close(ours.numpy(), theirs.grad.numpy())


def _after(make, work, other):
    x, y = make(A, requires_grad=True), make(other, requires_grad=True)
    work(x, y).sum().backward()
    return x, y


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_leaf_is_changed_under_no_grad_alone(torch, change):
    for make in (Tensor, torch.tensor):
        x = make(A - 0.75, requires_grad=True)
        with pytest.raises(RuntimeError, match="no_grad|leaf"):
            change(x, make(B))
        with no_grad(), torch.no_grad():
            change(x, make(B))
        assert x.requires_grad and x.is_leaf and (x.detach().numpy() != A - 0.75).any()


def test_an_update_by_hand_updates(torch):
    net = gpucnn.nn.Linear(4, 2)
    before, array = net.weight.numpy(), net.weight.memory
    net(Tensor(A.astype("f4"))).sum().backward()
    with no_grad():
        for p in net.parameters():
            p -= 0.5 * p.grad
        net.weight -= net.weight.grad
    assert isinstance(net.weight, gpucnn.nn.Parameter) and net.weight.memory is array
    close(net.weight.numpy(), before - 1.5 * net.weight.grad.numpy())
    net.weight.data.zero_()
    net.weight.data[0, 0] = 5
    net.weight.data -= 1
    assert net.weight.numpy()[0].tolist() == [4, -1, -1, -1]


@pytest.mark.parametrize(
    "change",
    [lambda h: h.add_(1), lambda h: h.__setitem__(0, 1.0), lambda h: h[0].zero_(), lambda h: h.view(-1).zero_()],
)
@pytest.mark.parametrize("operation", [lambda h: h.exp(), lambda h: h * h, lambda h: h.relu(), lambda h: h[1] * h[1]])
@pytest.mark.parametrize("recorded", [True, False])
def test_what_backward_needs_is_not_changed_unnoticed(operation, change, recorded):
    """Right gradients, or an error, where the input of an operation is changed after it ran, or its result is."""
    for of_result in (False, True):
        x = Tensor(A, requires_grad=True)
        h = x * 1.0
        y = operation(h)
        z = y * y
        with gpucnn.no_grad() if not recorded else np.errstate():
            change(y if of_result else h)
        try:
            z.sum().backward()
        except RuntimeError as error:
            assert "changed" in str(error)
            continue
        right = Tensor(A, requires_grad=True)
        once = operation(right * 1.0)
        (once * once).sum().backward()
        close(x.grad.numpy(), right.grad.numpy())


def test_an_array_kept_for_backward_is_told_of_a_change():
    w, x = Tensor(A, requires_grad=True), Tensor(B)
    for change in (lambda: x.mul_(2), lambda: x[0].zero_(), lambda: x.data.zero_(), lambda: x.view(-1).zero_()):
        y = (x.reshape(3, 4) * w).sum()
        change()
        with pytest.raises(RuntimeError, match="changed between forward and backward"):
            y.backward()


def test_a_reshape_that_may_be_a_copy_is_refused():
    x = Tensor(A)
    y = x.T.reshape(-1)
    with pytest.raises(RuntimeError, match="clone"):
        y += 1
    x += 1
    with pytest.raises(RuntimeError, match="clone"):
        y.numpy()
    with pytest.raises(RuntimeError, match="clone"):
        Tensor(A[:1]).expand(3, 4).add_(1)


def test_changes_of_another_shape_or_kind_are_refused():
    x, numbers = Tensor(A), Tensor(np.arange(3))
    with pytest.raises(gpucnn.InputError, match=r"\(2, 4\)"):
        x[0] += Tensor(np.ones((2, 4)))
    with pytest.raises(TypeError, match="int64"):
        numbers += 0.5
    numbers += 1
    assert numbers.tolist() == [1, 2, 3]


def test_views_are_copied_and_pickled_as_they_are():
    x = Tensor(A)
    for copied in (copy.deepcopy(x[0]), pickle.loads(pickle.dumps(x[0]))):
        copied += 1
        close(copied.numpy(), A[0] + 1)
    close(x.numpy(), A)


def test_images_in_memory_order_are_changed_by_their_logical_axes(torch, rng):
    array, row = rng.standard_normal((5, 3, 4, 4)), rng.standard_normal((3, 4, 4))
    x = Tensor(array).to_batch_last()
    x[1] = row
    x[:, 2] *= 2
    x.data[0, 0] = 7
    expected = torch.tensor(array)
    expected[1] = torch.tensor(row)
    expected[:, 2] *= 2
    expected[0, 0] = 7
    close(x.numpy(), expected.numpy())
    assert x.data.shape == x.shape and x.batch_last
    np.testing.assert_array_equal(x.data.argmax(1).numpy(), expected.argmax(1).numpy())


# --- NumPy ------------------------------------------------------------------------------------------------------------

CALLS = [
    lambda f, x: f(x),
    lambda f, x: f(x, x),
    lambda f, x: f([x, x]),
    lambda f, x: f(x, 1),
    lambda f, x: f(x > 1, x, x),
    lambda f, x: f((x, x), axis=1),
]
HOST = {  # what makes an array of anything, and does nothing else
    "array",
    "asarray",
    "asanyarray",
    "ascontiguousarray",
    "asfortranarray",
    "asarray_chkfinite",
    "array2string",
    "array_repr",
    "array_str",
    "asmatrix",
    "matrix",
    "bmat",
    "shape",
    "size",
    "ndim",
    "float64",
    "float32",
    "save",
    "savez",
    "info",
}


def test_numpys_functions_keep_the_gradient_or_refuse():
    """Every function and ufunc of NumPy: a Tensor with the right values and a gradient, or an error that says why."""
    names = [name for name in dir(np) if callable(getattr(np, name)) and not isinstance(getattr(np, name), type)]
    for name in (name for name in names if name not in HOST and not name.startswith(("_", "set", "get", "print"))):
        function = getattr(np, name)
        if isinstance(function, np.ufunc) or hasattr(function, "__wrapped__"):  # those that ask their arguments
            for call in CALLS:
                x = Tensor(A, requires_grad=True)
                try:
                    result = call(function, x)
                except Exception:
                    continue
                floating = isinstance(result, Tensor) and result.dtype.kind == "f"
                assert isinstance(result, Tensor | tuple | bool) or not _numbers(result), name
                if floating:
                    close(result.numpy(), call(function, A), name)
                    assert result.requires_grad, name


def _numbers(result):
    return isinstance(result, np.ndarray | np.floating) and result.dtype.kind == "f"


@pytest.mark.parametrize("name", ["concatenate", "exp", "sum", "mean", "stack", "where", "clip"])
def test_a_refused_function_says_what_to_write(name):
    call = {"where": CALLS[4], "concatenate": CALLS[2], "stack": CALLS[2], "clip": lambda f, x: f(x, 0, 1)}
    with pytest.raises(TypeError, match=rf"numpy.{name} does not take a Tensor.*gpucnn has .*numpy\(\)"):
        call.get(name, CALLS[0])(getattr(np, name), Tensor(A, requires_grad=True))


def test_scalars_of_numpy_take_the_tensors_dtype():
    x = Tensor(np.ones(2, "f4"))
    assert all(
        (scalar * x).dtype == (x * scalar).dtype == "f4" for scalar in (np.float64(2), np.float32(2), np.int64(2))
    )


# --- conversions ------------------------------------------------------------------------------------------------------


def test_numbers_and_comparisons():
    one = Tensor([2.0]).sum()
    assert f"{one:.4f}" == "2.0000" and int(one) == 2 and float(one) == 2.0 and f"{one}" == "Tensor(2.)"
    assert (Tensor([1.0]) == None) is False and (Tensor([1.0]) != None) is True  # noqa: E711 (what users write)
    assert [10, 20][Tensor(np.array(1))] == 20
    with pytest.raises(TypeError, match="whole number"):
        [10][Tensor(0.0)]
    assert [float(v) for v in Tensor([1.0, 2.0])] == [1.0, 2.0] and 2.0 in Tensor([1.0, 2.0])
    values, indices = Tensor(np.array([[1, 5, 2], [7, 0, 3]], "f4")).max(1)
    assert values.tolist() == [5, 7] and indices.tolist() == [1, 0]
    x = Tensor(np.zeros((2, 3)))
    assert x.size == 6 and x.size() == (2, 3) and x.size(-1) == 3 and x.numel() == 6 and x.dim() == 2


def test_tensors_go_to_pytorch(torch):
    x = Tensor(A.astype("f4")).to_batch_last()
    for theirs in (torch.from_dlpack(x), torch.tensor(x), torch.as_tensor(x.numpy())):
        np.testing.assert_array_equal(theirs.numpy(), A.astype("f4"))


@pytest.mark.filterwarnings("error")
def test_infinite_values_are_as_quiet_as_pytorchs():
    zero = Tensor(np.zeros(2), requires_grad=True)
    assert np.isinf((1 / zero).numpy()).all() and np.isnan((zero / zero).numpy()).all()
    assert np.isneginf(zero.log().numpy()).all() and np.isinf((zero + 1000).exp().numpy()).all()
    zero.sqrt().sum().backward()
    assert np.isinf(zero.grad.numpy()).all()
    big = Tensor(np.full((2, 2), 3e38, "f4"))
    assert np.isinf((big + big).numpy()).all() and np.isinf((big @ big).numpy()).all() and np.isinf(big.sum().numpy())


def test_an_unknown_name_says_what_to_use():
    x = Tensor([1.0])
    for name, words in {
        "cuda": "set_device",
        "prod": "log",
        "nonsense": "from_pytorch",
        "register_hook": "Function",
    }.items():
        with pytest.raises(AttributeError, match=words):
            getattr(x, name)
    with pytest.raises(AttributeError, match="softmax"):
        gpucnn.functional.sofmax  # noqa: B018
    with pytest.raises(AttributeError, match=r"gpucnn.*compile"):
        gpucnn.compile  # noqa: B018


# --- methods ----------------------------------------------------------------------------------------------------------

METHODS = {
    "view": lambda t, x: x.view(2, 6),
    "view_as": lambda t, x: x.view_as(x),
    "flatten": lambda t, x: x.flatten(0, 1),
    "squeeze": lambda t, x: x.unsqueeze(1).squeeze(1),
    "unsqueeze": lambda t, x: x.unsqueeze(-1),
    "t": lambda t, x: x.t(),
    "expand": lambda t, x: x[:1].expand(5, -1),
    "expand_as": lambda t, x: x[:1].expand_as(x),
    "repeat": lambda t, x: x.repeat(2, 1, 3),
    "split": lambda t, x: x.split(3, 1)[1],
    "chunk": lambda t, x: x.chunk(3, 1)[-1],
    "unbind": lambda t, x: x.unbind(1)[2],
    "flip": lambda t, x: x.flip(0, 1),
    "clone": lambda t, x: x.clone() * 2,
    "contiguous": lambda t, x: x.T.contiguous().view(-1),
    "var": lambda t, x: x.var(1),
    "std": lambda t, x: x.std(),
    "var, biased": lambda t, x: x.var(0, unbiased=False),
    "var, kept": lambda t, x: x.var(dim=1, correction=0, keepdim=True),
    "norm": lambda t, x: x.norm(),
    "norm of rows": lambda t, x: x.norm(dim=1),
    "norm 1": lambda t, x: x.norm(1),
    "norm 3": lambda t, x: x.norm(3, dim=0),
    "max of all": lambda t, x: x.max(),
    "max": lambda t, x: x.max(1)[0],
    "min": lambda t, x: x.min(dim=0).values,
    "amin": lambda t, x: x.amin((0, 1)),
    "maximum": lambda t, x: t.maximum(x, x * x),
    "max of two": lambda t, x: x.max(x * x),
    "minimum": lambda t, x: x.minimum(x * 1.0),
    "cumsum": lambda t, x: x.cumsum(1),
    "sort": lambda t, x: x.sort(1, descending=True)[0],
    "topk": lambda t, x: x.topk(2, 1)[0],
    "gather": lambda t, x: x.gather(1, x.argsort(1)[:, :2]),
    "index_select": lambda t, x: x.index_select(1, t.tensor([2, 0])),
    "masked_fill": lambda t, x: x.masked_fill(x > 1, 0.0),
    "where": lambda t, x: t.where(x > 1, x, x * x),
    "where, a number": lambda t, x: t.where(x > 1, x, 0.5),
    "einsum": lambda t, x: t.einsum("ij,kj->ik", x, x),
    "einsum, summed": lambda t, x: t.einsum("ij,ij->j", x, x),
    "einsum, one": lambda t, x: t.einsum("ij->j", x),
    "cat": lambda t, x: t.cat([x, x * 2], dim=1),
    "stack": lambda t, x: t.stack((x, x), 1),
    "sin": lambda t, x: x.sin(),
    "cos": lambda t, x: t.cos(x),
    "rsqrt": lambda t, x: x.rsqrt(),
    "square": lambda t, x: x.square(),
    "remainder": lambda t, x: x % 0.7,
    "addcmul": lambda t, x: t.addcmul(x, x, x, value=0.5),
    "lerp": lambda t, x: x.lerp(x * x, 0.3),
    "sub, alpha": lambda t, x: t.sub(x, x * x, alpha=2),
    "sum, axis": lambda t, x: x.sum(axis=1, keepdims=True),
    "float": lambda t, x: x.float().double(),
    "softmax": lambda t, x: x.softmax(1),
    "relu": lambda t, x: (x - 1).relu(),
    "mm": lambda t, x: t.mm(x, x.t()),
    "abs": lambda t, x: abs(x - 1),
    "clip": lambda t, x: x.clip(0.7, 1.5),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_pytorchs(torch, name):
    agrees_with_torch(torch, lambda x: METHODS[name](gpucnn, x), lambda x: METHODS[name](torch, x), A)


@pytest.mark.parametrize(
    "function",
    [
        lambda t: t.zeros(2, 3), lambda t: t.ones((2, 3)), lambda t: t.full((2,), 3.0), lambda t: t.arange(5),
        lambda t: t.arange(1.0, 2.0, 0.25), lambda t: t.linspace(0, 1, 5), lambda t: t.eye(2, 3),
        lambda t: t.zeros_like(t.tensor([1, 2])), lambda t: t.full((2,), 3), lambda t: t.tensor([1.5]) > 1,
        lambda t: (t.tensor([1, 0]) == 1) & (t.tensor([1, 1]) == 1), lambda t: ~(t.tensor([1, 0]) == 1),
        lambda t: t.tensor([7, -7]) // 2, lambda t: t.tensor([7, -7]) % 4, lambda t: t.tensor([7.0, -7.0]) // 2,
        lambda t: t.tensor([1.0, 0.0]).all(), lambda t: t.tensor([[1.0, 0.0]]).any(dim=0),
        lambda t: t.isnan(t.tensor([1.0, float("nan")])), lambda t: t.tensor([3.0, 1.0]).argsort(),
        lambda t: t.tensor([1.7]).long(), lambda t: t.tensor([1, 2]).float() / 2, lambda t: t.tensor([1, 2]) / 2,
        lambda t: t.tensor([[1.0, 5.0]]).argmax(dim=1, keepdim=True), lambda t: t.tensor([1.0], dtype=t.float64),
    ],
)  # fmt: skip
def test_new_and_whole_tensors_are_pytorchs(torch, function):
    ours, theirs = function(gpucnn).numpy(), function(torch).numpy()
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)
