"""Networks as ONNX: ONNX Runtime and OpenVINO answer as we do, and what is read back answers alike."""

import functools
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gpucnn
from gpucnn import nn
from gpucnn.config.build import build_network
from gpucnn.config.check import data_shape, load_config, shipped_configs
from gpucnn.errors import InputError
from gpucnn.export import export_onnx, from_onnx, judged, steps
from gpucnn.export.entry import Entry
from gpucnn.runs import Classifier
from gpucnn.training.evaluation import outputs
from tests.export.networks import classifier_of, random_network

onnx = pytest.importorskip("onnx", reason="the library onnx is not installed (pip install 'gpucnn[onnx]')")
NETWORKS = 100
COUNT = 9  # pictures for each random network


@pytest.fixture(scope="module")
def runtime():
    return pytest.importorskip("onnxruntime", reason="ONNX Runtime, the judge of this test, is not installed")


@pytest.fixture(scope="module")
def openvino():
    return pytest.importorskip("openvino", reason="OpenVINO, the judge of this test, is not installed")


def by_runtime(runtime, path, given: np.ndarray) -> np.ndarray:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: given})[0]


def by_openvino(openvino, path, given: np.ndarray) -> np.ndarray:
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(given)[0]


@dataclass
class Exported:
    """A random network, its models, and its answers to random pictures."""

    whole: Path
    bare: Path
    worst: float | None
    pictures: np.ndarray
    inputs: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Exports a random network by its index, once for all tests."""
    folder = tmp_path_factory.mktemp("random")

    @functools.cache
    def export(index: int) -> Exported:
        net, shape = random_network(index)
        return both_models(classifier_of(net, shape), folder / str(index), COUNT)

    return export


def both_models(classifier: Classifier, name: Path, count: int) -> Exported:
    whole, bare = name.with_suffix(".whole.onnx"), name.with_suffix(".bare.onnx")
    worst = export_onnx(classifier, whole)
    export_onnx(classifier, bare, bare=True)
    entry = Entry.of(classifier.pipeline, classifier.normalizer)
    pictures = judged.random_pictures(entry, count)
    inputs = classifier.normalizer.apply(judged.images_of(classifier, entry, pictures))
    logits = outputs(classifier.net, inputs)
    assert np.isfinite(logits).all()
    return Exported(whole, bare, worst, pictures, inputs, logits, classifier.pipeline.probabilities(logits))


@pytest.mark.parametrize("index", range(NETWORKS))
def test_a_random_network_agrees_and_comes_back(index, runtime, exported) -> None:
    model = exported(index)
    assert model.worst <= 1e-5
    found = by_runtime(runtime, model.whole, model.pictures)
    np.testing.assert_allclose(found, model.probabilities, rtol=0, atol=1e-5)
    found = by_runtime(runtime, model.bare, model.inputs)
    np.testing.assert_allclose(found, model.logits, rtol=1e-4, atol=1e-5)
    for path in (model.whole, model.bare):
        np.testing.assert_allclose(outputs(from_onnx(path), model.inputs), model.logits, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("index", range(NETWORKS))
def test_a_random_network_agrees_in_openvino(index, openvino, exported) -> None:
    model = exported(index)
    found = by_openvino(openvino, model.whole, model.pictures)
    np.testing.assert_allclose(found, model.probabilities, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_network_agrees_in_both_runtimes(name, runtime, openvino, tmp_path) -> None:
    overrides, shape = [], (3, 33, 47)
    if name in ("mobilenet_small", "my_images", "resnet_cifar"):
        overrides = [f"data.path={tmp_path}", f"data.size=[{shape[1]}, {shape[2]}]"]
        for label in ("cat", "dog"):
            (tmp_path / label).mkdir()
            Image.new("RGB", (40, 30)).save(tmp_path / label / "one.png")
    checked = load_config(name, overrides)
    shape, classes = data_shape(checked.config.data)
    gpucnn.manual_seed(0)
    classifier = classifier_of(build_network(checked, shape, classes).eval(), shape)
    model = both_models(classifier, tmp_path / "model", 200)
    for judge, by in ((runtime, by_runtime), (openvino, by_openvino)):
        found = by(judge, model.whole, model.pictures)
        np.testing.assert_allclose(found, model.probabilities, rtol=0, atol=1e-5)
        found = by(judge, model.bare, model.inputs[:33])
        np.testing.assert_allclose(found, model.logits[:33], rtol=1e-4, atol=1e-5)


# --- what is around the network ---------------------------------------------------------------------------------------


def small(shape=(1, 9, 7)) -> nn.Sequential:
    gpucnn.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 3)).eval()


RANGES = [  # the training's lowest and highest pixel, whole or not; whether bytes are taken
    (0, 255, True, True), (0, 16, True, True), (0, 1, True, True), (0, 1, False, False), (-1, 1, False, False),
    (0, 4095, True, False), (0, 255, False, False),
]  # fmt: skip


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(("low", "high", "whole", "takes_bytes"), RANGES)
def test_pixels_of_any_range_are_taken_as_the_pipeline_takes_them(
    low, high, whole, takes_bytes, invert, runtime, tmp_path
) -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(low, high, (12, 1, 9, 7))
    images[:, 0, 0, :2] = low, high
    images = (np.rint(images) if whole else images).astype(np.uint8 if whole and high < 256 else np.float32)
    classifier = classifier_of(small(), (1, 9, 7), images, "mean_image", invert)
    export_onnx(classifier, tmp_path / "a.onnx")
    session = runtime.InferenceSession(str(tmp_path / "a.onnx"))
    (given,) = session.get_inputs()
    assert (given.name, given.type) == ("pictures", "tensor(uint8)" if takes_bytes else "tensor(float)")
    assert given.shape == ["N", 1, 9, 7] and [each.name for each in session.get_outputs()] == ["probabilities"]
    pictures = images
    if takes_bytes:
        pictures = rng.integers(0, 256, (20, 1, 9, 7), dtype=np.uint8)
        pictures[:, 0, 0, :2] = 0, 255  # so that their own range is no riddle
    theirs = session.run(None, {"pictures": pictures})[0]
    np.testing.assert_allclose(theirs, classifier.predict_proba(pictures), rtol=0, atol=1e-5)


def test_the_classes_are_named_in_the_metadata(tmp_path) -> None:
    classifier = classifier_of(small(), (1, 9, 7))
    export_onnx(classifier, tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    metadata = {each.key: each.value for each in model.metadata_props}
    assert json.loads(metadata["classes"]) == list(classifier.classes) and "0, black, to 255" in metadata["input"]
    assert model.opset_import[0].version >= 17 and model.producer_name == "gpucnn"


def test_a_model_that_differs_is_refused(runtime, tmp_path, monkeypatch) -> None:
    """What is wrong here is a leaky ReLU's slope, written as if it were a ReLU's."""
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(63, 8), nn.LeakyReLU(0.2), nn.Linear(8, 3)).eval()
    monkeypatch.setitem(steps.TRANSLATED, nn.LeakyReLU, steps.TRANSLATED[nn.ReLU])
    for bare in (False, True):
        with pytest.raises(InputError, match=r"differ by up to .* nothing was written"):
            export_onnx(classifier_of(net, (1, 9, 7)), tmp_path / "a.onnx", bare=bare)
    assert not (tmp_path / "a.onnx").exists()


def test_a_layer_of_ones_own_is_refused_by_name(tmp_path) -> None:
    class Doubled(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    net = nn.Sequential(nn.Flatten(), Doubled(63, 3)).eval()
    with pytest.raises(
        InputError, match=r"layer 1 \(linear\) cannot be exported; .*can: adaptive_avg_pool1d, .* zero_pad2d"
    ):
        export_onnx(classifier_of(net, (1, 9, 7)), tmp_path / "a.onnx")


def test_every_layer_that_the_yaml_knows_has_its_steps() -> None:
    assert set(nn.LAYERS.values()) - {nn.Residual, nn.Branches} <= steps.TRANSLATED.keys()


def test_without_the_library_the_extra_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"onnx is not installed; pip install 'gpucnn\[onnx\]'"):
        export_onnx(classifier_of(small(), (1, 9, 7)), tmp_path / "a.onnx")


def test_without_a_runtime_it_is_written_unjudged(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert export_onnx(classifier_of(small(), (1, 9, 7)), tmp_path / "a.onnx") is None
    assert (tmp_path / "a.onnx").exists()


# --- reading networks of others ---------------------------------------------------------------------------------------


def written(path, nodes: list, axes: int = 4, shape: Sequence[int] = (2, 4, 4), **constants: np.ndarray) -> None:
    """A model of these nodes, from `x` (N, *shape) to `y`, of so many axes."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [
        helper.make_tensor_value_info("x", kind, ["N", *shape]),
        helper.make_tensor_value_info("y", kind, [None] * axes),
    ]
    arrays = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], arrays)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def node(operator: str, *inputs: str, to: str = "y", **options):
    return onnx.helper.make_node(operator, inputs, [to], to, **options)


