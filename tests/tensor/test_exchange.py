"""Arrays of other libraries: the same memory where the layout allows, else a copy; never a gradient lost in silence."""

import copy
import pickle

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn.errors import InputError
from tests.devices import on

SHAPE = (4, 3, 2, 5)  # N, C, H, W


@pytest.fixture
def array(rng):
    return rng.standard_normal(SHAPE).astype(np.float32)


@pytest.fixture(params=[False, True], ids=["logical", "batch-last"])
def tensor(request, array):
    x = Tensor(array)
    return x.to_batch_last() if request.param else x


# --- from gpucnn ------------------------------------------------------------------------------------------------------


def test_numpy_and_pytorch_get_the_memory_itself(torch, tensor, array):
    for theirs in (np.from_dlpack(tensor), torch.from_dlpack(tensor), np.asarray(tensor), torch.as_tensor(tensor)):
        assert tuple(theirs.shape) == SHAPE
        np.testing.assert_array_equal(np.asarray(theirs), tensor.numpy())
    torch.from_dlpack(tensor)[1, 2, 0] = 7
    np.asarray(tensor)[0] = 5
    array[1, 2, 0], array[0] = 7, 5
    np.testing.assert_array_equal(tensor.numpy(), array)
    tensor += 1
    np.testing.assert_array_equal(theirs, array + 1)


def test_the_memory_outlives_the_tensor(torch):
    large = Tensor(np.zeros((64, 1024), np.float32)) + 1  # of the pool
    theirs = torch.from_dlpack(large)
    del large
    others = [Tensor(np.zeros((64, 1024), np.float32)) + 2 for _ in range(3)]
    assert (theirs == 1).all() and len(others) == 3


def test_a_weight_is_shared_through_detach(torch):
    layer = nn.Linear(3, 2)
    torch.from_dlpack(layer.weight.detach())[:] = 4
    assert (layer.weight.numpy() == 4).all()
    for give in (torch.from_dlpack, np.from_dlpack):
        with pytest.raises(BufferError, match=r"its gradient would be lost. Give x.detach\(\)"):
            give(layer.weight)
    with pytest.raises(RuntimeError, match=r"tensor.numpy\(\)"):
        np.asarray(layer.weight)


def test_a_view_with_memory_of_its_own_gives_a_copy(array):
    x = Tensor(array)
    for view in (x[1], x.reshape(4, -1), x[1:3].detach()):
        before = view.numpy()
        np.from_dlpack(view)[...] = 9
        np.asarray(view)[...] = 9
        np.testing.assert_array_equal(view.numpy(), before)
        with pytest.raises(ValueError, match="a part of a Tensor"):
            np.array(view, copy=False)
    np.testing.assert_array_equal(x.numpy(), array)


def test_numpy_says_whether_it_copies(tensor, array):
    assert np.shares_memory(np.array(tensor, copy=False), tensor.memory)
    assert not np.shares_memory(np.array(tensor, copy=True), tensor.memory)
    wide = np.asarray(tensor, np.float64)
    assert wide.dtype == np.float64 and not np.shares_memory(wide, tensor.memory)
    with pytest.raises(ValueError, match="a copy is needed"):
        np.asarray(tensor, np.float64, copy=False)


# --- to gpucnn --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_a_tensor_shares_what_lies_as_its_own(torch, dtype):
    theirs = torch.ones(SHAPE, dtype=getattr(torch, dtype))
    ours = gpucnn.from_dlpack(theirs)
    assert ours.shape == SHAPE and ours.dtype == dtype and not ours.batch_last
    theirs[0, 0] = 0
    assert (ours.numpy()[0, 0] == 0).all() and ours.numpy().sum() == 4 * 3 * 10 - 10
    ours[1] = 0
    assert (theirs[1] == 0).all()


def test_images_that_lie_last_are_shared_too(torch):
    theirs = torch.randn(3, 2, 5, 4).permute(3, 0, 1, 2)  # (C, H, W, N) -> (N, C, H, W)
    ours = gpucnn.from_dlpack(theirs, copy=False)
    assert ours.batch_last and ours.memory.flags.c_contiguous
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    theirs[2] = 0
    assert (ours.numpy()[2] == 0).all()


def test_a_number_and_nothing_are_taken():
    assert gpucnn.from_dlpack(np.array(3.0)).item() == 3
    assert gpucnn.from_dlpack(np.zeros((0, 3))).shape == (0, 3)


def read_only(torch):
    array = np.arange(6.0)
    array.flags.writeable = False
    return array


