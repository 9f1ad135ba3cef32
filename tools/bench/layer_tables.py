"""What each layer achieves of what the machine can do at most, so that the slowest shows."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from results_page import table

from bench.figures import NOT_MEASURED, Results, found, rounded

TEXT = """Each layer by itself, on random images: its arithmetic (a multiply-add is two operations) against that of
multiply-adds on registers alone, or, where it computes next to nothing, the bytes it must read and write against a copy
of 64 MiB, which fits into no cache, as small layers do. Medians of three processes. What a step does for several
layers in one pass is not in it.
"""
GIGA = 1e9
SMALL = 0.03  # of a step's time: a slower layer than that is not worth a look


def sections(results: Results) -> list[str]:
    """What the machine can do, and a section for each network that was measured."""
    parts = [f"## Layers\n\n{TEXT}\n{_limits(results)}"]
    for name, forms in found(results, "layers", "workloads").items():
        parts.append(f"### {name}\n\n{_layers(results, forms)}\n{_slowest(results, forms)}\n")
    return parts


def _limits(results: Results) -> str:
    rows = (
        [threads, _or_not(limits["gflops"]), _or_not(limits["copy_gbytes"])]
        for threads, limits in (found(results, "layers", "limits") or _NOTHING).items()
    )
    return table(["threads", "multiply-adds, GFLOP/s", "copy, GB/s"], rows)


_NOTHING = {"": {"gflops": None, "copy_gbytes": None}}


def _or_not(figure: float | None) -> str:
    return NOT_MEASURED if figure is None else rounded(figure)


def _layers(results: Results, forms: Mapping[str, Any]) -> str:
    """A row for each part of each layer, a group of columns for each of gpucnn's forms."""
    head = ["layer", "part", "work"]
    for name in forms:
        head += [f"{name}, µs", "a second", "of the most"]
    rows = []
    for parts in zip(*forms.values(), strict=True):
        row = [parts[0]["layer"], parts[0]["part"], _work(parts[0])]
        for name, part in zip(forms, parts, strict=True):
            row += [rounded(1e6 * _seconds(part)), _rate(part), _percent(_share(results, name, part))]
        rows.append(row)
    return table(head, rows)


def _work(part: Mapping[str, Any]) -> str:
    return f"{rounded(part['work'] / 1e6)} M{_short(part)}"


def _rate(part: Mapping[str, Any]) -> str:
    return f"{rounded(part['work'] / _seconds(part) / GIGA)} G{_short(part)}"


def _short(part: Mapping[str, Any]) -> str:
    return "B" if part["unit"] == "bytes" else "FLOP"


def _seconds(part: Mapping[str, Any]) -> float:
    return statistics.median(part["seconds"])


def _share(results: Results, name: str, part: Mapping[str, Any]) -> float | None:
    """Of what as many threads can do at most; None where that was not measured."""
    threads = str(found(results, "contestants", name)["threads"])
    limit = found(results, "layers", "limits", threads).get("copy_gbytes" if part["unit"] == "bytes" else "gflops")
    return part["work"] / _seconds(part) / GIGA / limit if limit else None


def _percent(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{100 * share:.0f} %"


def _slowest(results: Results, forms: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """A sentence for each form: what is furthest from the most, of what takes its share of the time."""
    sentences = []
    for name, parts in forms.items():
        total = sum(map(_seconds, parts))
        shares = [(_share(results, name, part), part) for part in parts if _seconds(part) >= SMALL * total]
        known = [(share, part) for share, part in shares if share is not None]
        if known:
            share, part = min(known, key=lambda pair: pair[0])
            sentences.append(f"{name}: furthest from the most is {part['layer']}, {part['part']}: {_percent(share)}.")
    return " ".join(sentences)