def test_operators_of_no_layer_are_named(tmp_path) -> None:
    nodes = [node("Erf", "x", to="a"), node("Relu", "a", to="b"), node("Transpose", "b")]
    written(tmp_path / "a.onnx", nodes)
    with pytest.raises(InputError, match=r"a\.onnx has operators .*no layer here: Erf, Transpose; these are"):
        from_onnx(tmp_path / "a.onnx")


TWO = np.full((), 2, np.float32)
REFUSED = {
    "multiplies": ([node("Mul", "x", "two")], {"two": TWO}),
    "adds a constant": ([node("Add", "x", "two")], {"two": TWO}),
    "auto_pad": ([node("MaxPool", "x", kernel_shape=[2, 2], auto_pad="SAME_UPPER")], {}),
    "not to (images, numbers)": ([node("Reshape", "x", "to")], {"to": np.array([0, 2, 16])}),
    "is not a constant": ([node("Relu", "x", to="r"), node("Conv", "x", "r")], {}),
    "joins along another axis": ([node("Relu", "x", to="r"), node("Concat", "x", "r", axis=2)], {}),
    "pads other axes": ([node("Pad", "x", "p")], {"p": np.array([0, 1, 0, 0, 0, 0, 0, 0])}),
}


def test_values_of_one_that_are_added_are_branches(tmp_path) -> None:
    nodes = [node("Relu", "x", to="r"), node("Tanh", "x", to="t"), node("Add", "r", "t")]
    written(tmp_path / "a.onnx", nodes, axes=4)
    (layer,) = from_onnx(tmp_path / "a.onnx")
    assert isinstance(layer, nn.Branches) and layer.merge == "sum"
    assert [type(path[0]) for path in layer.paths] == [nn.ReLU, nn.Tanh]


