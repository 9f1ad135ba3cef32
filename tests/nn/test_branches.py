"""Branches: sums and joined channels, forward and gradients, nested; their shapes, fields, costs and faults."""

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn
from gpucnn.errors import InputError, ShapeError
from gpucnn.explain.layers import layer_facts, layer_outputs
from gpucnn.export import from_onnx
from gpucnn.training.evaluation import outputs
from tests.judges import close, forward_backward, torch_forward_backward

pytestmark = pytest.mark.usefixtures("device")


def nested(merge="concat"):
    """Three paths, one of them empty, one with a residual block and branches inside."""
    gpucnn.manual_seed(3)
    inner = nn.Branches(nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh()), nn.Sequential(), merge="sum")
    return nn.Branches(
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()),
        nn.Sequential(),
        nn.Sequential(inner, nn.Residual(nn.AvgPool2d(3, 1, 1))),
        merge=merge,
    )


def their_nested(torch, state, merge):
    def function(x):
        f = torch.nn.functional
        first = f.relu(f.conv2d(x, state["0.0.weight"], state["0.0.bias"], padding=1))
        inner = torch.tanh(f.conv2d(x, state["2.0.0.0.weight"], state["2.0.0.0.bias"])) + x
        paths = [first, x, inner + f.avg_pool2d(inner, 3, 1, 1)]
        return sum(paths) if merge == "sum" else torch.cat(paths, 1)

    return function


@pytest.mark.parametrize("merge", ["sum", "concat"])
def test_results_and_gradients_are_pytorchs(torch, merge, rng):
    net, x = nested(merge).astype("float64"), rng.standard_normal((3, 4, 5, 6))
    state = {name: torch.tensor(value, requires_grad=True) for name, value in net.state_dict().items()}
    y, by_x = forward_backward(net, x)
    expected = torch_forward_backward(torch, their_nested(torch, state, merge), x)
    close(y, expected[0], terms=36)
    close(by_x, expected[1], terms=36)
    for name, parameter in net.named_parameters():
        close(parameter.grad.numpy(), state[name].grad.numpy(), name, 90)


def test_the_gradient_check_passes(rng):
    x = Tensor(rng.standard_normal((2, 4, 3, 3)), requires_grad=True)
    gpucnn.check_gradients(nested().astype("float64"), [x], elements=0)


def test_rows_are_joined_too(rng):
    net = nn.Branches(nn.Sequential(nn.Tanh()), nn.Sequential(nn.ReLU()), merge="concat")
    x = rng.standard_normal((5, 3)).astype("float32")
    close(net(Tensor(x)).numpy(), np.concatenate([np.tanh(x), np.maximum(x, 0)], axis=1))
    assert net.output_shape((3,)) == (6,)


def test_facts_are_of_every_layer_in_every_path(rng):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nested(), nn.MaxPool2d(2))
    rows = list(layer_facts(net, (1, 9, 8)))
    names = ["0", "1.0.0", "1.0.1", "1.2.0.0.0", "1.2.0.0.1", "1.2.0", "1.2.1.0", "1.2.1", "1", "2"]
    assert [row.name for row in rows] == names
    assert sum(row.parameters for row in rows) == sum(each.size for each in net.parameters())
    assert sum(row.multiply_adds for row in rows) == net.multiply_adds((1, 9, 8))
    assert rows[-2].output == (12, 7, 6) and rows[-2].field.size == (5, 5)
    found = list(layer_outputs(net, rng.standard_normal((2, 1, 9, 8)).astype("float32")))
    assert [(name, y.shape[1:]) for name, _, y in found] == [(row.name, row.output) for row in rows]


def test_the_receptive_field_is_that_of_all_paths():
    wide = nn.Sequential(nn.MaxPool2d(5, 2, 0))
    net = nn.Branches(wide, nn.Sequential(nn.ReplicationPad2d((1, 0, 1, 0)), nn.MaxPool2d(6, 2)), merge="sum")
    field = net.receptive_field((1, 11, 11))
    assert (field.size, field.jump, field.start) == ((6, 6), (2, 2), (-1, -1))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Branches(nn.Sequential(), merge="sum"), InputError, "given 1 paths"),
        (lambda: nn.Branches(nn.Sequential(), nn.Sequential(), merge="mean"), InputError, "merge 'mean'"),
        (lambda: nn.Branches(nn.ReLU(), nn.Sequential(), merge="sum"), InputError, "expected two nn.Sequential"),
    ],
)
def test_what_is_no_branches_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("merge", "kernel", "words"),
    [
        ("sum", 1, r"path 0 gives shape \(2, 5, 5\), path 1 \(3, 5, 5\); to sum them all must be equal"),
        ("concat", 2, r"path 1 \(3, 4, 4\); to concat them all but the channels must be equal"),
    ],
)
def test_paths_that_do_not_fit_are_told_before_and_while_running(merge, kernel, words):
    net = nn.Branches(nn.Sequential(), nn.Sequential(nn.Conv2d(2, 3, kernel)), merge=merge)
    for call in (lambda: net.output_shape((2, 5, 5)), lambda: net(Tensor(np.ones((1, 2, 5, 5), np.float32)))):
        with pytest.raises(ShapeError, match=words):
            call()


@pytest.mark.parametrize("merge", ["sum", "concat"])
def test_onnx_and_back(merge, tmp_path):
    runtime, openvino = pytest.importorskip("onnxruntime"), pytest.importorskip("openvino")
    from tests.export.networks import classifier_of
    from tests.export.test_onnx import both_models, by_openvino, by_runtime

    features = 4 * 42 * (3 if merge == "concat" else 1)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nested(merge), nn.ReLU(), nn.Flatten(), nn.Linear(features, 3)).eval()
    model = both_models(classifier_of(net, (1, 9, 8)), tmp_path / "a", 9)
    for judge, by in ((runtime, by_runtime), (openvino, by_openvino)):
        close(by(judge, model.bare, model.inputs), model.logits, judge.__name__, 500)
    for path in (model.bare, model.whole):
        back = from_onnx(path)
        assert isinstance(back[1], nn.Branches)
        np.testing.assert_allclose(outputs(back, model.inputs), model.logits, rtol=1e-5, atol=1e-6)
