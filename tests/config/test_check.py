"""Every kind of fault in a configuration, with its place and its words."""

import tracemalloc
from collections.abc import Iterable

import pytest

from gpucnn.config.check import check, load_config
from gpucnn.config.schema import Config
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.errors import ConfigError
from gpucnn.generators import generator_state

TEXT = """\
name: small
seed: 3
device: cpu
dtype: float32
data: {name: digits, validation: 100, normalize: unit}
model:
  - conv2d: {out_channels: 4, kernel_size: 5}
  - relu
  - max_pool2d: {kernel_size: 2}
  - flatten
  - linear: {out_features: 10}
loss: {name: cross_entropy}
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
schedule: {name: cosine}
train: {epochs: 2, batch_size: 64}
report: true
"""


def checked(text: str, overrides: Iterable[str] = ()) -> Config:
    return check(read_yaml(text, "x.yaml"), overrides).config


def faults_of(text: str, overrides: Iterable[str] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        checked(text, overrides)
    return str(caught.value).split("\n")


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("train.average={name: emma}", 'unknown name "emma"; did you mean ema?'),
        ("train.average={decay: 0.9}", "name is missing; give one of ema, swa"),
        ("train.average=ema", 'given "ema", expected a mapping or null; write {name: ema}'),
        ("train.average={name: ema, decay: 1}", "given 1, expected a number at least 0 and below 1"),
        ("train.average={name: swa, decay: 0.9}", "unknown key 'decay'"),
        ("train.accumulate=0", "given 0, expected a whole number at least 1"),
        ("optimizer={name: rmsprop, lr: 0.1, alpha: 2}", "given 2, expected a number at least 0 and below 1"),
        ("optimizer={name: muon, lr: 0.1, ns_steps: 0}", "given 0, expected a whole number at least 1 and at most 99"),
        ("optimizer={name: muon, adjust_lr_fn: adam}", "expected one of original, match_rms_adamw or null"),
        ("optimizer={name: muon, ns_coefficients: [1, 0, 1]}", "ns_coefficients is (1.0, 0.0, 1.0); expected three"),
    ],
)
def test_faults_of_recipes_are_told(override: str, fault: str) -> None:
    (told,) = faults_of(TEXT, [override])
    assert fault in told and told.startswith(f"override '{override}'")


def test_one_layer_must_be_left_to_train() -> None:
    frozen = [f"model.{layer}.lr_scale=0" for layer in ("0.conv2d", "4.linear")]
    assert checked(TEXT, frozen[:1]).model[0].options.lr_scale == 0
    (fault,) = faults_of(TEXT, frozen)
    assert fault.startswith("x.yaml:6:1: model: all layers have lr_scale 0")


