"""What a PyTorch user does with modules: hooks, containers, buffers, losses, text; nothing is lost without a word."""

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from tests.judges import agrees_with_torch, close

IMAGES = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype("f4")


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    )


def test_a_parameter_is_not_lost_to_an_array():
    layer = nn.BatchNorm2d(3)
    for value in (np.ones(3, "f4"), Tensor(np.ones(3, "f4")), 1.0):
        with pytest.raises(TypeError, match=r"BatchNorm2d.weight is a Parameter.*in place"):
            layer.weight = value
    with pytest.raises(TypeError, match="is a Buffer"):
        layer.running_mean = np.ones(3, "f4")
    layer.running_mean = layer.running_mean * 0.9 + Tensor(np.ones(3, "f4"))
    assert isinstance(layer.running_mean, nn.Buffer) and "running_mean" in layer.state_dict()
    outer = nn.ModuleDict({"a": layer})
    outer.inner = layer
    with pytest.raises(TypeError, match="is a Module"):
        outer.inner = F.relu
    with pytest.raises(TypeError, match="list or a dict"):
        outer.layers = {layer}
    layer.weight = nn.Parameter(np.zeros(3, "f4"))
    layer.weight = None
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


def test_a_dict_of_modules_is_trained():
    class Branches(nn.Module):
        def __init__(self):
            self.heads = {"left": nn.Linear(2, 3), "right": [nn.Linear(2, 1)]}
            self.scales = {"s": nn.Parameter(np.ones(1, "f4"))}

        def forward(self, x, scale=1.0):
            return self.heads["left"](x) * self.scales["s"] * scale

    net = Branches()
    assert list(net.state_dict()) == [
        "scales.s", "heads.left.weight", "heads.left.bias", "heads.right.0.weight", "heads.right.0.bias"
    ]  # fmt: skip
    x = Tensor(np.ones((1, 2), "f4"))
    close(net(x, scale=2.0).numpy(), 2 * net(x).numpy())


def test_a_module_dict_names_its_modules():
    net = nn.ModuleDict({"a": nn.Linear(2, 2)})
    net["b"] = nn.ReLU()
    net.update({"c": nn.Identity(3, anything=True)})
    assert list(net) == list(net.keys()) == ["a", "b", "c"] and len(net) == 3 and "b" in net
    assert list(net.state_dict()) == ["a.weight", "a.bias"] and [type(m) for m in net.values()][2] is nn.Identity
    del net["b"]
    assert [name for name, _ in net.items()] == ["a", "c"]
    with pytest.raises(gpucnn.InputError, match="module"):
        net["d"] = F.relu


@pytest.mark.parametrize("place", range(7))
def test_hooks_see_what_the_layer_alone_makes(place):
    """A hooked layer runs by itself, though it would be fused with its neighbour."""
    net, seen = network(), []
    expected = Tensor(IMAGES)
    for layer in net.layers[: place + 1]:
        inputs, expected = expected, layer(expected)
    fused = net(Tensor(IMAGES)).numpy()
    after = net[place].register_forward_hook(lambda module, given, out: seen.append((module, given[0], out)))
    before = net[place].register_forward_pre_hook(lambda module, given: seen.append((module, given[0])))
    close(net(Tensor(IMAGES)).numpy(), fused)
    (module, first), (_, again, out) = seen
    assert module is net[place] and first is again
    close(first.numpy(), inputs.numpy())
    close(out.numpy(), expected.numpy())
    after.remove()
    before.remove()
    net(Tensor(IMAGES))
    assert len(seen) == 2


def test_hooks_may_change_what_goes_in_and_comes_out():
    net = network()
    plain = net(Tensor(IMAGES)).numpy()
    doubled = net.register_forward_hook(lambda module, given, out: out * 2)
    close(net(Tensor(IMAGES)).numpy(), 2 * plain)
    doubled.remove()
    net[0].register_forward_pre_hook(lambda module, given: given[0] * 0)
    close(net(Tensor(IMAGES)).numpy(), net(Tensor(IMAGES * 0)).numpy())


def test_hooks_see_gradients_flow(torch):
    net, kept = network(), []
    net[1].register_forward_hook(lambda module, given, out: kept.append(out))
    net(Tensor(IMAGES)).sum().backward()
    assert kept[0].requires_grad and net[0].weight.grad is not None


def test_registering_and_applying():
    net = network()
    net.register_buffer("steps", np.zeros(1, np.int64))
    net.register_buffer("scratch", np.zeros(1), persistent=False)
    net.register_parameter("scale", nn.Parameter(np.ones(1, "f4")))
    net.add_module("tail", nn.ReLU())
    assert {"steps", "scale"} <= set(vars(net)) and type(net.scratch) is Tensor
    kinds = []
    assert network().apply(lambda module: kinds.append(type(module).__name__)).training
    assert kinds[0] == "Conv2d" and kinds[-1] == "Sequential" and len(kinds) == 8
    bn = nn.BatchNorm2d(3)
    assert [name for name, _ in bn.named_buffers()] == ["running_mean", "running_var", "num_batches_tracked"]
    assert bn.double().weight.dtype == np.float64 and bn.float().weight.dtype == np.float32


