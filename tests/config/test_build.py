import numpy as np
import pytest

import gpucnn
from gpucnn import nn, optim
from gpucnn.config.build import build_loaders, build_network, build_trainer, load_data
from gpucnn.config.check import Checked, check
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.data import DownloadError
from gpucnn.errors import ConfigError, DataError

TEXT = """\
name: small
data: {name: digits, validation: 0.25, normalize: unit}
model:
  - conv2d: {out_channels: 4, kernel_size: 5, init: xavier_normal}
  - batch_norm2d
  - relu
  - residual:
      - conv2d: {out_channels: 4, kernel_size: 3, padding: same}
      - relu
  - max_pool2d: {kernel_size: 2}
  - flatten
  - linear: {out_features: 10}
loss: {name: cross_entropy, label_smoothing: 0.1}
optimizer: {name: adamw, lr: 0.002, betas: [0.8, 0.9]}
schedule: {name: one_cycle, warmup: 0.3}
train: {epochs: 2, batch_size: 50, clip_norm: 5.0}
"""


def checked(*overrides: str) -> Checked:
    return check(read_yaml(TEXT, "x.yaml"), overrides)


def test_sizes_are_inferred_through_all_layers() -> None:
    net = build_network(checked(), (1, 28, 28), 10)
    assert [type(layer) for layer in net][:4] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Residual]
    shapes = {name: array.shape for name, array in net.state_dict().items()}
    assert shapes["0.weight"] == (4, 1, 5, 5)
    assert shapes["1.running_mean"] == (4,)
    assert shapes["3.0.weight"] == (4, 4, 3, 3)
    assert shapes["6.weight"] == (10, 4 * 12 * 12)


def test_the_seed_fixes_the_weights() -> None:
    def weights() -> dict[str, np.ndarray]:
        gpucnn.manual_seed(5)
        return build_network(checked(), (1, 28, 28), 10).state_dict()

    first, second = weights(), weights()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_float64_goes_through_the_whole_network() -> None:
    net = build_network(checked("dtype=float64"), (1, 28, 28), 10)
    assert {array.dtype.name for array in net.state_dict().values() if array.dtype.kind == "f"} == {"float64"}


def test_the_initialiser_at_the_top_serves_layers_without_their_own() -> None:
    net = build_network(checked("init=he_normal", "model.0.conv2d.init=default"), (1, 28, 28), 10)
    state = net.state_dict()
    assert not state["6.bias"].any()  # He's rule leaves biases at zero
    assert state["0.bias"].any()  # PyTorch's default does not


def test_a_network_that_does_not_fit_the_data_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"^x.yaml:12:5: model layer 6 \(linear\): .* 10 outputs, expected 3"):
        build_network(checked(), (1, 28, 28), 3)
    with pytest.raises(ConfigError, match=r"^x.yaml:4:5: model layer 0 \(conv2d\): the window does not fit"):
        build_network(checked(), (1, 4, 4), 10)


def test_the_trainer_has_what_the_configuration_says() -> None:
    trainer = build_trainer(checked().config, build_network(checked(), (1, 28, 28), 10))
    assert isinstance(trainer.optimizer, optim.AdamW)
    assert trainer.optimizer.param_groups[0]["betas"] == (0.8, 0.9)
    assert trainer.optimizer.lr == 0.002
    assert trainer.schedule == optim.OneCycle(warmup=0.3)
    assert trainer.loss.label_smoothing == 0.1
    assert trainer.early_stop is None


def test_validation_images_are_held_out_of_the_training_images() -> None:
    data = load_data(checked().config)
    assert (len(data.train), len(data.validation or ()), len(data.test)) == (1078, 359, 360)  # of 1,437; 1,437 / 4


def test_the_loaders_follow_the_configuration() -> None:
    config = checked("train.shuffle=false", "dtype=float64", "data.augment={crop: 2}").config
    data = load_data(config)
    loaders = build_loaders(config, data)
    assert loaders.train.batch_size == 50 and loaders.train.augment.crop == 2 and not loaders.train.shuffle
    assert loaders.test.augment is None and loaders.validation.augment is None
    batch = next(loaders.test.batches(0))
    assert batch.images.dtype == np.float64
    np.testing.assert_allclose(batch.images[..., 0], data.test.images[0] / 255)  # unit: 0..255 to 0..1


def test_classes_limit_and_split() -> None:
    data = load_data(
        checked("data.classes=[3, 5]", "data.limit=40", "data.validation=10", "model.6.linear.out_features=2").config
    )
    assert data.train.class_names == ("3", "5") and set(data.train.labels) == {0, 1}
    assert (len(data.train), len(data.validation or ())) == (30, 10)
    split = load_data(checked("data.split={train: 1000}", "data.validation=0").config)
    assert (len(split.train), split.validation, len(split.test)) == (1000, None, 797)  # of all 1,797


def test_so_many_images_of_each_chosen_class() -> None:
    overrides = ("data.classes=[3, 5]", "data.validation=0", "model.6.linear.out_features=2")
    data = load_data(checked("data.per_class={train: 25, test: 10}", *overrides).config)
    assert data.train.class_counts.tolist() == [25, 25] and data.test.class_counts.tolist() == [10, 10]
    whole = load_data(checked(*overrides).config)
    half = load_data(checked("data.per_class={train: 25}", *overrides).config)
    assert len(half.train) == 50 and np.array_equal(half.test.images, whole.test.images)


def test_the_test_images_may_be_watched_in_the_place_of_validation_images() -> None:
    data = load_data(checked("data.validation=test").config)
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.validation is not None and np.array_equal(data.validation.images, data.test.images)


def test_synthetic_takes_its_own_options_beside_the_common_ones() -> None:
    config = checked(
        "data={name: synthetic, train: 60, test: 20, shape: [3, 16, 16], classes: 10, validation: 10}",
    ).config
    data = load_data(config)
    assert data.train.images.shape == (50, 3, 16, 16) and len(data.test) == 20


def test_a_fallback_keeps_the_fraction_of_what_is_held_out(tmp_path, monkeypatch) -> None:
    def unreachable(*_: object) -> None:
        raise DownloadError("no mirror gave it")

    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("gpucnn.data.mnist.fetch", unreachable)
    data = load_data(checked("data={name: mnist, fallback: digits, validation: 10000}").config)
    assert (data.loaded.requested, data.loaded.used, data.loaded.why) == ("mnist", "digits", "no mirror gave it")
    assert len(data.validation or ()) == 240  # a sixth of 1,437, as 10,000 are of 60,000 (239.5)


def test_a_limit_holds_after_a_fallback_too(tmp_path, monkeypatch) -> None:
    def unreachable(*_: object) -> None:
        raise DownloadError("no mirror gave it")

    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("gpucnn.data.mnist.fetch", unreachable)
    data = load_data(checked("data={name: mnist, fallback: digits, limit: 300, validation: 60}").config)
    assert (len(data.train), len(data.validation or ())) == (240, 60)


def test_too_many_images_held_out_is_told() -> None:
    with pytest.raises(DataError, match="validation is 1437"):
        load_data(checked("data.validation=1437").config)
