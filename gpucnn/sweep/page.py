"""The page on a sweep: its settings ranked, curves over each other, the effect of each option, every run."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn.files import atomic_write
from gpucnn.report.facts import palettes, percent
from gpucnn.report.figures import SERIES
from gpucnn.report.page import render
from gpucnn.report.series import short_number
from gpucnn.sweep.folder import PAGE, Member, Sweep
from gpucnn.sweep.grid import FOLD, Option, Range
from gpucnn.sweep.ranking import Measure, Standing, by_setting, judge, measure_of, ranked, stages

BINS = 4  # of values that were drawn from a range
_LOGARITHMIC = 8  # times the least, from which values are drawn on a logarithmic axis
_EDGE = 0.08  # of an axis, left free at both of its ends
_WITHOUT_VALIDATION = (
    "There are no validation images, so runs are ranked by their loss on the training images, which says little about "
    "others: hold some out (data.validation)."
)
Facts = dict[str, Any]
Rows = list[list[str]]


def write_page(sweep: Sweep) -> Path:
    """Write sweep.html, whole or not at all; returns its path. Nothing on it depends on how fast the runs were."""
    page = sweep.path / PAGE
    atomic_write(page, render(sweep_facts(sweep)))
    return page


def sweep_facts(sweep: Sweep) -> Facts:
    """The contents of the page: plain data, fit for JSON."""
    standings = ranked(sweep)
    measure = _measure(standings)
    header, rows = setting_rows(sweep, standings)
    return {
        "title": f"{sweep.plan.name}: {_called(sweep)}",
        "path": " ".join(sweep.plan.options),
        "notes": list(_notes(sweep, standings, measure)),
        "palettes": palettes(),
        "sweep": {
            "measure": measure.name,
            "share": measure.share,
            "ranked": _how_ranked(sweep, measure),
            "settings": {"header": header, "rows": rows},
            "curves": [_chart(sweep, standings, quantity) for quantity in _quantities(standings)],
            "effects": [effect for option in sweep.plan.chosen if (effect := _effect(sweep, option))],
            "members": _members(sweep),
        },
    }


def setting_rows(sweep: Sweep, standings: Sequence[Standing]) -> tuple[list[str], Rows]:
    """The ranking as a table: its header and a row for each setting, the best first."""
    measure = _measure(standings)
    keys = [option.key for option in sweep.plan.chosen]
    header = ["rank", *keys, *(["runs"] if len(sweep.plan.seeds) > 1 else []), measure.name, "test accuracy", "remark"]
    rows = []
    for rank, standing in enumerate(standings, start=1):
        runs = [f"{len(standing.judged)} of {len(standing.members)}"] if len(sweep.plan.seeds) > 1 else []
        tests = [accuracy for member in standing.members if (accuracy := _test_accuracy(sweep, member)) is not None]
        figures = _spread(standing.figures(measure), measure.share), _spread(tests, True)
        rows.append([str(rank), *(standing.setting[key] for key in keys), *runs, *figures, _remark(standing)])
    return header, rows


def _called(sweep: Sweep) -> str:
    """What the page is about: the folds of one setting, or a sweep."""
    folds = sweep.plan.keys == [FOLD]
    return f"{len(sweep.members)} folds" if folds else f"a sweep of {len(sweep.members)} runs"


def _repeats(sweep: Sweep) -> str:
    """What a setting's figures are averaged over."""
    return " and ".join("folds" if key == FOLD else "seeds" for key in sweep.plan.repeated) or "seeds"


def _measure(standings: Sequence[Standing]) -> Measure:
    return measure_of([record for standing in standings for record in standing.judged])


def _how_ranked(sweep: Sweep, measure: Measure) -> str:
    over = f"mean ± standard deviation over the {_repeats(sweep)} of "
    of = over if len(sweep.plan.seeds) > 1 else ""
    return (
        f"By {measure.name}: {of}the epoch whose weights a run ends with. Test figures are shown and decide nothing: a "
        "setting that is chosen by its test accuracy has been fitted to the test images."
    )


