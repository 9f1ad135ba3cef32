import inspect

import numpy as np
import pytest
from PIL import Image

import gpucnn
from gpucnn import nn, optim
from gpucnn.config.build import build_loaders, build_network, build_trainer, counted, load_data
from gpucnn.config.check import Checked, check, data_shape, load_options
from gpucnn.config.layers import options_of
from gpucnn.config.resolve import differences
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.data import DownloadError
from gpucnn.errors import ConfigError, DataError
from gpucnn.kernels import dispatch
from gpucnn.training import Trainer
from tests.devices import kept

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


def test_a_network_has_as_many_outputs_as_the_data_have_classes() -> None:
    given = checked("model.6.linear.out_features=classes")
    assert build_network(given, (1, 28, 28), 7)[6].out_features == 7
    resolved = counted(given, 7).config
    assert dict(resolved.model[6].options)["out_features"] == 7
    assert given.config.model[6].options.out_features == "classes"  # the configuration given is left as it was
    assert differences(counted(given, 10).config, checked().config) == []


@pytest.mark.parametrize(
    "model",
    [
        "[flatten, linear: {out_features: classes}, relu, linear: {out_features: 10}]",
        "[flatten, residual: [linear: {out_features: classes}], linear: {out_features: 10}]",
        "[flatten, linear: {out_features: classes}, residual: [linear: {out_features: 10}]]",
    ],
)
def test_classes_stands_on_the_last_layer_that_learns(model: str) -> None:
    with pytest.raises(ConfigError, match=r"out_features: classes is for the last layer that learns; give a number"):
        checked(f"model={model}")


def test_the_trainer_has_what_the_configuration_says() -> None:
    trainer = build_trainer(checked().config, build_network(checked(), (1, 28, 28), 10))
    assert isinstance(trainer.optimizer, optim.AdamW)
    assert trainer.optimizer.param_groups[0]["betas"] == (0.8, 0.9)
    assert trainer.optimizer.lr == 0.002
    assert trainer.schedule == optim.OneCycle(warmup=0.3)
    assert trainer.loss.label_smoothing == 0.1
    assert trainer.early_stop is None


# --- learning rates of layers -----------------------------------------------------------------------------------------


def trainer_of(*overrides: str) -> Trainer:
    gpucnn.manual_seed(0)
    accepted = checked(*overrides)
    return build_trainer(accepted.config, build_network(accepted, (1, 28, 28), 10))


def moved(*overrides: str, steps: int = 1) -> dict[str, np.ndarray]:
    """How far plain SGD moves each parameter, from the same weights along the same images."""
    trainer = trainer_of("optimizer={name: sgd, lr: 0.5}", "dtype=float64", "train.clip_norm=null", *overrides)
    before = trainer.net.state_dict()
    images = np.random.default_rng(0).integers(0, 256, (4 * steps, 1, 28, 28)) / 255
    trainer.fit((images, np.arange(4 * steps) % 10), batch_size=4)
    return {name: trainer.net.state_dict()[name] - before[name] for name, _ in trainer.net.named_parameters()}


@pytest.mark.parametrize("name", [name for name in nn.LAYERS if name not in ("residual", "branches")])
def test_the_layers_with_parameters_have_learning_rates(name: str) -> None:
    sizes = dict.fromkeys(("in_channels", "in_features", "num_features", "out_channels", "out_features"), 2)
    sizes |= {"kernel_size": 1, "padding": 1, "num_groups": 1, "num_channels": 2, "normalized_shape": 2}
    sizes["output_size"] = 1
    affine = {"affine": True} if name.startswith("instance_norm") else {}
    required = [p.name for p in inspect.signature(nn.LAYERS[name]).parameters.values() if p.default is p.empty]
    layer = nn.LAYERS[name](**{option: sizes[option] for option in required}, **affine)
    assert ("lr_scale" in options_of(name).model_fields) == (len(list(layer.parameters())) > 0)


def test_without_lr_scale_there_is_one_group() -> None:
    trainer = trainer_of()
    (group,) = trainer.optimizer.param_groups
    assert group["lr"] == 0.002
    assert list(map(id, group["params"])) == list(map(id, trainer.net.parameters()))


def test_each_lr_scale_is_a_group_the_optimizers_own_rate_first() -> None:
    scales = ("model.0.conv2d.lr_scale=0", "model.3.residual.0.conv2d.lr_scale=0.5", "model.6.linear.lr_scale=0.5")
    trainer = trainer_of(*scales)
    net, groups = trainer.net, trainer.optimizer.param_groups
    assert [group["lr"] for group in groups] == [0.002, 0.0, 0.001]
    expected = [[net[1]], [net[0]], [net[3][0], net[6]]]
    for group, layers in zip(groups, expected, strict=True):
        assert list(map(id, group["params"])) == [id(p) for layer in layers for p in layer.parameters()]
    assert trainer.optimizer.lr == 0.002


