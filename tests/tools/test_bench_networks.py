"""The benchmark's contestants run the same network, and its layers are counted as they are."""

import importlib
import math

import numpy as np
import pytest
from bench.workloads import WORKLOADS, Network, network_of

import gpucnn
from gpucnn import Tensor, nn, no_grad

CONFIGS = sorted({workload.config for workload in WORKLOADS.values()})
IMAGES = 3


@pytest.fixture
def jax():
    """JAX, in which a network is written a second time."""
    return pytest.importorskip("jax", reason="JAX is not installed; it is a contestant, not a requirement")


def ours(network: Network, rng: np.random.Generator) -> tuple[nn.Sequential, np.ndarray, np.ndarray]:
    """gpucnn's network, images (N, C, H, W), and its logits for them."""
    from bench.with_gpucnn import build_layers

    gpucnn.set_device("cpu")
    gpucnn.manual_seed(0)
    net = nn.Sequential(*build_layers(network)).eval()
    images = rng.standard_normal((IMAGES, *network.shape), dtype=np.float32)
    with no_grad():
        logits = net(Tensor(images)).numpy()
    assert np.ptp(logits) > 1e-3  # not a dead network
    return net, images, logits


@pytest.mark.parametrize("config", CONFIGS)
def test_a_network_survives_the_way_to_another_process(config):
    network = network_of(config)
    assert Network.from_json(network.to_json()) == network
    assert network.layers[-1][1]["out_features"] == network.classes == 10


