"""Figures of several processes, put into words."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from results_page import NOT_MEASURED

from bench.contestants import CONTESTANTS, OURS

ABSENT, FAILED = "absent", "failed"
Results = Mapping[str, Any]  # what docs/benchmarks.json holds; parts that were not measured may lack


def found(results: Results, *path: str) -> Any:
    """What lies under the path; an empty dict where there is nothing."""
    for name in path:
        results = results.get(name) or {}
    return results


def cell(results: Results, part: str, what: str, name: str, figure: str) -> str:
    """Median (best) of a contestant's figure at a workload or a job, or why there is none."""
    values = found(results, part, what, name, figure)
    return median_and_best(values) if values else why_missing(results, what, name)


def why_missing(results: Results, what: str, name: str) -> str:
    """In a word, why a contestant has no figures at a workload or a job."""
    if "absent" in found(results, "contestants", name):
        return ABSENT
    failed = any(failure.endswith(f"{what} {name}") for failure in found(results, "failures"))
    return FAILED if failed else NOT_MEASURED


def median_and_best(values: Sequence[float]) -> str:
    """`2.86 (2.80)`"""
    return f"{rounded(statistics.median(values))} ({rounded(min(values))})"


def rounded(number: float) -> str:
    """Three digits that count, or all before the point."""
    return f"{number:.{2 if 1 <= number < 10 else 1 if 10 <= number < 100 else 0 if number >= 100 else 3}f}"


def best_rival(runs: Mapping[str, Mapping[str, Sequence[float]]], figure: str) -> str | None:
    """The rival with the lowest median among the contestants' runs; None without any."""
    medians = {
        name: statistics.median(figures[figure])
        for name, figures in runs.items()
        if CONTESTANTS[name].module != OURS and figure in figures
    }
    return min(medians, key=lambda name: medians[name], default=None)


def times_as_fast(results: Results, part: str, what: str, name: str, figure: str) -> str:
    """How often the best rival takes the time of contestant `name`: median of the pairs (lowest to highest)."""
    runs = found(results, part, what)
    if name not in runs:
        return why_missing(results, what, name)
    best = best_rival(runs, figure)
    if best is None:
        return NOT_MEASURED
    ratios = [theirs / ours for ours, theirs in zip(runs[name][figure], runs[best][figure], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
