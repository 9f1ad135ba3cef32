"""Ranking, stages and the page, on run folders that no code under test made."""

import json
from pathlib import Path

import pytest

from gpucnn.sweep import Plan, Sweep, write_page
from gpucnn.sweep.page import sweep_facts
from gpucnn.sweep.ranking import by_setting, judge, ranked, stages, survivors


def write_member(path: Path, accuracies: list[float], epochs: int = 4, validation: bool = True) -> None:
    """A run that has done as many epochs as there are accuracies; the loss is 1 minus it."""
    (path / "checkpoints").mkdir(parents=True)
    (path / "checkpoints/last.safetensors").touch()
    (path / "config.yaml").write_text("name: by hand\n")
    lines = []
    for number, accuracy in enumerate(accuracies, start=1):
        held_out = {"validation_loss": 1 - accuracy, "validation_accuracy": accuracy}
        lines.append({
            "epoch": number, "train_loss": 2 - accuracy, "train_accuracy": accuracy,
            **(held_out if validation else dict.fromkeys(held_out)),
            "lr": 0.1, "seconds": 0.5, "images_per_second": 1000.0,
        })  # fmt: skip
    (path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    if len(accuracies) == epochs:
        figures = {"test_accuracy": 1 - accuracies[-1], "test_loss": 0.3, "dataset": "digits"}  # the best tests worst
        (path / "result.json").write_text(json.dumps(figures))


def make(path: Path, accuracies: list[list[float]], *options: str, validation: bool = True, **how: int) -> Sweep:
    """A sweep of four epochs whose members have these accuracies; one without any has not begun."""
    sweep = Sweep.create(path / "sweep", "name: by hand\n", Plan(options, name="by hand", epochs=4, **how))
    for member, reached in zip(sweep.members, accuracies, strict=True):
        if reached:
            write_member(sweep.folder(member).path, reached, validation=validation)
    return sweep


@pytest.mark.parametrize(
    ("epochs", "settings", "halving", "expected"),
    [
        (10, 24, None, [None]),
        (9, 27, 3, [1, 3, None]),
        (8, 8, 2, [1, 2, 4, None]),
        (100, 4, 2, [25, 50, None]),
        (1, 24, 3, [None]),
        (5, 1, 2, [None]),
    ],
)
def test_stages(epochs, settings, halving, expected) -> None:
    assert stages(epochs, settings, halving) == expected


def test_settings_are_ranked_by_the_mean_over_their_seeds(tmp_path) -> None:
    sweep = make(tmp_path, [[0, 0, 0, x] for x in (0.9, 0.1, 0.7, 0.5)], "lr=1,2", "seed=0,1")
    assert [standing.setting["lr"] for standing in ranked(sweep)] == ["2", "1"]
    facts = sweep_facts(sweep)["sweep"]
    assert facts["settings"]["header"] == ["rank", "lr", "runs", "validation accuracy", "test accuracy", "remark"]
    assert facts["settings"]["rows"][0] == ["1", "2", "2 of 2", "60.00 ± 14.14 %", "40.00 ± 14.14 %", ""]
    curve = facts["curves"][0]["curves"][0]
    assert curve["name"] == "lr 2" and (curve["y"][3], curve["low"][3], curve["high"][3]) == (0.6, 0.5, 0.7)


def test_early_stopping_is_judged_by_the_epoch_whose_weights_are_kept(tmp_path) -> None:
    sweep = make(tmp_path, [[0, 0.9, 0, 0.1], [0, 0, 0, 0.5]], "lr=1,2")
    result = sweep.folder(sweep.members[0]).path / "result.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"weights": {"epoch": 2, "which": "best"}}))
    assert [standing.setting["lr"] for standing in ranked(sweep)] == ["1", "2"]


def test_without_validation_images_the_training_loss_decides_and_the_page_says_so(tmp_path) -> None:
    sweep = make(tmp_path, [[0, 0, 0, 0.1], [0, 0, 0, 0.5]], "lr=1,2", validation=False)
    assert [standing.setting["lr"] for standing in ranked(sweep)] == ["2", "1"]
    assert "no validation images" in sweep_facts(sweep)["notes"][0]


def test_halving_keeps_the_best_half_and_settings_that_failed_are_out(tmp_path) -> None:
    reached = [[0.5], [0.7], [0.1], []]
    sweep = make(tmp_path, reached, "lr=1,2,3,4", halving=2)
    sweep.members[3].fault = "a loss that is not finite"
    standings = [judge(sweep, members, 1) for members in by_setting(sweep.members)]
    assert [standing.setting["lr"] for standing in survivors(standings, 2)] == ["1", "2"]
    assert [standing.setting["lr"] for standing in survivors(standings[2:], 2)] == ["3"]


def test_those_that_went_further_rank_before_those_that_were_stopped(tmp_path) -> None:
    reached = [[0.5, 0.5, 0.5, 0.2], [0.4, 0.1], [0.3], [0.2]]
    sweep = make(tmp_path, reached, "lr=1,2,3,4", halving=2)
    standings = ranked(sweep)
    assert [standing.setting["lr"] for standing in standings] == ["1", "2", "3", "4"]
    assert [standing.until for standing in standings] == [None, 2, 1, 1]
    remarks = [row[-1] for row in sweep_facts(sweep)["sweep"]["settings"]["rows"]]
    assert remarks == ["", "stopped after epoch 2", "stopped after epoch 1", "stopped after epoch 1"]


def test_failed_and_unfinished_runs_are_told(tmp_path) -> None:
    sweep = make(tmp_path, [[0, 0, 0, 0.9], [], [0.3, 0.4], []], "lr=1,2", "seed=0,1")
    sweep.members[1].fault = "first line\nthe loss is nan"
    facts = sweep_facts(sweep)
    assert facts["notes"] == [
        "Not finished: 2 of 4 runs have not reached their end.",
        "1 of 4 runs failed; the reasons are below, with all runs.",
    ]
    assert [row[-1] for row in facts["sweep"]["members"]["rows"]] == [
        "", "first line\nthe loss is nan", "stopped", "not begun"
    ]  # fmt: skip
    write_page(sweep)


def test_the_effect_of_an_option_is_the_share_of_the_differences_that_it_accounts_for(tmp_path) -> None:
    figures = [0.1, 0.3, 0.7, 0.9]  # a counts 0.6, b counts 0.2
    sweep = make(tmp_path, [[0, 0, 0, x] for x in figures], "a=0.001,0.1", "b=x,y")
    first, second = sweep_facts(sweep)["sweep"]["effects"]
    assert (first["share"], second["share"]) == (0.9, 0.1)
    assert first["means"]["y"] == [0.2, 0.8] and first["means"]["told"] == ["0.001", "0.1"]
    assert first["axis"]["marks"] == [[-3, "0.001"], [-1, "0.1"]]  # logarithmic
    assert second["points"]["x"] == [0, 1, 0, 1] and second["axis"]["marks"] == [[0, "x"], [1, "y"]]


def test_drawn_values_are_averaged_by_quarters(tmp_path) -> None:
    sweep = make(tmp_path, [[0, 0, 0, i / 10] for i in range(8)], "lr=1e-4~1e-1", random=8)
    (effect,) = sweep_facts(sweep)["sweep"]["effects"]
    assert len(effect["means"]["x"]) == 4 and effect["means"]["x"] == sorted(effect["means"]["x"])
    assert all(" to " in told for told in effect["means"]["told"])


def test_a_sweep_is_opened_as_it_was_written(tmp_path) -> None:
    sweep = make(tmp_path, [[]] * 4, "lr=1,2", "seed=0,1", halving=2)
    again = Sweep.open(sweep.path)
    assert (again.plan, again.members) == (sweep.plan, sweep.members)
    assert sweep.members[2].name == "003-lr=2-seed=0"


def test_a_members_name_is_fit_for_a_folder(tmp_path) -> None:
    sweep = make(tmp_path, [[]] * 2, "data.path=../a/b,'c d'")
    assert [member.name for member in sweep.members] == ["001-path=.._a_b", "002-path=_c_d_"]