def _notes(sweep: Sweep, standings: Sequence[Standing], measure: Measure) -> list[str]:
    failed = sum(member.fault is not None for member in sweep.members)
    waiting = sum(member.fault is None and not _done(sweep, member, standings) for member in sweep.members)
    notes = [_WITHOUT_VALIDATION] if measure.name == "training loss" and any(each.judged for each in standings) else []
    if waiting:
        notes.append(f"Not finished: {waiting} of {len(sweep.members)} runs have not reached their end.")
    if failed:
        notes.append(f"{failed} of {len(sweep.members)} runs failed; the reasons are below, with all runs.")
    return notes


def _done(sweep: Sweep, member: Member, standings: Sequence[Standing]) -> bool:
    """Whether a member has reached the stage that it is judged at."""
    return next(sweep.reached(member, standing.until) for standing in standings if member in standing.members)


def _remark(standing: Standing) -> str:
    failed = sum(member.fault is not None for member in standing.members)
    words = [] if standing.until is None else [f"stopped after epoch {standing.until}"]
    if failed:
        words.append("failed" if failed == len(standing.members) else f"{failed} failed")
    return ", ".join(words)


def _test_accuracy(sweep: Sweep, member: Member) -> float | None:
    folder = sweep.folder(member)
    return folder.result()["test_accuracy"] if folder.finished else None


def _spread(values: Sequence[float], share: bool) -> str:
    """The mean of some figures, and their standard deviation if there are several."""
    if not values:
        return "–"
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
    if share:
        return percent(mean) if deviation is None else f"{100 * mean:.2f} ± {100 * deviation:.2f} %"
    return f"{mean:.4f}" if deviation is None else f"{mean:.4f} ± {deviation:.4f}"


def _quantities(standings: Sequence[Standing]) -> list[str]:
    """The figures of epochs that all runs have."""
    records = [record for standing in standings for record in standing.judged]
    names = ("validation_accuracy", "validation_loss", "train_loss")
    return [name for name in names if records and all(getattr(record, name) is not None for record in records)]


def _chart(sweep: Sweep, standings: Sequence[Standing], quantity: str) -> Facts:
    """The curves of the best settings for one figure of the epochs."""
    best = [standing for standing in standings if standing.judged][: len(SERIES)]
    share = quantity.endswith("accuracy")
    return {
        "title": quantity.replace("_", " ").replace("train ", "training ").capitalize() + " per epoch",
        "unit": "share of images" if share else "mean per image",
        "share": share,
        "curves": [_curve(sweep, standing, quantity) for standing in best],
    }


def _curve(sweep: Sweep, standing: Standing, quantity: str) -> Facts:
    """The mean over the seeds, and from the least to the greatest of them where there are several."""
    runs = [sweep.epochs(each) for each in standing.members]
    epochs = range(1, max(map(len, runs)) + 1)
    values = [[getattr(run[epoch - 1], quantity) for run in runs if len(run) >= epoch] for epoch in epochs]
    curve: Facts = {
        "name": ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in standing.setting.items())
        or f"all {_repeats(sweep)}",
        "x": list(epochs),
        "y": [short_number(float(np.mean(each))) for each in values],
    }
    if len(runs) > 1:
        curve |= {
            "low": [short_number(min(each)) for each in values],
            "high": [short_number(max(each)) for each in values],
        }
    return curve


