"""The page "from PyTorch": its programs give the same numbers in both, its tables are true, and it is up to date."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SPEC = importlib.util.spec_from_file_location("from_pytorch", Path(__file__).parents[2] / "tools" / "from_pytorch.py")
page = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(page)
TAKES = {"from_pytorch.md": {"python"}}


def beginning(kind):
    """A function that gives a network, ours or PyTorch's, weights that depend on their names and shapes alone."""

    def start(net):
        state = {}
        for name, value in net.state_dict().items():
            array = np.random.default_rng(len(state)).uniform(-0.3, 0.3, tuple(value.shape))
            state[name] = kind(array)
        net.load_state_dict(state)

    return start


@pytest.mark.parametrize(("dtype", "most"), [("float32", 1e-6), ("float64", 1e-10)])
@pytest.mark.parametrize("name", page.names())
def test_a_program_gives_the_same_losses_in_both(torch, name, dtype, most):
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((16, 1, 8, 8)).astype(dtype), rng.integers(0, 4, 16)
    program = page.program(name)
    ours = program.ours(images, labels, beginning(lambda a: a.astype(dtype)), dtype)
    theirs = program.theirs(images, labels, beginning(lambda a: torch.tensor(a.astype(dtype))), dtype)
    assert len(ours) == 20 and ours[-1] < ours[0]
    np.testing.assert_allclose(ours, theirs, rtol=most, atol=most)


def test_weights_saved_here_are_loaded_there_and_back(torch, tmp_path):
    import safetensors.torch

    import gpucnn

    ours, theirs = gpucnn.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    gpucnn.save(ours, tmp_path / "ours.safetensors")
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "ours.safetensors"))
    np.testing.assert_array_equal(theirs.weight.detach().numpy(), ours.weight.numpy())
    other = torch.nn.Linear(3, 2)
    safetensors.torch.save_file(other.state_dict(), tmp_path / "theirs.safetensors")
    gpucnn.load_into(ours, tmp_path / "theirs.safetensors")
    np.testing.assert_array_equal(other.weight.detach().numpy(), ours.weight.numpy())


@pytest.mark.parametrize("place", page.NAMES)
def test_the_table_is_true(torch, place):
    theirs = {
        "Tensor": torch.Tensor, "torch": torch, "nn": torch.nn, "functional": torch.nn.functional,
        "Module": torch.nn.Module, "Optimizer": torch.optim.SGD, "optim": torch.optim,
    }[place]  # fmt: skip
    instance = {"Module": page.nn.ReLU(), "Tensor": page.Tensor([1.0])}.get(place, page.PLACES[place][0])
    if place == "Optimizer":
        instance = page.optim.SGD(page.nn.Linear(1, 1).parameters(), lr=1.0)
    for name in page.NAMES[place].split():
        state, how = page.status(place, name)
        if state == "absent":
            with pytest.raises(AttributeError) as error:
                getattr(instance, name)
            assert how and how in str(error.value), name
        else:
            assert page.present(place, name), name
            assert hasattr(theirs, name) or name in page.LATER or state == "other", name


def test_the_table_is_long_enough():
    counts = {place: len(set(page.NAMES[place].split())) for place in page.NAMES}
    assert counts["Tensor"] + counts["torch"] >= 60 and counts["nn"] >= 30 and counts["functional"] >= 20


def test_every_absent_name_is_absent():
    for place, absent in page.ABSENT.items():
        assert [name for name in absent if page.present(place, name)] == [], place


def test_the_page_is_up_to_date():
    assert page.PAGE.read_text() == page.page()