def test_a_right_configuration_is_read() -> None:
    config = checked(TEXT)
    assert (config.name, config.seed, config.data.name, config.data.validation) == ("small", 3, "digits", 100)
    assert [layer.name for layer in config.model] == ["conv2d", "relu", "max_pool2d", "flatten", "linear"]
    assert config.model[0].options.kernel_size == 5
    assert (config.optimizer.name, config.optimizer.beside_name()["nesterov"]) == ("sgd", False)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        # names that are not known
        ("report: true", "reprot: true", "x.yaml:16:1: reprot: unknown key 'reprot'; did you mean report?"),
        (
            "validation",
            "validatoin",
            "x.yaml:5:22: data.validatoin: unknown key 'validatoin' for data 'digits'; did you",
        ),
        ("name: digits", "name: digit", 'x.yaml:5:1: data: unknown name "digit"; did you mean digits?'),
        ("name: sgd", "name: sdg", 'x.yaml:13:1: optimizer: unknown name "sdg"; did you mean sgd?'),
        (
            "momentum",
            "momntum",
            "x.yaml:13:34: optimizer.momntum: unknown key 'momntum' for optimizer 'sgd'; did you mean",
        ),
        ("- relu", "- rleu", "x.yaml:8:5: model layer 1 (rleu): unknown layer 'rleu'; did you mean relu"),
        (
            "kernel_size: 5",
            "kernel_size: 5, pading: 1",
            "x.yaml:7:47: model layer 0 (conv2d): pading: unknown key 'pading'; did you mean",
        ),
        (
            "- relu",
            "- relu: {p: 1}",
            "x.yaml:8:12: model layer 1 (relu): p: unknown key 'p'; there is nothing to choose",
        ),
        # options that are missing
        ("name: digits, ", "", "x.yaml:5:1: data: name is missing; give one of cluttered_digits, csv, digits"),
        ("lr: 0.05, ", "", "x.yaml:13:1: optimizer.lr: is missing; expected a number above 0"),
        (
            "{out_channels: 4, kernel_size: 5}",
            "{kernel_size: 5}",
            "x.yaml:7:5: model layer 0 (conv2d): out_channels: is missing",
        ),
        (
            "- linear: {out_features: 10}",
            "- linear",
            "x.yaml:11:5: model layer 4 (linear): out_features: is missing; expected a whole",
        ),
        ("name: digits", "name: folder", "x.yaml:5:1: data.path: is missing; expected text"),
        # types
        ("seed: 3", "seed: 1.5", "x.yaml:2:1: seed: given 1.5, expected a whole number at least 0"),
        ("seed: 3", "seed: true", "x.yaml:2:1: seed: given true, expected a whole number"),
        (
            "seed: 3",
            "seed: '3'",
            'x.yaml:2:1: seed: given "3", expected a whole number at least 0 and below 4,294,967,296; remove the',
        ),
        ("name: small", "name: 5", 'x.yaml:1:1: name: given 5, expected text; put it between quotes: "5"'),
        (
            "report: true",
            "report: yes",
            'x.yaml:16:1: report: given "yes", expected true or false; write true or false',
        ),
        ("epochs: 2", "epochs: many", 'x.yaml:15:9: train.epochs: given "many", expected a whole number at least 1'),
        ("train: {epochs: 2, batch_size: 64}", "train: 2", "x.yaml:15:1: train: given 2, expected a mapping"),
        ("{name: cosine}", "cosine", 'x.yaml:14:1: schedule: given "cosine", expected a mapping; write {name: cosine}'),
        ("  - relu", "  - 5", "x.yaml:8:5: model layer 1 (5): given 5, expected a name or a mapping"),
        (
            "kernel_size: 5",
            "kernel_size: 5, stride: 99999999999999999999",
            "x.yaml:7:47: model layer 0 (conv2d): stride: given 99999999999999999999, expected a whole number at least "
            "1 and at most 65,536",
        ),
        ("  - relu", "  - relu: 5", "x.yaml:8:5: model layer 1 (relu): given 5, expected a mapping"),
        (
            "kernel_size: 5",
            "kernel_size: [5, x]",
            'x.yaml:7:31: model layer 0 (conv2d): kernel_size: given [5, "x"], expected',
        ),
        # ranges and words
        ("lr: 0.05", "lr: 0", "x.yaml:13:24: optimizer.lr: given 0, expected a number above 0"),
        ("lr: 0.05", "lr: .nan", "x.yaml:13:24: optimizer.lr: given NaN, expected a number above 0"),
        ("lr: 0.05", "lr: 1e999", "x.yaml:13:24: optimizer.lr: given Infinity, expected a number above 0"),
        ("epochs: 2", "epochs: 0", "x.yaml:15:9: train.epochs: given 0, expected a whole number at least 1"),
        (
            "batch_size: 64",
            "batch_size: -1",
            "x.yaml:15:20: train.batch_size: given -1, expected a whole number at least 1",
        ),
        (
            "- relu",
            "- dropout: {p: 1.0}",
            "x.yaml:8:15: model layer 1 (dropout): p: given 1.0, expected a number at least 0 and below 1",
        ),
        (
            "validation: 100",
            "validation: -1",
            "x.yaml:5:22: data.validation: given -1, expected a whole number at least 0 or a number",
        ),
        ("float32", "float16", 'x.yaml:4:1: dtype: given "float16", expected one of float32, float64'),
        ("dtype: float32", "precision: fp8", 'x.yaml:4:1: precision: given "fp8", expected one of float32, tf32, bf16'),
        (
            "dtype: float32",
            "dtype: float64\nprecision: bf16",
            "x.yaml:5:1: precision: given bf16, which is of float32, where dtype is float64",
        ),
        (
            "normalize: unit",
            "normalize: units",
            'x.yaml:5:39: data.normalize: given "units", expected one of none, unit, standard, mean_image',
        ),
        ("device: cpu", "device: gpu", "x.yaml:3:1: device: given 'gpu', expected auto, cpu, cuda or cuda:N"),
        ("name: small", "name: a/b", "x.yaml:1:1: name: given 'a/b', expected letters, digits"),
        (
            "kernel_size: 5",
            "kernel_size: 5, padding: some",
            'x.yaml:7:47: model layer 0 (conv2d): padding: given "some", expected',
        ),
        (
            "kernel_size: 5",
            "kernel_size: 5, lr_scale: -0.1",
            "x.yaml:7:47: model layer 0 (conv2d): lr_scale: given -0.1, expected a number at least 0",
        ),
        (
            "kernel_size: 5",
            "kernel_size: 5, lr_scale: .nan",
            "x.yaml:7:47: model layer 0 (conv2d): lr_scale: given NaN, expected a number at least 0",
        ),
        (
            "out_features: 10",
            "out_features: 10, lr_scale: .inf",
            "x.yaml:11:32: model layer 4 (linear): lr_scale: given Infinity, expected a number at least 0",
        ),
        (
            "out_features: 10",
            "out_features: 10, lr_scale: half",
            'x.yaml:11:32: model layer 4 (linear): lr_scale: given "half", expected a number at least 0',
        ),
        (
            "- relu",
            "- relu: {lr_scale: 1}",
            "x.yaml:8:12: model layer 1 (relu): lr_scale: this layer has no parameters, and so no learning",
        ),
        (
            "- relu",
            "- residual: [{leaky_relu: {lr_scale: 1}}]",
            "x.yaml:8:30: model layer 1 (residual) layer 0 (leaky_relu): lr_scale: this layer has no",
        ),
        # lists and mappings
        (
            "- relu",
            "- {relu: {}, flatten: {}}",
            "x.yaml:8:5: model layer 1 (relu/flatten): given flatten, relu, expected one layer",
        ),
        ("- relu", "- residual: []", "x.yaml:8:5: model layer 1 (residual): given [], expected a list"),
        # options that do not go together
        (
            "momentum: 0.9",
            "nesterov: true",
            "x.yaml:13:1: optimizer: SGD: nesterov looks ahead along the momentum, which is 0",
        ),
    ],
)
def test_each_fault_is_told_with_place_and_mend(old: str, new: str, fault: str) -> None:
    (told,) = faults_of(changed(old, new))
    assert told.startswith(fault)


