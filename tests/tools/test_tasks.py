"""The tool that measures tasks and recipes: what it trains is valid, and its figures come onto the page of results."""

import numpy as np
import pytest
import tasks

from gpucnn.config.check import load_config
from gpucnn.data import load_source


@pytest.mark.parametrize("variant", tasks.VARIANTS[tasks.RECIPES])
def test_every_recipe_is_a_configuration(variant):
    load_config("lenet_fashion", tasks.VARIANTS[tasks.RECIPES][variant])


def test_few_images_of_the_rare_classes_are_left():
    source = load_source("digits").source
    thinned = tasks.thinned(source, np.random.default_rng(0))
    counts, before = np.bincount(thinned["y_train"]), np.bincount(source.train.labels)
    for label in range(10):
        rare = label in tasks.RARE
        assert counts[label] == (max(2, before[label] // tasks.LEFT) if rare else before[label])
    assert len(thinned["y_test"]) == len(source.test)


def test_a_pair_has_the_labels_of_both():
    made = tasks.pairs(load_source("digits").source, np.random.default_rng(0))
    images, there = made["x_train"], made["y_train"]
    assert images.shape[2] == 2 * images.shape[1] and set(there.sum(axis=1)) <= {1, 2}


def test_figures_are_kept_beside_those_of_other_tasks(tmp_path):
    tasks.keep(tmp_path, "thinned", {"plain": {"accuracy": [0.5, 0.7]}})
    tasks.keep(tmp_path, "pairs", {"binary cross-entropy": {"exact matches": [0.98]}})
    page = (tmp_path / "results.md").read_text()
    assert "| plain | accuracy | 60.00 % | 50.00, 70.00 |" in page and "| 98.00 % | 98.00 |" in page


def test_a_variant_that_is_measured_later_leaves_the_others(tmp_path):
    tasks.keep(tmp_path, "thinned", {"plain": {"accuracy": [0.5]}})
    tasks.keep(tmp_path, "thinned", {"loss.weight: balanced": {"accuracy": [0.75]}})
    page = (tmp_path / "results.md").read_text()
    assert "| plain | accuracy | 50.00 % |" in page and "| loss.weight: balanced | accuracy | 75.00 % |" in page
    assert "| train.sampler: balanced |  | not measured |" in page


def test_a_small_task_is_trained_and_not_kept(tmp_path, capsys, monkeypatch):
    """Figures of the digits that gpucnn brings along are no figures of the page."""
    monkeypatch.setattr(tasks, "PAIRS", (3_000, 500))
    tasks.main(["pairs", "--seeds", "1", "--data", "digits", "--folder", str(tmp_path / "runs")], tmp_path)
    assert "| pairs | binary cross-entropy | exact matches |" in capsys.readouterr().out
    assert not (tmp_path / "results.md").exists()


def test_only_the_variants_that_are_named_are_trained(tmp_path, capsys, monkeypatch):
    trained = []
    monkeypatch.setattr(tasks, "train", lambda name, overrides, run: trained.append(overrides))
    monkeypatch.setattr(tasks, "figures", lambda name, runs: {"accuracy": [0.5] * len(runs)})
    tasks.main(["recipes", "--variants", "mixup 0.2", "adam 0.002", "--seeds", "1"], tmp_path)
    recipes = tasks.VARIANTS[tasks.RECIPES]
    assert trained == [[*recipes[variant], "seed=0"] for variant in ("mixup 0.2", "adam 0.002")]
    page = (tmp_path / "results.md").read_text()
    assert page.count("| 50.00 % | 50.00 |") == 2 and "| cutmix 1 |  | not measured |" in page


def test_a_variant_that_no_named_task_has_is_refused(capsys):
    with pytest.raises(SystemExit):
        tasks.main(["pairs", "--variants", "mixup 0.2"])
    assert "pairs: no row mixup 0.2; there are binary cross-entropy" in capsys.readouterr().err