@pytest.mark.parametrize("form", ["eager", "channels-last"])
@pytest.mark.parametrize("config", CONFIGS)
def test_pytorch_runs_the_same_network(torch, rng, config, form):
    from bench.with_torch import prepare

    network = network_of(config)
    net, images, logits = ours(network, rng)
    twin, drawn = prepare(network, IMAGES, form)
    twin.eval().load_state_dict({name: torch.from_numpy(array) for name, array in net.state_dict().items()})
    assert drawn.shape == images.shape
    with torch.no_grad():
        np.testing.assert_allclose(twin(torch.from_numpy(images)).numpy(), logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("config", CONFIGS)
def test_jax_runs_the_same_network(jax, rng, config):
    from bench import with_jax

    network = network_of(config)
    net, images, logits = ours(network, rng)
    drawn, weights = with_jax.initial_weights(network), weights_for_jax(net, network.shape)
    shapes = [jax.tree.map(lambda array: array.shape, layers) for layers in (drawn, weights)]
    assert shapes[0] == shapes[1]
    found = with_jax.apply(network.layers, weights, images.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(found, logits, rtol=0, atol=1e-4)


def weights_for_jax(net: nn.Sequential, shape: tuple[int, ...]) -> list:
    """The weights of gpucnn's network in JAX's order, where an image's channels come last; images are of `shape`."""
    weights, flattened = [], shape
    for layer in net:
        of_layer = {name: parameter.numpy() for name, parameter in layer.named_parameters()}
        if isinstance(layer, nn.Branches):
            of_layer = [weights_for_jax(path, shape) for path in layer.paths]
        elif isinstance(layer, nn.Conv2d):
            of_layer["weight"] = of_layer["weight"].transpose(2, 3, 1, 0)  # (O, I, H, W) -> (H, W, I, O)
        elif isinstance(layer, nn.Linear):
            outputs = layer.out_features
            maps = of_layer["weight"].reshape(outputs, *flattened)  # (O, C*H*W) -> (O, C, H, W)
            of_layer["weight"] = maps.transpose(2, 3, 1, 0).reshape(-1, outputs)  # (H*W*C, O)
            flattened = (outputs, 1, 1)
        elif isinstance(layer, nn.Flatten):
            flattened = shape
        weights.append(of_layer)
        shape = layer.output_shape(shape)
    return weights


@pytest.mark.parametrize(
    ("name", "form"), [("with_gpucnn", "by-hand"), ("with_gpucnn", ""), ("with_torch", "eager"), ("with_jax", "")]
)
def test_a_step_learns(request, monkeypatch, name, form):
    if name != "with_gpucnn":
        request.getfixturevalue(name.removeprefix("with_"))
    module = pytest.importorskip(f"bench.{name}")
    monkeypatch.setattr(module, "LEARNING_RATE", 0.02)
    monkeypatch.setattr(module, "IMAGES", 8, raising=False)  # of an epoch: the same batch every time
    monkeypatch.setattr(module, "FEWEST_STEPS", 1, raising=False)
    with module.training(network_of("lenet"), 8, form) as step:
        losses = [step() for _ in range(80)]
    assert losses[0] == pytest.approx(math.log(10), abs=0.3)
    assert losses[-1] < losses[0] / 2


def test_wrong_gradients_are_told_from_rounding(torch):
    from bench.with_torch import check_gradients

    convolution = torch.nn.Conv2d(3, 4, 3)  # the gradient by its bias is rounding: the mean is taken away
    net = torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(144, 10))
    images, labels = torch.randn(16, 3, 8, 8), torch.randint(10, (16,))

    def loss():
        return torch.nn.functional.cross_entropy(net(images), labels)

    check_gradients(net, images, labels, loss)
    check_gradients(net, images, labels, lambda: torch.nn.functional.cross_entropy(net(images.flip(0)), labels.flip(0)))
    wrong = torch.zeros_like(convolution.weight)
    wrong[0, 0, 0, 0] = 0.01
    with pytest.raises(RuntimeError, match="compiled gradients are wrong by up to 0.01"):
        check_gradients(net, images, labels, lambda: loss() + (convolution.weight * wrong).sum())


def test_the_work_of_layers():
    from bench.layers import measure, without_biases

    parts = {(part.layer, part.part): part for part in measure(without_biases(network_of("lenet")), 2, 1e-4)}
    assert parts["0 conv2d 1×28×28", "forward"].work == 2 * 6 * 25 * 28 * 28 * 2
    assert ("0 conv2d 1×28×28", "by input") not in parts  # a step asks for none
    assert parts["3 conv2d 6×14×14", "by input"].work == 2 * 16 * 6 * 25 * 100 * 2
    assert parts["2 max_pool2d 6×28×28", "backward"].work == 4 * 6 * (784 + 196) * 2
    assert parts["11 linear 84", "by weight"].work == 2 * 84 * 10 * 2
    assert parts["11 linear 84", "by weight"].unit == "FLOP" and parts["1 relu 6×28×28", "forward"].unit == "bytes"
    assert all(part.seconds > 0 for part in parts.values())


def test_the_first_layer_that_learns_may_stand_behind_another():
    from bench.layers import measure

    parts = [(part.layer, part.part) for part in measure(network_of("fashion_mlp"), 2, 1e-4)]
    assert ("1 linear 784", "by weight") in parts and ("1 linear 784", "by input") not in parts


def test_the_job_in_pytorch_is_by_the_same_recipe(torch):
    from bench import torch_job

    from gpucnn.config.build import EVALUATION_BATCH_SIZE, build_schedule
    from gpucnn.config.check import load_config

    config = load_config("lenet").config
    options = config.optimizer.beside_name()
    assert (options["lr"], options["momentum"], options["nesterov"]) == (torch_job.RATE, torch_job.MOMENTUM, True)
    assert (config.data.validation, config.train.batch_size) == (torch_job.VALIDATION, torch_job.BATCH)
    assert torch_job.EVALUATED_AT_ONCE == EVALUATION_BATCH_SIZE
    schedule = build_schedule(config)
    for step in (0, 7, 155, 156, 157, 500, 781):
        assert torch_job.rate(step, 782) == pytest.approx(config.optimizer.lr * schedule.factor(step, 782, 782))


@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("config", ["lenet", "separable"])
def test_libraries_for_inference_run_the_same_network(torch, library, config):
    pytest.importorskip(library, reason="a contestant, not a requirement")
    pytest.importorskip("onnx", reason="PyTorch writes the model with it")
    from bench.with_torch import prepare

    torch.manual_seed(0)
    net, images = prepare(network_of(config), IMAGES, "eager")
    with torch.no_grad():
        expected = net.eval()(images).numpy()
    torch.manual_seed(0)
    contestant = importlib.import_module(f"bench.with_{library}")
    with contestant.inference(network_of(config), IMAGES, "") as step:
        np.testing.assert_allclose(step()[0], expected, rtol=0, atol=1e-4)