def test_text_shows_options_and_parameters():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding="same", bias=False), nn.ModuleList([nn.LeakyReLU(0.2)]), nn.Flatten()
    )
    assert repr(net).splitlines() == [
        "Sequential(",
        "  (0): Conv2d(3, 4, (3, 3), padding='same', bias=False)  # weight (4, 3, 3, 3)",
        "  (1): ModuleList(",
        "    (0): LeakyReLU(negative_slope=0.2)",
        "  )",
        "  (2): Flatten()",
        ")",
    ]
    assert "108 parameters" in net._repr_html_() and "&#x27;same&#x27;" in net._repr_html_()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    assert "group 0: 1 parameters, 108 numbers; lr=0.1, momentum=0.9" in repr(optimizer)
    assert "<pre>SGD(" in optimizer._repr_html_() and "(2,), float32" in Tensor([1.0, 2.0])._repr_html_()


LOSSES = [
    ("MSELoss", "mse_loss"), ("L1Loss", "l1_loss"), ("SmoothL1Loss", "smooth_l1_loss"),
    ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"), ("BCELoss", "binary_cross_entropy"),
]  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("module", "function"), LOSSES)
def test_losses_are_pytorchs(torch, rng, module, function, reduction):
    x, target = rng.uniform(0.1, 0.9, (5, 3)) * (1 if "BCELoss" in module else 5), rng.uniform(0, 1, (5, 3))
    theirs = getattr(torch.nn, module)(reduction=reduction)
    for ours in (getattr(nn, module)(reduction=reduction), lambda a, b: getattr(F, function)(a, b, reduction)):
        agrees_with_torch(torch, lambda a, o=ours: o(a, target), lambda a: theirs(a, torch.tensor(target)), x)


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 2)])
def test_losses_of_class_numbers_are_pytorchs(torch, rng, shape):
    x, labels = rng.standard_normal(shape), rng.integers(0, 3, (shape[0], *shape[2:]))
    for ours, theirs in [
        (nn.NLLLoss(), torch.nn.NLLLoss()),
        (nn.CrossEntropyLoss(label_smoothing=0.1), torch.nn.CrossEntropyLoss(label_smoothing=0.1)),
        (nn.CrossEntropyLoss(reduction="sum"), torch.nn.CrossEntropyLoss(reduction="sum")),
    ]:
        agrees_with_torch(torch, lambda a, o=ours: o(a, labels), lambda a, t=theirs: t(a, torch.tensor(labels)), x)
    with pytest.raises(gpucnn.InputError, match="expected 0 to 2"):
        F.nll_loss(Tensor(x), labels + 1)
    with pytest.raises(gpucnn.InputError, match="do not fit"):
        F.nll_loss(Tensor(x), labels[:-1])


def test_cumulative_batch_norm_is_pytorchs(torch, rng):
    ours, theirs = nn.BatchNorm1d(3, momentum=None), torch.nn.BatchNorm1d(3, momentum=None)
    for _ in range(3):
        x = rng.standard_normal((4, 3)).astype("f4")
        close(ours(Tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy())
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), 1e-6, 1e-6, err_msg=name)


@pytest.mark.parametrize("layer", ["ReLU", "LeakyReLU", "Dropout"])
def test_a_layer_in_place_changes_its_input(torch, layer):
    ours, theirs = (getattr(library, layer)(inplace=True).eval() for library in (nn, torch.nn))
    agrees_with_torch(
        torch,
        lambda x: (lambda h: ours(h) + h)(x * 2),
        lambda x: (lambda h: theirs(h) + h)(x * 2),
        np.array([-1.0, 2.0]),
    )


def test_dropout_in_place_is_the_drawn_result():
    x = Tensor(np.ones(1000), requires_grad=True)
    h = x * 1
    result = nn.Dropout(0.25, inplace=True)(h)
    assert result is h and set(h.numpy()) == {0, 1 / 0.75}
    h.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), h.numpy())


def test_relu_in_place_gives_a_network_the_same_result():
    net, twin = network(), network()
    twin.load_state_dict(net.state_dict())
    net[1], net[4] = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
    close(net(Tensor(IMAGES)).numpy(), twin(Tensor(IMAGES)).numpy())


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.BatchNorm2d(3),
     nn.ZeroPad2d(1), nn.Dropout(), nn.Softmax(), nn.GlobalAvgPool2d(), F.cross_entropy, F.mse_loss],
)  # fmt: skip
def test_what_is_no_tensor_is_named(torch, layer):
    rest = (np.zeros(4, int),) if layer in (F.cross_entropy, F.mse_loss) else ()
    for given, name in ((IMAGES, "ndarray"), (torch.tensor(IMAGES), "Tensor")):
        with pytest.raises(TypeError, match=rf"{name}.*gpucnn.Tensor\(array\)"):
            layer(given, *rest)


def test_an_absent_module_says_what_to_use():
    for name, words in {
        "Embedding": "nn.Parameter",
        "GRU": "out of scope",
        "Conv2D": "Conv2d",
        "utils": "clip_grad",
    }.items():
        with pytest.raises(AttributeError, match=words):
            getattr(nn, name)
    with pytest.raises(AttributeError, match=r"Linear has no attribute 'cuda'; use to\(\"cuda\"\)"):
        nn.Linear(1, 1).cuda()
    with pytest.raises(AttributeError, match="register_step_post_hook"):
        optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0).register_step_post_hook(print)
