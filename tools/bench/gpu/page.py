"""The page docs/benchmarks_gpu.md, made from the figures that tools/bench_gpu.py measured."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from results_page import NOT_MEASURED, table

from bench.figures import ABSENT, FAILED, found, median_and_best, rounded
from bench.gpu.contestants import CONTESTANTS, FORMS, INFERENCE, PRECISIONS, TRAINING, Contestant
from bench.gpu.marks import CAPTURED, MARKS, Results, best_pytorch, ratios, warm
from bench.gpu.workloads import WORKLOADS, Work, training_work

HEAD = """# gpucnn on a GPU

Made by `python tools/bench_gpu.py`; edit that, not this page. Each contestant is a process of its own for each
workload; all are prepared side by side, and then measured in turns, one at a time. In each round a contestant warms up
and takes a group of steps between two device events (JAX: on the host's clock, until all of them are done). Figures are
medians of the rounds, and in parentheses the best of them. How many times as fast gpucnn is as PyTorch, in its best
form, is the median of the pairs of the same round, and in parentheses the lowest and the highest.

A training step is forward, cross-entropy, backward and update (SGD with momentum) of a batch that lies ready on the
device, and nothing is read back; inference is forward alone. "With gather and metrics" is what gpucnn's trainer does:
the images lie on the device as bytes, each step puts its batch together there and adds up loss and accuracy, and the
host reads them now and then, all of which is in its time. Networks are those of the configurations of the same names,
the number behind is the batch size. PyTorch has cuDNN try its algorithms and choose, and its update is the fused one.

gpucnn's figures on this page, launches among them, are older than its kernels that pool in a convolution's launch,
compute a linear layer's gradients in one, convolve on tensor cores without a column matrix, and leave sums to the last
block that finishes: their times are not measured. The emulated GPU counts at most 16 launches in a training step of
lenet-64 with gather and metrics, and 24 (in TF32 23) in one of renom-64.
"""
KINDS = {TRAINING: "Training step", INFERENCE: "Inference"}
LONGEST = 90  # characters of a cause in a cell


def page(results: Results) -> str:
    """The whole page; what was not measured says so."""
    sections = _sections(results, list(WORKLOADS), list(FORMS))
    return "\n".join([HEAD, required(results), *sections])


def brief(results: Results) -> str:
    """The sections with the rows and columns that were measured; what is required last, where it is seen."""
    measured = found(results, "steps")
    taking_part = {CONTESTANTS[name].form for figures in measured.values() for name in figures}
    forms = [form for form in FORMS if form in taking_part]
    sections = _sections(results, [name for name in WORKLOADS if name in measured], forms)
    return "\n".join([*sections, required(results)])


def _sections(results: Results, names: Sequence[str], forms: Sequence[str]) -> Iterator[str]:
    for kind, title in KINDS.items():
        for precision, told in PRECISIONS.items():
            chosen = [CONTESTANTS[f"{form}-{precision}"] for form in forms if kind in FORMS[form][2]]
            yield f"## {title}, ms; {told}\n\n{_steps(results, kind, precision, names, chosen)}"
    yield f"## Reached of what the device can do\n\n{_limits(results)}{_reached(results, names, forms)}"
    yield f"## Launches, memory and start\n{_LAUNCHES}\n{_start(results, names, forms)}"
    yield f"## 99 % on MNIST, configs/fast99.yaml\n\n{_fast99(results)}"
    yield f"## How it was measured\n\n{_circumstances(results)}"


def required(results: Results) -> str:
    """The marks, each met, not met or not measured."""
    rows = []
    for mark in MARKS:
        measured = mark.measured(results)
        told = (measured[0], "met" if measured[1] else "not met") if measured else (NOT_MEASURED, "")
        rows.append([mark.what, mark.required, *told])
    return f"## What is required\n\n{table(['what', 'required', 'measured', ''], rows)}"


def _steps(results: Results, kind: str, precision: str, names: Sequence[str], chosen: Sequence[Contestant]) -> str:
    """A row for each workload: each contestant's milliseconds, and captured gpucnn beside PyTorch's best form."""
    head = ["", *(contestant.title for contestant in chosen), "captured gpucnn: times as fast as PyTorch"]
    rows = (
        [
            name,
            *(cell(results, name, contestant, f"{kind}_ms") for contestant in chosen),
            _times_as_fast(results, name, kind, precision),
        ]
        for name in names
    )
    return table(head, rows)


def cell(results: Results, workload: str, contestant: Contestant, figure: str) -> str:
    """Median (best) of a contestant's figure at a workload, or why there is none."""
    values = found(results, "steps", workload, contestant.name, figure)
    return median_and_best(values) if values else why_missing(results, workload, contestant)


def why_missing(results: Results, workload: str, contestant: Contestant) -> str:
    """Why a contestant has no figures at a workload: its library is absent, or it failed, and of what."""
    if "absent" in found(results, "libraries", contestant.library):
        return ABSENT
    cause = found(results, "failures").get(f"{workload} {contestant.name}")
    if cause is None:
        return NOT_MEASURED
    shown = cause if len(cause) <= LONGEST else f"{cause[:LONGEST]}…"
    return f"{FAILED}: {_in_a_cell(shown)}"


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _times_as_fast(results: Results, workload: str, kind: str, precision: str) -> str:
    best = best_pytorch(results, workload, kind, precision)
    each = ratios(results, workload, kind, f"{CAPTURED}-{precision}", best) if best else []
    if not each:
        return NOT_MEASURED
    return f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def _limits(results: Results) -> str:
    known = found(results, "limits")
    units = {"copy_gbytes": "GB/s", **dict.fromkeys(PRECISIONS, "TFLOP/s")}
    titles = {
        "copy_gbytes": "a copy of 1 GiB, read and written",
        "float32": "a product of 8192×8192 matrices, float32",
        "tf32": "the same, TF32",
    }
    rows = (
        [titles[name], f"{known[name]:.1f} {unit}" if name in known else NOT_MEASURED] for name, unit in units.items()
    )
    return f"The best that CuPy reached:\n\n{table(['', ''], rows)}"


_REACHED = """
Of a training step, the arithmetic of convolutions and linear layers (a multiply-add is two operations), and the bytes
that layers one by one have to move through memory; a step that does several layers in one pass, or finds their arrays
in the cache, moves less. In the cells both a second, by median times, with their shares of what the device can do.
"""


def _reached(results: Results, names: Sequence[str], forms: Sequence[str]) -> str:
    head = ["", "precision", "GFLOP", "MB", *(FORMS[form][0] for form in forms)]
    rows = []
    for name in names:
        work = training_work(name)
        for precision in PRECISIONS:
            cells = (_share(results, name, CONTESTANTS[f"{form}-{precision}"], work) for form in forms)
            rows.append([name, precision, rounded(work.flops / 1e9), rounded(work.bytes / 1e6), *cells])
    return f"{_REACHED}\n{table(head, rows)}"


def _share(results: Results, workload: str, contestant: Contestant, work: Work) -> str:
    times = found(results, "steps", workload, contestant.name, "training_ms")
    if not times:
        return why_missing(results, workload, contestant)
    seconds, known = statistics.median(times) / 1e3, found(results, "limits")
    tflops, gbytes = work.flops / seconds / 1e12, work.bytes / seconds / 1e9
    return (
        f"{rounded(tflops)} TFLOP{_of(tflops, known.get(contestant.precision))}, "
        f"{rounded(gbytes)} GB{_of(gbytes, known.get('copy_gbytes'))}"
    )


def _of(reached: float, most: float | None) -> str:
    return f" ({100 * reached / most:.1f} %)" if most else ""


_LAUNCHES = """
Launches are the kernels, copies and fills of one step. Memory is what a library has taken from the device for training
(CuPy's pools; the most that PyTorch and JAX handed out), without what the driver and the library's code take. Ready is
the time from the loaded library to steps that run: network, compilation or capture, and warm-up, with the other
contestants' beside it, but for the trials by which libraries choose algorithms, which are made one by one.
"""


def _start(results: Results, names: Sequence[str], forms: Sequence[str]) -> str:
    head = ["", "", "precision", "launches, training", "launches, inference", "memory, MiB", "ready, s"]
    figures = ("training_launches", "inference_launches", "memory_MiB", "training_ready_s")
    rows = []
    for name in names:
        for contestant in (each for each in CONTESTANTS.values() if each.form in forms):
            known = found(results, "steps", name, contestant.name)
            if known:
                cells = [_number(known.get(figure)) for figure in figures]
                rows.append([name, contestant.title, contestant.precision, *cells])
    return table(head, rows or [[NOT_MEASURED, *[""] * (len(head) - 1)]])


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else rounded(value)


def _fast99(results: Results) -> str:
    """The trainings that found their kernels compiled: means, spread, extremes; and the one before them."""
    runs = warm(results)
    if not runs:
        return f"{NOT_MEASURED}\n"
    titles = {"train_seconds": "training, s", "whole_seconds": "process start to result, s", "accuracy": "accuracy"}
    rows = [[title, *_spread([run[key] for run in runs])] for key, title in titles.items()]
    cold = [run for run in found(results, "fast99") if run["cold"]]
    first = "".join(
        f"\nThe one before them, which compiled the kernels: {run['train_seconds']:.2f} s of training, "
        f"{run['whole_seconds']:.2f} s in all.\n"
        for run in cold
    )
    return f"{len(runs)} seeds, float32.\n\n{table(['', 'mean', 'standard deviation', 'least', 'most'], rows)}{first}"


def _spread(values: Sequence[float]) -> list[str]:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return [f"{figure:.4f}" for figure in (statistics.mean(values), deviation, min(values), max(values))]


def _circumstances(results: Results) -> str:
    """The device and the versions, what each library is, and what failed."""
    known = found(results, "circumstances")
    if not known:
        return f"{NOT_MEASURED}\n"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(known["versions"].items()))
    rounds = sorted({len(figures["training_ms"]) for _, figures in _all_figures(results)})
    text = (
        f"{known['device']}, driver {known['driver']}; {known['machine']}; {known['system']}; {versions}; commit "
        f"{known['commit']}; {known['date']}; {known['seconds']:.0f} s in all; rounds: "
        f"{' to '.join(map(str, sorted({*rounds[:1], *rounds[-1:]}))) or 'none'}."
    )
    unfinished = ", ".join(found(results, "unfinished"))
    cut = f"\nTime was over before all was measured; left out: {unfinished}.\n" if unfinished else ""
    libraries = table(["", "version", ""], (_library(*each) for each in found(results, "libraries").items()))
    failures = "".join(f"\nFailed: {what}: {_in_a_cell(why)}\n" for what, why in found(results, "failures").items())
    return f"{text}\n{cut}\n{libraries}{failures}"


def _library(name: str, known: dict[str, Any]) -> list[str]:
    if "absent" in known:
        return [name, f"absent: {_in_a_cell(known['absent'])}", ""]
    return [name, known["version"], known["beneath"]]


def _all_figures(results: Results) -> Iterator[tuple[str, dict[str, Any]]]:
    return (each for figures in found(results, "steps").values() for each in figures.items())