def _effect(sweep: Sweep, option: Option) -> Facts | None:
    """What an option alone does: every setting as a point, and the means by value. None before two settings are done.

    All settings are compared after the first stage, which all went through.
    """
    groups = by_setting(sweep.members)
    first = stages(sweep.plan.epochs, len(groups), sweep.plan.halving)[0]
    judged = [standing for members in groups if (standing := judge(sweep, members, first)).judged]
    if len(judged) < 2:
        return None
    measure = _measure(judged)
    figures = np.array([np.mean(standing.figures(measure)) for standing in judged])
    texts = [standing.setting[option.key] for standing in judged]
    places, axis = _axis(option, texts)
    parts = _parts(option, texts, places)
    means = np.array([figures[part].mean() for part in parts])
    sizes = np.array([len(part) for part in parts])
    between, total = sizes @ (means - figures.mean()) ** 2, ((figures - figures.mean()) ** 2).sum()
    return {
        "key": option.key,
        "share": short_number(between / total if total > 0 else 0.0),
        "points": {"x": places.tolist(), "y": [short_number(each) for each in figures.tolist()]},
        "means": {
            "x": [float(places[part].mean()) for part in parts],
            "y": [short_number(each) for each in means.tolist()],
            "low": [short_number(float(figures[part].min())) for part in parts],
            "high": [short_number(float(figures[part].max())) for part in parts],
            "told": [_told([texts[i] for i in part]) for part in parts],
        },
        "axis": axis,
    }


def _axis(option: Option, texts: Sequence[str]) -> tuple[np.ndarray, Facts]:
    """The place of every setting on the axis of an option, and the axis: its ends and its marks."""
    numbers = _numbers(texts)
    if numbers is None:
        names = list(dict.fromkeys(texts))
        marked = [[number, name] for number, name in enumerate(names)]
        places = np.array([names.index(text) for text in texts], np.float64)
        return places, {"begin": -0.5, "end": len(names) - 0.5, "marks": marked}
    logarithmic = min(numbers) > 0 and max(numbers) >= _LOGARITHMIC * min(numbers)
    places = np.log10(numbers) if logarithmic else np.array(numbers)
    shown = _range_marks(min(numbers), max(numbers), logarithmic) if isinstance(option, Range) else sorted(set(numbers))
    room = _EDGE * (places.max() - places.min() or 1.0)
    marks = [[math.log10(each) if logarithmic else each, f"{each:.3g}"] for each in shown]
    return places, {"begin": float(places.min() - room), "end": float(places.max() + room), "marks": marks}


def _range_marks(low: float, high: float, logarithmic: bool) -> list[float]:
    """Round numbers within a range; powers of ten on a logarithmic axis, with the ends if these are few."""
    if not logarithmic:
        return np.linspace(low, high, BINS + 1).tolist()
    powers = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    return powers if len(powers) > 1 else [low, high]


def _numbers(texts: Sequence[str]) -> list[float] | None:
    """The values as numbers; None if one is none."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _parts(option: Option, texts: Sequence[str], places: np.ndarray) -> list[np.ndarray]:
    """The settings of each value, or of each quarter of the values that were drawn from a range, in their order."""
    if isinstance(option, Range):
        order = np.argsort(places, kind="stable")
        return [part for part in np.array_split(order, BINS) if len(part)]
    return [np.flatnonzero(places == place) for place in np.unique(places)]


def _told(texts: Sequence[str]) -> str:
    """The value that settings have in common, or the lowest and the highest."""
    if len(set(texts)) == 1:
        return texts[0]
    low, *_, high = sorted(texts, key=float)
    return f"{low} to {high}"


def _members(sweep: Sweep) -> Facts:
    """All runs in the order in which they were made."""
    keys = [option.key for option in sweep.plan.chosen] + sweep.plan.repeated
    rows: Rows = []
    for member in sweep.members:
        epochs = sweep.epochs(member)
        record = sweep.record(member) or (epochs[-1] if epochs else None)
        accuracy, loss = (None, None) if record is None else (record.validation_accuracy, record.validation_loss)
        state = member.fault or ("" if sweep.folder(member).finished else "stopped" if epochs else "not begun")
        rows.append([
            member.name, *(member.values[key] for key in keys), str(len(epochs)), percent(accuracy),
            "none" if loss is None else f"{loss:.4f}", percent(_test_accuracy(sweep, member)), state,
        ])  # fmt: skip
    figures = ["epochs", "validation accuracy", "validation loss", "test accuracy", "remark"]
    return {"header": ["run", *keys, *figures], "rows": rows}