def test_a_layer_moves_by_its_own_learning_rate() -> None:
    plain = moved("schedule={name: constant}")
    scaled = moved("schedule={name: constant}", "model.0.conv2d.lr_scale=0", "model.6.linear.lr_scale=0.25")
    expected = {"0.weight": 0, "0.bias": 0, "6.weight": 0.25, "6.bias": 0.25}
    for name, way in plain.items():
        np.testing.assert_allclose(scaled[name], expected.get(name, 1) * way, rtol=1e-9, atol=1e-15)
        assert name == "0.bias" or np.abs(way).max() > 1e-6  # batch normalisation takes the bias away again


def test_a_frozen_batch_norm_keeps_its_running_statistics() -> None:
    images = 7 * np.random.default_rng(0).random((8, 1, 28, 28)) + 2
    for scale, moves in ((0, False), (0.5, True)):
        trainer = trainer_of(f"model.1.batch_norm2d.lr_scale={scale}")
        before = trainer.net[1].state_dict()
        trainer.fit((images, np.arange(8) % 10), batch_size=4)
        after = trainer.net[1].state_dict()
        assert {name: bool((after[name] != before[name]).any()) for name in before} == dict.fromkeys(before, moves)


@pytest.mark.parametrize("optimizer", [*optim.OPTIMIZERS])
@pytest.mark.parametrize("kernels", ["auto", "numpy"])
def test_a_frozen_layer_stays_and_has_no_momentum(optimizer: str, kernels: str) -> None:
    """Neither weight decay nor clipping see it; with captured steps and without."""
    frozen = ("model.0.conv2d.lr_scale=0", "model.1.batch_norm2d.lr_scale=0")
    with kept():
        dispatch.choose(kernels)
        trainer = trainer_of(*frozen, f"optimizer={{name: {optimizer}, lr: 0.01, weight_decay: 0.1}}")
        before = trainer.net.state_dict()
        images = np.random.default_rng(0).random((24, 1, 28, 28)).astype("float32")
        trainer.fit((images, np.arange(24) % 10), batch_size=4, epochs=2)
    stays = {name: np.array_equal(array, before[name]) for name, array in trainer.net.state_dict().items()}
    assert stays == {name: name.startswith(("0.", "1.")) for name in before}
    for group, flat in zip(trainer.optimizer.param_groups, trainer.optimizer.flat, strict=True):
        moved = any(array.any() for array in flat.state.values())
        assert not (moved and group["lr"] == 0)


def test_batch_norm_without_weights_can_be_frozen_too() -> None:
    trainer = trainer_of("model.1.batch_norm2d={affine: false, lr_scale: 0}")
    assert trainer.net[1].frozen


def test_with_every_layer_but_the_last_frozen_the_schedule_goes_on() -> None:
    frozen = [f"model.{layer}.lr_scale=0" for layer in ("0.conv2d", "1.batch_norm2d", "3.residual.0.conv2d")]
    trainer = trainer_of(*frozen, "model.6.linear.lr_scale=3", "optimizer={name: sgd, lr: 0.5}")
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0, 1.5]
    rates = []
    step = type(trainer.optimizer).step
    trainer.optimizer.step = lambda: (rates.append(trainer.optimizer.lr), step(trainer.optimizer))
    images = np.random.default_rng(0).random((40, 1, 28, 28))
    trainer.fit((images, np.arange(40) % 10), batch_size=4)
    # one_cycle, warm-up 0.3 of ten steps
    assert max(rates) == pytest.approx(1.5) and rates[0] < 1 and rates[-1] < 0.5


# --- data -------------------------------------------------------------------------------------------------------------


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


def test_a_folder_with_validation_images_of_its_own_uses_them(tmp_path) -> None:
    for part, count in (("train", 4), ("val", 3), ("test", 2)):
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            for k in range(count):
                Image.new("L", (4, 4), k).save(tmp_path / part / name / f"{k}.png")
    text = "data={name: folder, path: %s, channels: 1, validation: %s}"
    for validation, sizes in (("0.5", (8, 6, 4)), ("0", (8, 6, 4)), ("test", (8, 4, 4))):
        data = load_data(load_options("smoke", [text % (tmp_path, validation)]).config)
        assert (len(data.train), len(data.validation), len(data.test)) == sizes


def test_transposed_images_and_their_shape(tmp_path) -> None:
    images = np.arange(10 * 6, dtype=np.uint8).reshape(10, 2, 3)
    np.savez(tmp_path / "x.npz", x_train=images, y_train=np.arange(10) % 2)
    checked = load_options("smoke", [f"data={{name: npz, path: {tmp_path}/x.npz, transpose: true}}"])
    data = load_data(checked.config)
    assert data.train.image_shape == (1, 3, 2) == data_shape(checked.config.data)[0]
    turned = {image.tobytes() for image in images.swapaxes(1, 2)}
    assert all(image[0].tobytes() in turned for image in data.train.images)


@pytest.mark.parametrize(("names", "expected"), [("[0, 1]", ("0", "1")), ("['0', b]", ("0", "b"))])
def test_numbers_may_be_names_of_classes(tmp_path, names, expected) -> None:
    np.savez(tmp_path / "x.npz", x_train=np.zeros((10, 2, 2), np.uint8), y_train=np.arange(10) % 2)
    checked = load_options("smoke", [f"data={{name: npz, path: {tmp_path}/x.npz, class_names: {names}}}"])
    assert load_data(checked.config).train.class_names == expected