def test_early_stopping_needs_validation_images() -> None:
    text = changed("validation: 100, ", "").replace("epochs: 2", "epochs: 2, early_stop: {patience: 2}")
    (told,) = faults_of(text)
    assert told.startswith("x.yaml:15:20: train.early_stop: monitors validation_loss, but data.validation is 0")


def test_a_plateau_needs_validation_images_too() -> None:
    text = changed("validation: 100, ", "").replace("{name: cosine}", "{name: plateau, patience: 2}")
    (told,) = faults_of(text)
    assert told.startswith("x.yaml:14:1: schedule: monitors validation_loss, but data.validation is 0")
    assert checked(text.replace("patience: 2", "monitor: train_loss")).schedule.monitor == "train_loss"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("kernel_size: 5", "kernel_size: 29", "x.yaml:7:5: model layer 0 (conv2d): the window does not fit"),
        ("  - flatten\n", "", "x.yaml:10:5: model layer 3 (linear): expected an input of one axis, given (4, 12, 12)"),
        (
            "out_features: 10",
            "out_features: 12",
            "x.yaml:11:5: model layer 4 (linear): the network has 12 outputs, expected 10, one per class of the data; "
            "let its last linear layer have out_features: 10 (model.4.linear.out_features=10)",
        ),
        (
            "  - linear: {out_features: 10}\n",
            "",
            "x.yaml:10:5: model layer 3 (flatten): the network has 576 outputs, expected 10",
        ),
        (
            "  - flatten\n  - linear: {out_features: 10}\n",
            "",
            "x.yaml:9:5: model layer 2 (max_pool2d): the network's output has shape (4, 12, 12)",
        ),
        (
            "out_features: 10}\n",
            "out_features: 10}\n  - softmax\n",
            "x.yaml:12:5: model layer 5 (softmax): cross_entropy takes logits and applies log_softmax itself; remove",
        ),
        (
            "out_features: 10}\n",
            "out_features: 10}\n  - log_softmax\n",
            "x.yaml:12:5: model layer 5 (log_softmax): cross_entropy takes logits",
        ),
        (
            "kernel_size: 5",
            "kernel_size: 5, groups: 3",
            "x.yaml:7:5: model layer 0 (conv2d): groups is 3, which does not divide",
        ),
        ("kernel_size: 5", "kernel_size: [5, 5, 5]", "x.yaml:7:5: model layer 0 (conv2d): kernel_size"),
        (
            "- relu",
            "- residual: [{conv2d: {out_channels: 4, kernel_size: 3}}]",
            "x.yaml:8:5: model layer 1 (residual): its layers turn",
        ),
        (
            "- relu",
            "- residual: [relu, {conv2d: {out_channels: 4, kernel_size: 30}}]",
            "x.yaml:8:22: model layer 1 (residual) layer 1 (conv2d): the window does not fit",
        ),
        (
            "- relu",
            "- batch_norm2d: {affine: false, lr_scale: 2}",
            "x.yaml:8:5: model layer 1 (batch_norm2d): lr_scale: this layer has no parameters",
        ),
        (
            "name: digits",
            "classes: [3, 5], name: digits",
            "x.yaml:11:5: model layer 4 (linear): the network has 10 outputs, expected 2",
        ),
        (
            "name: digits",
            "name: csv, train: nowhere.csv",
            "x.yaml:5:1: data: nowhere.csv: No such file or directory; give another path",
        ),
        ("name: digits", "name: folder, path: /nowhere/at/all", "x.yaml:5:1: data: /nowhere/at/all is not a folder"),
    ],
)
def test_shapes_are_checked_before_data_is_read(old: str, new: str, fault: str) -> None:
    (told,) = faults_of(changed(old, new))
    assert told.startswith(fault)


