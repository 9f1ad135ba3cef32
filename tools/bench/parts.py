"""The parts of the benchmark: what each measures, and how long that takes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bench import jobs, limits, rounds, together
from bench.contestants import CONTESTANTS
from bench.installed import installed_bytes
from bench.processes import run_module
from bench.small import OPERATIONS, REPEATS
from bench.workloads import WORKLOADS, network_of
from gpucnn.data.download import data_folder
from gpucnn.threads import usable_cores

LAYER_CONTESTANTS = ("gpucnn", "gpucnn-1")
LAYER_WORKLOADS = ("lenet-64", "renom-64")
LAYER_ROUNDS = 3
LAYER_SHARE = 0.2  # of Plan.seconds, for each part of each layer
SMALL_CONTESTANTS = ("gpucnn", "torch")
SMALL_SHARE = 0.04  # of Plan.seconds, for each of the parts that an operation is measured in
DISTRIBUTIONS = ("gpucnn", "torch", "jax")


class Plan(NamedTuple):
    """What is measured: each workload in so many processes of each contestant, for `seconds` at a time."""

    workloads: tuple[str, ...]
    contestants: tuple[str, ...]
    parts: tuple[str, ...]
    processes: int
    seconds: float


class Part(NamedTuple):
    """`measure` takes the plan, the contestants present and the failures so far; `estimate` tells its seconds.

    `contestants` are those that may take part in it.
    """

    measure: Callable[[Plan, Sequence[str], rounds.Failures], Any]
    estimate: Callable[[Plan], float]
    contestants: tuple[str, ...]


def steps(plan: Plan, present: Sequence[str], failures: rounds.Failures) -> dict[str, Any]:
    """Of each workload, each contestant's times of training and inference, of its start, and its memory."""
    found = {}
    for name in plan.workloads:
        print(f"{name} ...", flush=True)
        workload = WORKLOADS[name]
        network = network_of(workload.config)
        found[name] = rounds.steps(present, workload, network, plan.processes, plan.seconds, failures)
    return found


def _steps_seconds(plan: Plan) -> float:
    """Each process times twice, warms up for a quarter of that, and begins; the first of all compiles."""
    chosen = [CONTESTANTS[name] for name in plan.contestants]
    each = sum(contestant.start_seconds + 2.5 * plan.seconds for contestant in chosen)
    return len(plan.workloads) * (plan.processes * each + sum(contestant.once_seconds for contestant in chosen))


def layers(plan: Plan, present: Sequence[str], failures: rounds.Failures) -> dict[str, Any]:
    """The layers of two workloads, and what the machine can do at most with one thread and with all."""
    print("layers ...", flush=True)
    ours = [name for name in LAYER_CONTESTANTS if name in present]
    names = [name for name in LAYER_WORKLOADS if name in plan.workloads]
    return {
        "limits": {str(threads): limits.measure(threads) for threads in sorted({1, usable_cores()})},
        "workloads": {
            name: rounds.layers(
                ours,
                WORKLOADS[name],
                network_of(WORKLOADS[name].config),
                LAYER_ROUNDS,
                LAYER_SHARE * plan.seconds,
                failures,
            )
            for name in names
        },
    }


def _layers_seconds(plan: Plan) -> float:
    parts = 20.0  # of a network's layers, about
    return len(LAYER_CONTESTANTS) * len(LAYER_WORKLOADS) * LAYER_ROUNDS * parts * 1.25 * LAYER_SHARE * plan.seconds


def whole_jobs(plan: Plan, present: Sequence[str], failures: rounds.Failures) -> dict[str, Any]:
    """Seconds, memory and accuracy of each job; nothing where there is no MNIST."""
    print("jobs ...", flush=True)
    data = data_folder() / "mnist"
    if cause := jobs.missing(data):
        print(f"not measured: {cause}", flush=True)
        return {}
    return {name: jobs.measure(job, present, plan.processes, data, failures) for name, job in jobs.JOBS.items()}


def _jobs_seconds(plan: Plan) -> float:
    return plan.processes * sum(job.seconds for job in jobs.JOBS.values())


def small(plan: Plan, present: Sequence[str], failures: rounds.Failures) -> dict[str, Any]:
    """Microseconds of small eager operations, of gpucnn and PyTorch with one thread, in as many processes in turns."""
    print("small operations ...", flush=True)
    names = [name for name in SMALL_CONTESTANTS if name in present]
    seconds = str(SMALL_SHARE * plan.seconds)
    return rounds.contest(
        names,
        plan.processes,
        "small operations",
        failures,
        lambda name, number: run_module(name, "bench.small", [name, "--seconds", seconds], "", {"GPUCNN_THREADS": "1"}),
    )


def _small_seconds(plan: Plan) -> float:
    return (
        len(SMALL_CONTESTANTS) * plan.processes * (2 + 2 * len(OPERATIONS) * (REPEATS + 1) * SMALL_SHARE * plan.seconds)
    )


def installed(plan: Plan, present: Sequence[str], failures: rounds.Failures) -> dict[str, int | None]:
    """Bytes on the disk, of each library with all that it needs."""
    return {name: installed_bytes(name) for name in DISTRIBUTIONS}


def processes(plan: Plan, present: Sequence[str], failures: rounds.Failures) -> dict[str, Any]:
    """LeNet in one process and in two that share a batch; nothing where there is no MPI."""
    print("processes ...", flush=True)
    return together.measure(plan.processes, plan.seconds, failures)


PARTS = {
    "steps": Part(steps, _steps_seconds, tuple(CONTESTANTS)),
    "layers": Part(layers, _layers_seconds, LAYER_CONTESTANTS),
    "jobs": Part(whole_jobs, _jobs_seconds, ("gpucnn", "gpucnn-numpy", "torch")),
    "small": Part(small, _small_seconds, SMALL_CONTESTANTS),
    "processes": Part(processes, lambda plan: plan.processes * len(together.FORMS) * (4 + plan.seconds), ()),
    "installed": Part(installed, lambda plan: 1.0, ()),
}