@pytest.mark.parametrize("why", REFUSED)
def test_what_no_layer_does_is_refused(why, tmp_path) -> None:
    nodes, constants = REFUSED[why]
    written(tmp_path / "a.onnx", nodes, axes=3 if why.startswith("not to") else 4, **constants)
    with pytest.raises(InputError, match=re.escape(why)):
        from_onnx(tmp_path / "a.onnx")


WHOLE = {"GlobalMaxPool": "global_max_pool", "GlobalAveragePool": "global_avg_pool"}


@pytest.mark.parametrize("operator", WHOLE)
def test_whole_maps_of_one_to_three_axes_are_read(operator, tmp_path) -> None:
    path = tmp_path / "a.onnx"
    for axes in (1, 2, 3):
        written(path, [node(operator, "x")], axes=2 + axes, shape=(2, 3, 5, 4)[: 1 + axes])
        assert [layer.kind for layer in from_onnx(path)] == [f"{WHOLE[operator]}{axes}d"]
    written(path, [node(operator, "x")], axes=6, shape=(2, 3, 3, 3, 3))
    with pytest.raises(InputError, match="not known to have one to three axes"):
        from_onnx(path)


def test_a_file_that_is_no_model_is_refused(tmp_path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="is not a valid ONNX model"):
        from_onnx(tmp_path / "a.onnx")


def test_a_network_of_another_exporter_comes_in(runtime, tmp_path, rng) -> None:
    """As others write one: constants as nodes, Reshape for flatten, MatMul, a block whose input is first."""
    w, v = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 2, 3, 3), (32, 5)))
    shape = onnx.numpy_helper.from_array(np.array([-1, 32]))
    nodes = [
        node("Conv", "x", "w", to="c", pads=[1, 1, 1, 1]), node("Relu", "c", to="r"), node("Add", "x", "r", to="a"),
        node("Constant", to="s", value=shape), node("Reshape", "a", "s", to="f"), node("MatMul", "f", "v"),
    ]  # fmt: skip
    written(tmp_path / "a.onnx", nodes, axes=2, w=w, v=v)
    x = rng.standard_normal((3, 2, 4, 4)).astype(np.float32)
    theirs = by_runtime(runtime, tmp_path / "a.onnx", x)
    np.testing.assert_allclose(outputs(from_onnx(tmp_path / "a.onnx"), x), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # PyTorch's exporter warns of its own successor
def test_a_network_of_pytorch_comes_in(torch, tmp_path) -> None:
    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.BatchNorm2d(8))

        def forward(self, x):
            return x + torch.relu(self.inner(x))

    layers = torch.nn
    net = layers.Sequential(
        layers.Conv2d(3, 8, 3, stride=2), layers.LeakyReLU(0.1), Block(), layers.MaxPool2d(2, ceil_mode=True),
        layers.AvgPool2d(2, padding=1, count_include_pad=False), layers.AdaptiveAvgPool2d(1), layers.Flatten(),
        layers.Dropout(), layers.Linear(8, 5), layers.LogSoftmax(1),
    ).eval()  # fmt: skip
    x = torch.randn(4, 3, 21, 19)
    torch.onnx.export(
        net, x, str(tmp_path / "a.onnx"), dynamo=False, dynamic_axes={"input": {0: "N"}}, input_names=["input"]
    )
    found = outputs(from_onnx(tmp_path / "a.onnx"), x.numpy())
    np.testing.assert_allclose(found, net(x).detach().numpy(), rtol=1e-5, atol=1e-5)