REFUSED = {
    "neither order": (
        lambda torch: torch.randn(SHAPE).to(memory_format=torch.channels_last),
        "its memory is in neither",
    ),
    "every other": (lambda torch: torch.arange(10)[::2], "its memory is in neither"),
    "read only": (read_only, "it may not be written to"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_layouts_are_copied_and_where_no_copy_is_wanted_it_says_why(torch, name):
    make, why = REFUSED[name]
    theirs = make(torch)
    expected = np.asarray(theirs).copy()
    ours = gpucnn.from_dlpack(theirs)
    np.testing.assert_array_equal(ours.numpy(), expected)
    ours += 1
    np.testing.assert_array_equal(np.asarray(theirs), expected)
    with pytest.raises(InputError, match=f"copy=False, and {why}"):
        gpucnn.from_dlpack(theirs, copy=False)


def test_a_copy_is_one(torch):
    theirs = torch.zeros(3)
    ours = gpucnn.from_dlpack(theirs, copy=True)
    theirs += 1
    assert ours.tolist() == [0, 0, 0]


def test_what_dlpack_cannot_bring_is_refused(torch):
    with pytest.raises(InputError, match=r"given list, which has no __dlpack__.*gpucnn.Tensor\(x\) takes lists"):
        gpucnn.from_dlpack([1.0])
    with pytest.raises(InputError, match="Tensor of torch.bfloat16"):
        gpucnn.from_dlpack(torch.zeros(2, dtype=torch.bfloat16))
    with pytest.raises(InputError, match="gradient"):
        gpucnn.from_dlpack(torch.zeros(2, requires_grad=True))
    with pytest.raises(InputError, match="cannot hold complex64"):
        gpucnn.from_dlpack(torch.zeros(2, dtype=torch.complex64))

    class Elsewhere:
        def __dlpack__(self, **options):
            raise AssertionError

        def __dlpack_device__(self):
            return 7, 0

    with pytest.raises(InputError, match="a device of kind 7"):
        gpucnn.from_dlpack(Elsewhere())


def test_gradients_flow_through_what_came_from_elsewhere(torch, array):
    theirs = torch.tensor(array, requires_grad=True)
    (theirs * theirs).sum().backward()
    ours = gpucnn.from_dlpack(theirs.detach()).requires_grad_()
    (ours * ours).sum().backward()
    np.testing.assert_array_equal(torch.from_dlpack(ours.grad), theirs.grad)


def test_jax_takes_and_gives(array):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    theirs = jax.dlpack.from_dlpack(Tensor(array))
    np.testing.assert_array_equal(np.asarray(theirs), array)
    np.testing.assert_array_equal(gpucnn.from_dlpack(jax.numpy.asarray(array)).numpy(), array)


def test_what_is_on_the_host_is_copied_to_a_gpu(gpu, array):
    ours = gpucnn.from_dlpack(array)
    assert not isinstance(ours.memory, np.ndarray)
    np.testing.assert_array_equal(ours.numpy(), array)
    np.testing.assert_array_equal(np.asarray(ours), array)
    with pytest.raises(InputError, match="copy=False, and it is on another device"):
        gpucnn.from_dlpack(array, copy=False)


@pytest.mark.on_gpu
def test_cupy_shares_memory_with_cuda(array):
    with on("cuda"):
        import cupy

        ours = Tensor(array).to_batch_last()
        theirs = cupy.from_dlpack(ours)
        theirs += 1
        np.testing.assert_array_equal(ours.numpy(), array + 1)
        back = gpucnn.from_dlpack(theirs, copy=False)
        back += 1
        np.testing.assert_array_equal(theirs.get(), array + 2)


# --- pickle -----------------------------------------------------------------------------------------------------------


def trained(net, optimizer, array):
    for _ in range(3):
        optimizer.zero_grad()
        net(Tensor(array)).sum().backward()
        optimizer.step()
    return net(Tensor(array)).numpy()


def test_a_network_and_its_optimizer_go_on_alike_on_another_device(gpu, array):
    net = nn.Sequential(nn.Conv2d(3, 2, 2), nn.Flatten(), nn.Linear(8, 2))
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    trained(net, optimizer, array)
    kept = pickle.dumps((net, optimizer))
    assert b"cupy" not in kept
    copied = copy.deepcopy((net, optimizer))
    expected = trained(net, optimizer, array)
    np.testing.assert_allclose(trained(*copied, array), expected, rtol=1e-5)
    with on("numpy"):
        loaded = pickle.loads(kept)
        assert isinstance(loaded[0][0].weight.memory, np.ndarray)
        np.testing.assert_allclose(trained(*loaded, array), expected, rtol=1e-4)
