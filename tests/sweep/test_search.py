"""Optuna's proposals, without any training."""

import math

import pytest

from gpucnn.errors import InputError
from gpucnn.sweep.grid import Plan
from gpucnn.sweep.search import Search

PLAN = Plan(("lr=1e-4~1e-1", "size=1~9", "kind=a,b"), search=40, at_once=2)


def proposals() -> list[dict[str, str]]:
    """All settings of a search whose best is lr = 0.01, size = 3, kind = b."""
    search, found = Search(PLAN), []
    for trials, settings in search.rounds():
        assert len(settings) == 2
        for trial, setting in zip(trials, settings, strict=True):
            far = abs(math.log10(float(setting["lr"])) + 2) + abs(int(setting["size"]) - 3) / 4
            search.tell(trial, None if setting["kind"] == "a" and far > 2 else far + (setting["kind"] == "a"))
        found += settings
    return found


@pytest.fixture(scope="module")
def found() -> list[dict[str, str]]:
    pytest.importorskip("optuna", reason="Optuna, which proposes settings, is not installed")
    return proposals()


def test_a_search_comes_near_the_best(found) -> None:
    def near(settings) -> int:
        return sum(0.003 < float(s["lr"]) < 0.03 and s["kind"] == "b" for s in settings)

    assert len(found) == 40
    assert near(found[20:]) > near(found[:20])
    assert all(1e-4 <= float(s["lr"]) <= 1e-1 and 1 <= int(s["size"]) <= 9 and s["kind"] in "ab" for s in found)


def test_the_same_results_give_the_same_proposals(found) -> None:
    assert proposals() == found


def test_without_optuna_it_says_what_to_do(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(InputError, match="pip install optuna; or draw settings with --random N"):
        Search(PLAN)
