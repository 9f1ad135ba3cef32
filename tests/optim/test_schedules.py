"""Schedules against their closed formulas."""

import math

import pytest

from gpucnn import optim
from gpucnn.errors import InputError

TOTAL, PER_EPOCH = 40, 4


def factors(name: str, total: int = TOTAL, per_epoch: int = PER_EPOCH, **options) -> list[float]:
    schedule = optim.SCHEDULES[name](**options)
    return [schedule.factor(step, total, per_epoch) for step in range(total)]


def test_constant():
    assert factors("constant") == [1.0] * TOTAL


@pytest.mark.parametrize(("epochs", "gamma"), [(1, 0.5), (3, 0.1), (20, 0.1)])
def test_step_falls_after_every_so_many_epochs(epochs, gamma):
    expected = [gamma ** (step // (PER_EPOCH * epochs)) for step in range(TOTAL)]
    assert factors("step", epochs=epochs, gamma=gamma) == pytest.approx(expected)


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine_and_linear_without_warm_up(final):
    """From 1 at the first step towards `final` behind the last."""
    share = [step / TOTAL for step in range(TOTAL)]
    cosine = [final + (1 - final) * (1 + math.cos(math.pi * t)) / 2 for t in share]
    assert factors("cosine", final=final) == pytest.approx(cosine)
    assert factors("linear", final=final) == pytest.approx([1 - (1 - final) * t for t in share])


@pytest.mark.parametrize("warmup", [0.1, 0.2, 0.5])
@pytest.mark.parametrize(("name", "final"), [("cosine", 0.0), ("cosine", 0.1), ("linear", 0.1), ("one_cycle", 0.0)])
def test_warm_up_rises_in_a_line_to_one_and_what_follows_only_falls(name, warmup, final):
    options = {"warmup": warmup} if name == "one_cycle" else {"warmup": warmup, "final": final}
    found, up = factors(name, **options), round(warmup * TOTAL)
    assert found[:up] == pytest.approx([(step + 1) / up for step in range(up)])
    assert max(found) == pytest.approx(1.0)
    falls = [a - b for a, b in zip(found[up:], found[up + 1 :], strict=False)]
    assert min(falls) > 0
    assert -1e-12 <= found[-1] - final <= 2 * max(falls)
    if name != "cosine":
        assert falls == pytest.approx([falls[0]] * len(falls))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gamma": 1.0}, "plateau: gamma is 1.0; expected a fraction between 0 and 1"),
        ({"final": 2.0}, "plateau: final is 2.0; expected a fraction of 0 to 1"),
        ({"patience": 0}, "plateau: patience is 0; it must be at least 1 epoch"),
        ({"min_delta": -1.0}, "plateau: min_delta is -1.0"),
        ({"monitor": "loss"}, "plateau: monitor is 'loss'; it can be validation_loss"),
    ],
)
def test_plateau_checks_its_options(options, words):
    with pytest.raises(InputError, match=words):
        optim.Plateau(**options)


def test_one_cycles_default_warm_up_is_a_fifth():
    assert factors("one_cycle") == factors("one_cycle", warmup=0.2)
    assert factors("one_cycle") == pytest.approx(factors("linear", warmup=0.2))


@pytest.mark.parametrize("name", ["cosine", "linear", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("total", [1, 2, 3])
def test_no_step_of_a_short_run_stands_still(name, warmup, total):
    """A learning rate of 0 would waste the step, and in a run of one step all of it."""
    assert min(factors(name, total, 1, warmup=warmup)) > 0


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("step", {"epochs": 0}, r"step.*epochs.*0"),
        ("cosine", {"warmup": 1.5}, r"cosine.*warmup.*1\.5"),
        ("cosine", {"final": -1}, r"cosine.*final.*-1"),
        ("linear", {"final": -0.1}, r"linear.*final.*-0\.1"),
        ("one_cycle", {"warmup": -0.2}, r"one_?cycle.*warmup.*-0\.2"),
    ],
)
def test_options_out_of_range_are_named(name, options, words):
    with pytest.raises(InputError, match=words):
        optim.SCHEDULES[name](**options)
