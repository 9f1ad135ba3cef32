"""Layers of later networks as ONNX: both runtimes answer as we do, and what is read back answers alike."""

import re

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.errors import InputError
from gpucnn.export import export_c, export_onnx, export_page, from_onnx
from gpucnn.training.evaluation import outputs
from tests.export.networks import classifier_of
from tests.export.test_onnx import both_models, by_openvino, by_runtime

IMAGE, LINE, VOLUME = (2, 8, 6), (3, 12), (2, 4, 6, 4)


def drawn(layer):
    """The layer with other weights than those it begins with, so that a weight that is lost shows."""
    rng = np.random.default_rng(0)
    state = {
        name: np.asarray(value) + rng.uniform(0.1, 0.6, value.shape).astype(np.float32)
        for name, value in layer.state_dict().items()
        if value.ndim
    }
    layer.load_state_dict(layer.state_dict() | state)
    return layer


ACTIVATIONS = [
    (layer, IMAGE)
    for layer in (
        nn.GELU, lambda: nn.GELU("tanh"), nn.SiLU, nn.ELU, lambda: nn.ELU(0.3), nn.Hardswish, nn.Softplus,
        lambda: nn.Softplus(2.0, 30.0), nn.PReLU, lambda: nn.PReLU(2),
    )
]  # fmt: skip
NORMALISATIONS = [
    (lambda: nn.GroupNorm(2, 4, 1e-3), (4, 5, 3)),
    (lambda: nn.GroupNorm(2, 4, affine=False), (4, 5)),
    (lambda: nn.LayerNorm((2, 8, 6)), IMAGE),
    (lambda: nn.LayerNorm(6, 1e-3), IMAGE),
    (lambda: nn.LayerNorm(12, bias=False), LINE),
    (lambda: nn.LayerNorm((8, 6), elementwise_affine=False), IMAGE),
    (lambda: nn.InstanceNorm1d(3), LINE),
    (lambda: nn.InstanceNorm2d(2, affine=True), IMAGE),
    (lambda: nn.InstanceNorm3d(2, 1e-3), VOLUME),
]
RESAMPLINGS = [
    (lambda: nn.AdaptiveAvgPool2d((4, 3)), IMAGE),
    (lambda: nn.AdaptiveAvgPool1d(1), LINE),
    (nn.GlobalAvgPool1d, LINE),
    (nn.GlobalAvgPool3d, VOLUME),
    (nn.GlobalMaxPool1d, LINE),
    (nn.GlobalMaxPool2d, IMAGE),
    (nn.GlobalMaxPool3d, VOLUME),
    (lambda: nn.AdaptiveMaxPool2d((2, None)), IMAGE),
    (lambda: nn.AdaptiveMaxPool2d(1), IMAGE),
    (lambda: nn.AdaptiveMaxPool3d(2), VOLUME),
    (lambda: nn.AdaptiveMaxPool3d(1), VOLUME),
    (lambda: nn.Upsample(scale_factor=2), IMAGE),
    (lambda: nn.Upsample((5, 9)), IMAGE),
    (lambda: nn.Upsample(7), LINE),
    (lambda: nn.Upsample(scale_factor=(1.7, 0.6), mode="bilinear"), IMAGE),
    (lambda: nn.Upsample((5, 9), mode="bilinear", align_corners=True), IMAGE),
    (lambda: nn.Upsample(scale_factor=1.5, mode="linear", align_corners=True), LINE),
    (lambda: nn.Upsample((3, 7, 4), mode="trilinear", align_corners=False), VOLUME),
]
TRANSPOSED = [
    (lambda: nn.ConvTranspose2d(2, 3, 3), IMAGE),
    (lambda: nn.ConvTranspose2d(2, 4, (3, 2), (2, 3), (1, 0), (1, 2), 2, False), IMAGE),
    (lambda: nn.ConvTranspose1d(3, 2, 3, 2, 1, 1, dilation=2), LINE),
    (lambda: nn.ConvTranspose3d(2, 2, 2, 2), VOLUME),
]
KINDS = re.compile("adaptive_|global_")  # some come back as pooling under a window
LAYERS = [*TRANSPOSED, *ACTIVATIONS, *NORMALISATIONS, *RESAMPLINGS]


def network(make, shape) -> nn.Sequential:
    gpucnn.manual_seed(0)
    layers = [drawn(make()), nn.Flatten()]
    features = nn.Sequential(*layers).output_shape(shape)[0]
    return nn.Sequential(*layers, nn.Linear(features, 3)).eval()


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_a_layer_agrees_and_comes_back(make, shape, tmp_path) -> None:
    runtime, openvino = pytest.importorskip("onnxruntime"), pytest.importorskip("openvino")
    net = network(make, shape)
    model = both_models(classifier_of(net, shape), tmp_path / "a", 9)
    for judge, by in ((runtime, by_runtime), (openvino, by_openvino)):
        found = by(judge, model.bare, model.inputs)
        np.testing.assert_allclose(found, model.logits, rtol=1e-4, atol=1e-5, err_msg=judge.__name__)
    back = from_onnx(model.bare)
    np.testing.assert_allclose(outputs(back, model.inputs), model.logits, rtol=1e-6, atol=1e-6)
    for layer, read in zip(net, back, strict=True):
        assert isinstance(layer, type(read)) or KINDS.sub("", layer.kind)[:6] in read.kind


def test_whole_lines_that_are_scaled_agree(tmp_path) -> None:
    """OpenVINO scaled them wrongly behind GlobalMaxPool and GlobalAveragePool."""
    openvino = pytest.importorskip("openvino")
    for pool in (nn.GlobalMaxPool1d, nn.GlobalAvgPool1d):
        net = nn.Sequential(pool(), drawn(nn.BatchNorm1d(3)), nn.Flatten(), nn.Linear(3, 3)).eval()
        model = both_models(classifier_of(net, LINE), tmp_path / "a", 9)
        np.testing.assert_allclose(by_openvino(openvino, model.bare, model.inputs), model.logits, rtol=1e-4, atol=1e-5)


def test_instance_norm_with_running_statistics_is_batch_norm(tmp_path) -> None:
    net = network(lambda: nn.InstanceNorm2d(2, track_running_stats=True), IMAGE)
    model = both_models(classifier_of(net, IMAGE), tmp_path / "a", 9)
    back = from_onnx(model.bare)
    assert isinstance(back[0], nn.BatchNorm)
    np.testing.assert_allclose(outputs(back, model.inputs), model.logits, rtol=1e-6, atol=1e-6)


def test_what_onnx_has_no_word_for_is_refused(tmp_path) -> None:
    for make, words in [
        (lambda: nn.Softplus(1.0, 2.0), "as ONNX: its threshold is 2"),
        (lambda: nn.AdaptiveAvgPool2d((3, 3)), "its windows over maps of .8, 6. are not of one size"),
    ]:
        with pytest.raises(InputError, match=rf"layer 0 \(.*\) cannot be exported.*{words}"):
            export_onnx(classifier_of(network(make, IMAGE), IMAGE), tmp_path / "a.onnx")


@pytest.mark.parametrize("make", [nn.GELU, nn.PReLU])
def test_what_is_only_in_onnx_is_refused_elsewhere_in_words(make, tmp_path) -> None:
    classifier = classifier_of(network(make, (1, 8, 8)), (1, 8, 8))
    for export in (export_c, export_page):
        with pytest.raises(InputError, match=r"layer 0 \(p?[rg]elu\) cannot be in a .*onnx has all layers"):
            export(classifier, tmp_path / "a")
