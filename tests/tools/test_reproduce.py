"""The page of results: measured rows come and stay, and a PyTorch twin computes what its configuration says."""

import json
import re
import shutil

import numpy as np
import pytest
import reproduce
import results_page

import gpucnn
from gpucnn import Tensor, no_grad
from gpucnn.cli import main
from gpucnn.config.build import build_network, counted
from gpucnn.config.check import data_shape, load_config, shipped_configs
from tests.devices import kept

TINY = """
name: {name}
device: cpu
dtype: float64
data: {{name: digits, limit: 200, validation: {validation}}}
model:
  - conv2d: {{out_channels: 4, kernel_size: 3, bias: false}}
  - batch_norm2d
  - relu
  - flatten
  - linear: {{out_features: 10}}
optimizer: {{name: adam, lr: 0.01}}
schedule: {{name: one_cycle}}
train: {{epochs: 3, batch_size: 32, clip_norm: 1.0}}
"""


@pytest.fixture
def make(tmp_path):
    """Write a configuration of a second's training; its file's name."""

    def written(name: str, validation: int = 50) -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(TINY.format(name=name, validation=validation))
        return str(path)

    return written


def rows(folder) -> dict[str, list[str]]:
    """The cells of the page's first table, by configuration."""
    table = (folder / "results.md").read_text().split("##")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"(?m)^\|.*\|$", table)]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def test_every_published_configuration_has_a_row_measured_or_not(make, tmp_path):
    reproduce.main([make("tiny"), "--seeds", "2"], tmp_path)
    found = rows(tmp_path)
    assert list(found) == [*reproduce.ROWS, "tiny"]
    for name in reproduce.ROWS:
        assert found[name][1:3] == ["not measured", ""]
    mean = float(re.match(r"(\d+\.\d\d) ± \d+\.\d\d % \(\d+\.\d\d %\)$", found["tiny"][1])[1])
    assert mean > 50  # chance is 10
    assert found["tiny"][3] == "2" and found["tiny"][7] == "not measured"
    training, epoch, whole = map(float, found["tiny"][4:7])
    assert 0 <= epoch <= training < whole  # the process has to begin, and to read its images


def test_one_row_is_updated_and_the_others_stay(make, tmp_path):
    first, second = make("first"), make("second", validation=0)
    reproduce.main([first, second], tmp_path)
    before = json.loads((tmp_path / "results.json").read_text())
    shown = rows(tmp_path)
    reproduce.main([second, "--seeds", "2"], tmp_path)
    after = json.loads((tmp_path / "results.json").read_text())
    assert after["first"] == before["first"] and rows(tmp_path)["first"] == shown["first"]
    assert [run["seed"] for run in after["second"]["runs"]] == [0, 1]
    assert after["second"]["runs"][0]["accuracy"] == before["second"]["runs"][0]["accuracy"]  # a seed is a seed
    assert [len(after[name]["runs"][0]["validation"]) for name in ("first", "second")] == [3, 0]


def test_the_figures_after_each_epoch_are_those_of_the_run(make, tmp_path, capsys):
    path = make("tiny")
    reproduce.main([path], tmp_path)
    (run,) = json.loads((tmp_path / "results.json").read_text())["tiny"]["runs"]
    assert main(["train", path, "--run-dir", str(tmp_path / "run"), "--quiet", "seed=0"]) == 0
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert run["validation"] == [[record["validation_accuracy"], record["validation_loss"]] for record in records]
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (run["accuracy"], run["loss"]) == (result["test_accuracy"], result["test_loss"])
    lines = [line for line in (tmp_path / "results.md").read_text().split("##")[1].splitlines() if "tiny" in line]
    accuracies = [cell.strip() for cell in lines[0].strip("|").split("|")][2:]
    shown = [f"{100 * record['validation_accuracy']:.2f}" for record in records]
    assert accuracies == shown + [""] * (len(results_page.SHOWN_EPOCHS) - 3)


