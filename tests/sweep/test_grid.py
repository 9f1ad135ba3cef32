"""What a sweep tries: how options are written, which settings come of them, and what is refused."""

import pytest

from gpucnn.errors import InputError
from gpucnn.sweep.grid import Choice, Plan, Range, parse


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("optimizer.lr=0.01,0.05", Choice("optimizer.lr", ("0.01", "0.05"))),
        ("seed=0..3", Choice("seed", ("0", "1", "2", "3"))),
        ("seed=-1..1,7", Choice("seed", ("-1", "0", "1", "7"))),
        ("name=smoke", Choice("name", ("smoke",))),
        ("model.0.conv2d.kernel_size=[3, 5],[5, 5],7", Choice("model.0.conv2d.kernel_size", ("[3, 5]", "[5, 5]", "7"))),
        ("loss={name: a, b: 1},{name: c}", Choice("loss", ("{name: a, b: 1}", "{name: c}"))),
        ("data.path='a,b',c", Choice("data.path", ("'a,b'", "c"))),
        ("data.path=~/pictures,../other", Choice("data.path", ("~/pictures", "../other"))),
        ("lr=1e-4~1e-1", Range("lr", 1e-4, 0.1, whole=False)),
        ("train.batch_size=16~128", Range("train.batch_size", 16, 128, whole=True)),
        ("x=-1.5~2", Range("x", -1.5, 2, whole=False)),
    ],
)
def test_options_are_read(text, option) -> None:
    assert parse(text) == option


@pytest.mark.parametrize(
    ("options", "how", "words"),
    [
        (("lr",), {}, "expected key.path=value,value"),
        (("lr=1,1",), {}, "the value 1 is listed more than once"),
        (("lr=1,2", "lr=3"), {}, "lr is given more than once"),
        (("lr=0.1~0.1",), {"random": 3}, "from a lower to a higher"),
        (("seed=5..3",), {}, "5..3 must count from a lower"),
        (("lr=1e-4~1e-1",), {}, "--random N or --search N"),
        (("seed=0~9", "lr=1,2"), {"random": 2}, "list the seeds"),
        (("lr=0.1",), {}, "nothing is varied"),
        (("lr=1,2",), {"search": 4, "halving": 2}, "exclude each other"),
        (("lr=1,2", "train.epochs=1,2"), {"halving": 2}, "the same length"),
        (("a=0..999", "b=0..999"), {}, "1,000,000 runs, and at most 10,000"),
    ],
)
def test_what_cannot_be_tried_is_refused(options, how, words) -> None:
    with pytest.raises(InputError) as error:
        Plan(options, **how)
    assert words in str(error.value)


def test_all_combinations_are_settings_and_seeds_are_not_part_of_them() -> None:
    plan = Plan(("lr=1,2", "seed=0..2", "name=x", "size=3,4"))
    assert plan.settings() == [
        {"lr": "1", "size": "3"}, {"lr": "1", "size": "4"}, {"lr": "2", "size": "3"}, {"lr": "2", "size": "4"}
    ]  # fmt: skip
    assert plan.seeds == [{"seed": "0"}, {"seed": "1"}, {"seed": "2"}]
    assert plan.fixed == ["name=x"]


def test_random_combinations_are_different_ones_and_the_same_every_time() -> None:
    plan = Plan(("a=0..9", "b=0..9"), random=60)
    settings = plan.settings()
    assert len({tuple(setting.values()) for setting in settings}) == 60
    assert settings == plan.settings()
    assert len(Plan(("a=0..2",), random=60).settings()) == 3


def test_ranges_are_drawn_evenly_on_a_logarithmic_scale() -> None:
    plan = Plan(("lr=1e-4~1e-1", "batch=16~64", "shift=-1~1.5"), random=600)
    settings = plan.settings()
    rates = [float(setting["lr"]) for setting in settings]
    assert min(rates) >= 1e-4 and max(rates) <= 1e-1
    assert 150 < sum(rate < 1e-3 for rate in rates) < 250  # a third
    batches = [setting["batch"] for setting in settings]
    assert all(batch.isdecimal() and 16 <= int(batch) <= 64 for batch in batches) and len(set(batches)) > 30
    assert any(float(setting["shift"]) < 0 for setting in settings)


def test_every_value_is_checked_before_anything_is_trained() -> None:
    grid = [tuple(setting.values()) for setting in Plan(("a=1,2", "b=3,4", "seed=5,6")).to_check()]
    assert set(grid) >= {("1", "3", "5"), ("1", "4", "5"), ("2", "3", "5"), ("2", "4", "5"), ("1", "3", "6")}
    search = [tuple(setting.values()) for setting in Plan(("a=1~9", "b=3,4"), search=50).to_check()]
    assert set(search) == {("1", "3"), ("9", "3"), ("1", "4")}
