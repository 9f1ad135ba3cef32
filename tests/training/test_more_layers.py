"""Networks of later layers train, on every set of kernels, captured or not, to the same bits; and from YAML."""

import numpy as np
import pytest

import gpucnn
from gpucnn import nn, optim
from gpucnn.cli import main
from gpucnn.data import Loader
from gpucnn.training import Trainer

pytestmark = pytest.mark.usefixtures("device")


def activations():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.GELU(), nn.Conv2d(4, 4, 3, stride=2), nn.PReLU(4), nn.Hardswish(), nn.Flatten(),
        nn.Linear(36, 8), nn.SiLU(), nn.ELU(), nn.Softplus(), nn.GELU("tanh"), nn.Linear(8, 3),
    )  # fmt: skip


def normalisations():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.MaxPool2d(2), nn.InstanceNorm2d(4, affine=True),
        nn.InstanceNorm2d(4, track_running_stats=True), nn.Flatten(), nn.Linear(64, 8), nn.LayerNorm(8),
        nn.Linear(8, 3),
    )  # fmt: skip


def transposed():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(4, 4, 3, 2, 1, bias=False), nn.ReLU(),
        nn.ConvTranspose2d(4, 6, 2, groups=2), nn.Flatten(), nn.Linear(6 * 8 * 8, 3),
    )  # fmt: skip


def resamplings():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.AdaptiveMaxPool2d(5), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3),
        nn.Upsample((5, 7), mode="bilinear"), nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(24, 3),
    )  # fmt: skip


def whole_maps():
    paths = nn.GlobalMaxPool2d(), nn.GlobalAvgPool2d()
    both = nn.Branches(*(nn.Sequential(nn.Conv2d(4, 4, 3), path) for path in paths), merge="concat")
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), both, nn.Flatten(), nn.Linear(8, 3))


def branches():
    paths = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU()), nn.Sequential(), nn.Sequential(nn.Conv2d(1, 2, 1))
    both = nn.Sequential(nn.Conv2d(6, 4, 3)), nn.Sequential(nn.Conv2d(6, 4, 3), nn.Tanh())
    joined, added = nn.Branches(*paths, merge="concat"), nn.Branches(*both, merge="sum")
    return nn.Sequential(joined, added, nn.Flatten(), nn.Linear(256, 3))


NETWORKS = {
    "branches": branches,
    "transposed": transposed,
    "resamplings": resamplings,
    "whole_maps": whole_maps,
    "activations": activations,
    "normalisations": normalisations,
}


def trained(network, capture: bool) -> dict[str, np.ndarray]:
    """The state after two epochs of batches of 8, the last smaller."""
    gpucnn.manual_seed(0)
    rng, net = np.random.default_rng(1), network()
    pictures, labels = rng.integers(0, 256, (21, 1, 10, 10)).astype(np.uint8), rng.integers(0, 3, 21)
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.02, momentum=0.9), capture=capture)
    before = net.state_dict()
    list(trainer.run(Loader((pictures, labels), 8, shuffle=True, seed=2), None, 2))
    still = [name for name, value in net.state_dict().items() if value.ndim and np.array_equal(value, before[name])]
    assert still == []
    return net.state_dict()


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_captured_is_step_by_step(network):
    found, expected = trained(network, True), trained(network, False)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


CONFIG = """
name: layers
data: {name: digits, limit: 96, validation: 16}
model:
  - conv2d: {out_channels: 8, kernel_size: 3, padding: same}
  - group_norm: {num_groups: 4}
  - conv_transpose2d: {out_channels: 8, kernel_size: 2, stride: 2}
  - gelu
  - adaptive_max_pool2d: {output_size: [5, 4]}
  - upsample: {scale_factor: 2, mode: bilinear}
  - instance_norm2d: {affine: true, track_running_stats: true}
  - prelu
  - layer_norm
  - hardswish
  - flatten
  - linear: {out_features: classes}
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
train: {epochs: 2, batch_size: 32}
report: false
"""


def test_a_network_of_them_trains_from_yaml(device, tmp_path, capsys):
    (tmp_path / "a.yaml").write_text(CONFIG)
    command = ["--run-dir", str(tmp_path / "run"), "--device", "cpu" if device.kind == "cpu" else "cuda", "--quiet"]
    assert main(["train", str(tmp_path / "a.yaml"), *command]) == 0, capsys.readouterr().err
    assert main(["eval", str(tmp_path / "run")]) == 0
    assert main(["summary", str(tmp_path / "run")]) == 0
    assert "group_norm" in capsys.readouterr().out