def test_a_softmax_before_the_mean_squared_error_is_right() -> None:
    text = changed("out_features: 10}\n", "out_features: 10}\n  - softmax\n").replace("cross_entropy", "mse")
    assert checked(text).model[-1].name == "softmax"


def test_all_faults_are_told_at_once_shapes_included() -> None:
    text = changed("lr: 0.05", "lr: -1").replace("out_features: 10", "out_features: 12").replace("seed: 3", "seed: x")
    places = [fault.split(": ")[0] for fault in faults_of(text, ["train.epochs=0", "modle=3"])]
    assert places == ["override 'train.epochs=0'", "override 'modle=3'", "x.yaml:2:1", "x.yaml:11:5", "x.yaml:13:24"]


def test_layers_before_a_fault_are_still_checked() -> None:
    faults = faults_of(changed("kernel_size: 5", "kernel_size: 29").replace("- flatten", "- flaten"))
    assert [fault.split(": ")[1] for fault in faults] == ["model layer 0 (conv2d)", "model layer 3 (flaten)"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "x.yaml:1:1: found nothing, expected a mapping that begins, for example, with 'name: lenet'"),
        ("- a\n", "x.yaml:1:1: found a single value or a list, expected a mapping"),
        ("name: small\n", "x.yaml:1:1: data: is missing; expected a mapping"),
    ],
)
def test_a_file_that_is_no_configuration(text: str, fault: str) -> None:
    assert faults_of(text)[0].startswith(fault)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("optimizer.lr=fast", 'optimizer.lr: given "fast", expected a number above 0'),
        ("optimzer.lr=1", "optimzer: unknown key 'optimzer'; did you mean optimizer?"),
        ("model.4.linear.out_features=7", "model layer 4 (linear): the network has 7 outputs, expected 10"),
        ("model.1.dropout.p=0.5", "model layer 1 (relu/dropout): given dropout, relu, expected one layer"),
    ],
)
def test_a_fault_of_an_override_names_the_override(override: str, fault: str) -> None:
    (told,) = faults_of(TEXT, [override])
    assert told.startswith(f"override '{override}': {fault}")


def test_what_no_longer_fits_an_override_is_told_where_it_stands() -> None:
    (told,) = faults_of(TEXT, ["optimizer.name=adam"])
    assert told.startswith("x.yaml:13:34: optimizer.momentum: unknown key 'momentum' for optimizer 'adam'")


def test_a_whole_section_can_be_overridden() -> None:
    assert checked(TEXT, ["optimizer={name: adam, lr: 0.002}"]).optimizer.beside_name()["lr"] == 0.002


def test_files_and_shipped_names(tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text(TEXT)
    assert load_config(str(tmp_path / "mine.yaml")).config.name == "small"
    assert load_config("smoke").config.name == "smoke"


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ("lenett", "CONFIG 'lenett' is neither a file nor a shipped configuration; did you mean lenet"),
        ("lenet.yml", "CONFIG 'lenet.yml' is neither a file nor a shipped configuration; did you mean lenet"),
        ("/", "CONFIG '/' is a folder"),
    ],
)
def test_a_configuration_that_is_not_there(config: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(config)
    assert str(caught.value).startswith(fault)


def test_a_file_that_is_not_utf8(tmp_path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nname: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin.yaml:2:1: not text in UTF-8 \(byte 0xe9\); save the file as UTF-8"):
        load_config(str(tmp_path / "latin.yaml"))


LARGE = """\
data: {name: digits}
model:
  - conv2d: {out_channels: 4096, kernel_size: 15, padding: same}
  - batch_norm2d
  - residual: [{conv2d: {out_channels: 4096, kernel_size: 3, padding: same}}]
  - flatten
  - linear: {out_features: 100000}
  - linear: {out_features: 10}
optimizer: {name: sgd, lr: 0.1}
"""


def test_the_network_is_checked_without_its_weights() -> None:
    """They would take 800 GiB."""
    before = generator_state()
    tracemalloc.start()
    try:
        checked(LARGE)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert generator_state() == before, "something was drawn"
    assert most < 20 * 2**20


def test_a_rule_for_initial_weights_that_does_not_fit_is_told_without_drawing() -> None:
    (fault,) = faults_of(LARGE.replace("out_features: 100000", "out_features: 100000, init: dirac"))
    assert "model layer 4 (linear): init dirac is for convolutions" in fault
