"""What is required of gpucnn on a data-centre GPU, and whether it was met."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import found, rounded
from bench.gpu.contestants import CONTESTANTS, PRECISIONS, PYTORCH, TRAINING

Results = Mapping[str, Any]  # what docs/benchmarks_gpu.json holds; parts that were not measured may lack
CAPTURED = "gpucnn-captured"
GROWN_MIB = 1.0  # that counts as growth: less than the smallest piece that drivers hand out, two MiB
PUBLISHED_STEPS, TIMES_PUBLISHED = 45, 100
TRAINING_SECONDS, ACCURACY = 0.1, 0.99


@dataclass(frozen=True)
class Mark:
    """Something required; `measured` tells it, in words and whether it is met, or None where it was not measured."""

    what: str
    required: str
    measured: Callable[[Results], tuple[str, bool] | None]


def ratios(results: Results, workload: str, kind: str, ours: str, theirs: str) -> list[float]:
    """How many times as fast contestant `ours` is as `theirs`, in each round that both took part in."""
    times = [found(results, "steps", workload, name, f"{kind}_ms") or [] for name in (ours, theirs)]
    return [theirs_ms / ours_ms for ours_ms, theirs_ms in zip(*times, strict=False)]


def best_pytorch(results: Results, workload: str, kind: str, precision: str, without: Sequence[str] = ()) -> str | None:
    """PyTorch's form with the lowest median, of those not left out; None without any."""
    runs = found(results, "steps", workload)
    medians = {
        name: statistics.median(figures[f"{kind}_ms"])
        for name, figures in runs.items()
        if CONTESTANTS[name].library == PYTORCH
        and CONTESTANTS[name].precision == precision
        and CONTESTANTS[name].form not in without
        if figures.get(f"{kind}_ms")
    }
    return min(medians, key=lambda name: medians[name], default=None)


def _times(workload: str, precision: str, least: float, rival: Callable[[Results], str | None]) -> Any:
    """The mark of a captured training step that is at least so many times as fast as a rival."""

    def measured(results: Results) -> tuple[str, bool] | None:
        theirs = rival(results)
        each = ratios(results, workload, TRAINING, f"{CAPTURED}-{precision}", theirs) if theirs else []
        if not each:
            return None
        median = statistics.median(each)
        return (
            f"{median:.2f} ({min(each):.2f} to {max(each):.2f}), against {CONTESTANTS[str(theirs)].title}",
            median >= least,
        )

    return measured


def _eager(precision: str) -> Callable[[Results], str | None]:
    return lambda results: f"torch-eager-{precision}"


def _best(workload: str, precision: str, without: Sequence[str] = ()) -> Callable[[Results], str | None]:
    return lambda results: best_pytorch(results, workload, TRAINING, precision, without)


def _fast99(results: Results) -> tuple[str, bool] | None:
    runs = warm(results)
    if not runs:
        return None
    seconds, accuracy = (statistics.mean(run[key] for run in runs) for key in ("train_seconds", "accuracy"))
    text = f"{seconds:.3f} s, {100 * accuracy:.2f} %, means of {len(runs)} seeds"
    return text, seconds <= TRAINING_SECONDS and accuracy >= ACCURACY


def warm(results: Results) -> list[Mapping[str, float]]:
    """The trainings of fast99 that found their kernels compiled."""
    return [run for run in found(results, "fast99") or [] if not run["cold"]]


def _steps_per_second(results: Results) -> tuple[str, bool] | None:
    times = found(results, "steps", "renom-64", f"{CAPTURED}-tf32", "training_ms")
    if not times:
        return None
    rate = 1e3 / statistics.median(times)
    return f"{rate:.0f} steps/s, {rounded(rate / PUBLISHED_STEPS)} times", rate >= TIMES_PUBLISHED * PUBLISHED_STEPS


def _lasting(results: Results) -> tuple[str, bool] | None:
    held = found(results, "lasting")
    if not held:
        return None
    grown = {name: held[f"{name}_after_MiB"] - held[f"{name}_before_MiB"] for name in ("device", "pool")}
    text = f"{grown['device']:+.1f} MiB on the device, {grown['pool']:+.1f} MiB in CuPy's pool, {held['steps']} steps"
    return text, max(grown.values()) < GROWN_MIB


MARKS = (
    *(
        mark
        for precision, title in PRECISIONS.items()
        for mark in (
            Mark(
                f"lenet-64, captured training step against PyTorch eager ({title})",
                "at least 5 times as fast",
                _times("lenet-64", precision, 5.0, _eager(precision)),
            ),
            Mark(
                f"lenet-64, captured training step against PyTorch's best captured or compiled form ({title})",
                "at least 1.3 times as fast",
                _times("lenet-64", precision, 1.3, _best("lenet-64", precision, ("torch-eager",))),
            ),
            Mark(
                f"renom-64, captured training step against PyTorch's best form ({title})",
                "at least 0.7 times as fast",
                _times("renom-64", precision, 0.7, _best("renom-64", precision)),
            ),
        )
    ),
    Mark(
        "99 % of MNIST's test images (configs/fast99.yaml)",
        f"at most {TRAINING_SECONDS} s of training, mean of 10 seeds",
        _fast99,
    ),
    Mark(
        f"renom-64, training steps a second in TF32, against the published {PUBLISHED_STEPS}",
        f"at least {TIMES_PUBLISHED} times",
        _steps_per_second,
    ),
    Mark("device memory over 10,000 captured steps of lenet-64", "does not grow", _lasting),
)