def test_figures_are_shown_after_the_epochs_that_were_published():
    runs = [{"validation": [[epoch / 100, 1 / epoch] for epoch in range(1, 13)]}]
    accuracies, losses = results_page._epochs("twelve", runs)
    shown = dict(zip(results_page.SHOWN_EPOCHS, losses[2:], strict=True))
    assert (shown[1], shown[10], shown[20]) == ("1.0000", "0.1000", "")  # renom's figures are of epochs 1 and 10
    shown = dict(zip(results_page.SHOWN_EPOCHS, accuracies[2:], strict=True))
    assert (shown[5], shown[9], shown[30]) == ("5.00", "9.00", "")  # lenet_published's of 1 to 5, 9, 26 to 30


def test_a_row_may_be_another_configuration_with_overrides(make, tmp_path, monkeypatch):
    row = reproduce.Row("chance", 2, 1, make("tiny"), ("train.epochs=1", "data.validation=0"))
    monkeypatch.setitem(reproduce.ROWS, "shorter", row)
    reproduce.main(["shorter", "--seeds", "1"], tmp_path)
    measured = json.loads((tmp_path / "results.json").read_text())["shorter"]
    assert (measured["runs"][0]["epochs"], measured["runs"][0]["validation"]) == (1, [])
    assert measured["command"] == f"gpucnn train {row.config} train.epochs=1 data.validation=0"
    assert measured["data"].startswith("digits: 200 training")
    assert rows(tmp_path)["shorter"][0] == "chance"


def test_a_set_of_kernels_has_a_row_of_its_own(make, tmp_path, monkeypatch):
    row = reproduce.Row("chance", 1, 1, make("tiny"), ("train.epochs=1",))
    monkeypatch.setitem(reproduce.ROWS, "shorter", row)
    with kept():
        reproduce.main(["shorter", "--kernels", "numpy"], tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results) == ["shorter with numpy kernels"]
    measured = results["shorter with numpy kernels"]
    assert measured["command"].startswith("GPUCNN_KERNELS=numpy gpucnn train")
    assert "numpy kernels" in measured["machine"]
    assert rows(tmp_path)["shorter with numpy kernels"][0] == "chance"
    with pytest.raises(SystemExit, match="GPUCNN_KERNELS is 'fortran'"):
        reproduce.main(["shorter", "--kernels", "fortran"], tmp_path)


def test_a_seed_that_breaks_is_counted_apart(make, tmp_path):
    path = make("tiny")
    (tmp_path / "tiny.yaml").write_text((tmp_path / "tiny.yaml").read_text().replace("lr: 0.01", "lr: 1.0e+300"))
    reproduce.main([path, "--seeds", "2"], tmp_path)
    row = json.loads((tmp_path / "results.json").read_text())["tiny"]
    assert row["runs"] == [] and [broken["seed"] for broken in row["broken"]] == [0, 1]
    assert rows(tmp_path)["tiny"][1:4] == ["2 broke", "", "0"]
    trained = {**row, "runs": [{"accuracy": 0.5}]}
    assert results_page.outcome(trained) == "50.00 %; 2 broke"


def test_the_figures_of_several_seeds():
    runs = [{"accuracy": share} for share in (0.9, 0.8, 1.0)]
    assert results_page.accuracy(runs) == "90.00 ± 10.00 % (80.00 %)"
    assert results_page.accuracy(runs[:1]) == "90.00 %"


def test_the_time_is_told_before_it_is_spent(make, tmp_path, capsys):
    rows = {"one": reproduce.Row(seeds=2, seconds=5), "other": reproduce.Row(seeds=3, seconds=20)}
    assert reproduce.estimate(rows, twins=False) == "this takes about 70 s"
    assert reproduce.estimate(rows, twins=True) == "this takes about 140 s"
    reproduce.main([make("tiny")], tmp_path)
    assert capsys.readouterr().out.splitlines()[0].endswith("1 configurations; nothing is known of tiny")


