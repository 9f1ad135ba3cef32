"""The tables of docs/benchmarks.md, but for the layers'. Each shows the rows and columns it is asked for."""

import statistics
from collections.abc import Sequence

from results_page import table

from bench.contestants import CONTESTANTS
from bench.figures import NOT_MEASURED, Results, cell, found, median_and_best, rounded, times_as_fast
from bench.jobs import JOBS
from bench.workloads import WORKLOADS

COMPARED = ("gpucnn", "gpucnn-numpy")  # with the best rival
MIB = 1 << 20


def steps(results: Results, figure: str, workloads: Sequence[str], names: Sequence[str]) -> str:
    """A row for each workload: each contestant's milliseconds, and gpucnn beside the best rival."""
    compared = [name for name in COMPARED if name in names]
    head = ["", *map(_title, names), *(f"{_title(name)}: times as fast as the best rival" for name in compared)]
    rows = (
        [
            workload,
            *(cell(results, "steps", workload, name, figure) for name in names),
            *(times_as_fast(results, "steps", workload, name, figure) for name in compared),
        ]
        for workload in workloads
    )
    return table(head, rows)


def start(results: Results, workloads: Sequence[str], names: Sequence[str]) -> str:
    """A row for each contestant: its import and first step in seconds, and its peak memory in MiB."""
    first = next(iter(workloads), "lenet-64") if "lenet-64" not in workloads else "lenet-64"
    shown = [(first, "import_s"), (first, "first_step_s"), *((workload, "peak_MiB") for workload in workloads)]
    titles = ["import, s", f"process start to the end of {first}'s first step, s"]
    head = ["", *titles, *(f"peak memory training {workload}, MiB" for workload in workloads)]
    rows = ([_title(name), *(cell(results, "steps", what, name, figure) for what, figure in shown)] for name in names)
    return table(head, rows)


def growth(results: Results, workloads: Sequence[str]) -> str:
    """A row for each workload, which differ in the batch alone: microseconds per image, medians, and memory."""
    head = ["batch", "training, µs per image", "inference, µs per image", "peak memory, MiB"]
    rows = []
    for workload in (WORKLOADS[name] for name in workloads):
        figures = found(results, "steps", workload.name, "gpucnn")
        per_image = [1e3 / workload.batch * statistics.median(figures[key]) for key in _TIMES] if figures else []
        memory = [statistics.median(figures["peak_MiB"])] if figures else []
        rows.append([str(workload.batch), *(map(rounded, per_image + memory) if figures else [NOT_MEASURED] * 3)])
    return table(head, rows)


_TIMES = ("training_ms", "inference_ms")


def jobs(results: Results, names: Sequence[str], contestants: Sequence[str]) -> str:
    """A row for each job and contestant: seconds, memory, accuracy, and gpucnn beside PyTorch."""
    head = ["", "", "seconds", "times as fast as PyTorch", "peak memory, MiB", "test accuracy, mean (lowest)"]
    rows = []
    for job in (JOBS[name] for name in names):
        for name in (name for name in job.contestants if name in contestants):
            accuracies = [100 * share for share in found(results, "jobs", job.name, name, "accuracy")]
            shown = f"{statistics.mean(accuracies):.2f} % ({min(accuracies):.2f} %)" if accuracies else NOT_MEASURED
            seconds, memory = (cell(results, "jobs", job.name, name, figure) for figure in ("seconds", "peak_MiB"))
            ratio = times_as_fast(results, "jobs", job.name, name, "seconds") if "torch" in job.contestants else ""
            rows.append([job.title, _title(name), seconds, "" if name == "torch" else ratio, memory, shown])
    return table(head, rows)


def installed(results: Results) -> str:
    """A row for each library: its MiB on the disk."""
    rows = []
    for name, title in (("gpucnn", "gpucnn"), ("torch", "PyTorch, its CPU build"), ("jax", "JAX")):
        size = found(results, "installed").get(name, 0)
        rows.append([title, "absent" if size is None else f"{size / MIB:.0f} MiB" if size else NOT_MEASURED])
    return table(["", "size"], rows)


def small(results: Results) -> str:
    """A row for each small operation: microseconds of both, and gpucnn's time as a multiple of PyTorch's."""
    runs = found(results, "small")
    ours, theirs = runs.get("gpucnn", []), runs.get("torch", [])
    if not ours or not theirs:
        return NOT_MEASURED + "\n"
    rows = []
    for name in ours[0]:
        a, b = ([run[name] for run in side] for side in (ours, theirs))
        shares = sorted(x / y for x, y in zip(a, b, strict=False))
        spread = f"{statistics.median(shares):.2f} ({shares[0]:.2f} to {shares[-1]:.2f})"
        rows.append([name, median_and_best(a), median_and_best(b), spread])
    return table(["", "gpucnn", "PyTorch", "gpucnn's time by PyTorch's, pair by pair"], rows)


def circumstances(results: Results, names: Sequence[str]) -> str:
    """The machine and the versions, and what each contestant is."""
    known = found(results, "circumstances")
    versions = ", ".join(f"{name} {version}" for name, version in sorted(found(known, "versions").items()))
    text = (
        f"{known['machine']}; {known['system']}; {versions}; commit {known['commit']}; {known['date']}; "
        f"{known['processes']} processes each."
        if known
        else NOT_MEASURED
    )
    failures = "".join(f"\nFailed: {what}: {why}" for what, why in found(results, "failures").items())
    remarks = "".join(f"\n\n{remark}" for remark in known.get("remarks", ()))
    return f"{text}{failures}{remarks}\n\n{table(['', *_KNOWN], (_contestant(results, name) for name in names))}"


def _contestant(results: Results, name: str) -> list[str]:
    known = found(results, "contestants", name)
    if "absent" in known:
        return [_title(name), f"absent: {known['absent']}", "", ""]
    return [_title(name), *(str(known.get(key, "" if known else NOT_MEASURED)) for key in _KNOWN)]


_KNOWN = ("version", "kernels", "threads")


def _title(name: str) -> str:
    return CONTESTANTS[name].title