def test_a_wrong_name_is_told_before_anything_is_trained(make, tmp_path):
    with pytest.raises(SystemExit, match="lenet_bst.*did you mean lenet_best"):
        reproduce.main([make("tiny"), "lenet_bst"], tmp_path)
    assert not (tmp_path / "results.json").exists()


def test_the_shipped_page_is_made_from_the_shipped_figures(tmp_path):
    if (tasks := reproduce.DOCS / results_page.TASKS).exists():
        shutil.copy(tasks, tmp_path)
    reproduce.write_results(tmp_path, reproduce.read_results(reproduce.DOCS))
    for name in ("results.md", "results.json"):
        assert (tmp_path / name).read_text() == (reproduce.DOCS / name).read_text()


def test_the_rows_are_of_shipped_configurations():
    assert {row.config or name for name, row in reproduce.ROWS.items()} <= set(shipped_configs())


def test_the_twin_of_a_network_without_dropout_learns_the_same(torch, make, tmp_path):
    reproduce.main([make("tiny"), "--twins"], tmp_path)
    (run,) = json.loads((tmp_path / "results.json").read_text())["tiny"]["runs"]
    assert run["twin"]["loss"] == pytest.approx(run["loss"], rel=1e-9)
    assert run["twin"]["accuracy"] == run["accuracy"]
    assert "torch" in (tmp_path / "results.md").read_text()


def test_a_layer_without_a_twin_is_named(torch, make, tmp_path):
    path = make("tiny")
    (tmp_path / "tiny.yaml").write_text((tmp_path / "tiny.yaml").read_text().replace("relu", "log_softmax"))
    with pytest.raises(SystemExit, match="log_softmax has no PyTorch twin"):
        reproduce.main([path, "--twins"], tmp_path)


def test_the_twins_layers_have_learning_rates_of_their_own(torch, make, tmp_path):
    path = make("tiny")
    text = (tmp_path / "tiny.yaml").read_text().replace("kernel_size: 3", "kernel_size: 3, lr_scale: 0")
    (tmp_path / "tiny.yaml").write_text(text.replace("out_features: 10", "out_features: 10, lr_scale: 0.3"))
    reproduce.main([path, "--twins"], tmp_path)
    (run,) = json.loads((tmp_path / "results.json").read_text())["tiny"]["runs"]
    assert run["twin"]["loss"] == pytest.approx(run["loss"], rel=1e-9)


LENET5 = """
  - scaled_tanh
  - subsample2d: {kernel_size: 2}
  - sigmoid
  - conv2d: {out_channels: 3, kernel_size: 3}
  - tanh
  - subsample2d: {kernel_size: [1, 2]}
  - leaky_relu: {negative_slope: 0.1}
"""


def test_the_twin_of_every_activation_and_subsampling_learns_the_same(torch, make, tmp_path):
    path = make("tiny")
    text = (tmp_path / "tiny.yaml").read_text()
    (tmp_path / "tiny.yaml").write_text(text.replace("\n  - relu\n", LENET5))
    reproduce.main([path, "--twins"], tmp_path)
    (run,) = json.loads((tmp_path / "results.json").read_text())["tiny"]["runs"]
    assert run["twin"]["loss"] == pytest.approx(run["loss"], rel=1e-9)
    assert run["loss"] < 2.2  # it learned: the logarithm of ten is 2.30


@pytest.mark.parametrize("name", reproduce.ROWS)
def test_the_twin_computes_what_the_network_does(torch, rng, name):
    from twins import build_twin

    gpucnn.manual_seed(0)
    row = reproduce.ROWS[name]
    checked = load_config(row.config or name, [*row.overrides, "dtype=float64"])
    shape, classes = data_shape(checked.config.data)
    checked = counted(checked, classes)
    net = build_network(checked, shape, classes).eval()
    twin = build_twin(checked.config.model, shape, net.state_dict(), "float64").eval()
    images = rng.standard_normal((3, *shape))
    with no_grad(), torch.no_grad():
        ours, theirs = net(Tensor(images)).numpy(), twin(torch.from_numpy(images)).numpy()
    assert np.ptp(ours) > 1e-3  # not a dead network
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
