"""The parts of the check, in their order: what is surest to tell something comes first."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import bench_gpu
from bench.gpu.contestants import OURS
from bench.gpu.run import FAST99, LASTING, Plan, Run
from bench.gpu.workloads import WORKLOADS

from check.record import Part, PartError, Record
from gpucnn.kernels.cuda import program
from gpucnn.threads import usable_cores

ROOT = Path(__file__).parents[2]
MACHINE, SMOKE, TESTS, MEMORY, LOG = "machine.txt", "smoke.txt", "tests.txt", "memcheck.txt", "bench_gpu.log"
SHOWN = 8  # failures that check.md names; the part's file has all
MOST_PROCESSES = 14  # that share the GPU while tests run
TESTED = [
    *("tests/training/test_captured.py", "tests/training/test_captured_operations.py", "tests/kernels"),
    *("tests/functional", "tests/nn", "tests/optim", "tests/tensor"),
]
FORMS = ("gpucnn-eager", "gpucnn-captured", "gpucnn-loader", "torch-eager", "torch-graph", "torch-compiled")
COMMANDS = (
    ["nvidia-smi"],
    ["uname", "-a"],
    [sys.executable, "-m", "pip", "list", "--disable-pip-version-check"],
    [sys.executable, "-m", "gpucnn", "info"],
)


class Scale(NamedTuple):
    """How much of everything: for a GPU, or for a rehearsal."""

    smoke: tuple[str, ...]  # arguments of the smoke program
    tests: tuple[str, ...]  # files and folders
    workloads: tuple[str, ...]
    least_minutes: float  # that the benchmark is given


WHOLE = Scale((), tuple(path for path in TESTED if (ROOT / path).exists()), tuple(WORKLOADS), 1.0)


def machine(record: Record) -> str:
    """What is there: the GPU, the system, the packages, and what gpucnn says of them."""
    said = []
    for command in COMMANDS:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
            said.append(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}")
        except (OSError, subprocess.TimeoutExpired) as error:
            said.append(f"$ {' '.join(command)}\n{error}\n")
    (record.out / MACHINE).write_text("\n".join(said))
    found = dict(re.findall(r"^(device|GPU) +(.*)$", said[-1], re.MULTILINE))
    if not found.get("device", "").startswith("cuda"):
        raise PartError(f"no GPU is usable: {found.get('GPU', 'gpucnn info said nothing')}")
    return found["GPU"]


def compile_all(record: Record) -> str:
    """Every source for both floating types, in as many processes as there are cores."""
    jobs = [(source, dtype) for dtype in program.REALS for source in program.sources()]
    with ProcessPoolExecutor(usable_cores(), get_context("spawn")) as processes:
        found = list(processes.map(_compiled, jobs))
    with (record.out / MACHINE).open("a") as file:
        file.writelines(
            f"compiled {source} {dtype}: {seconds:.2f} s {error}\n" for source, dtype, seconds, error in found
        )
    failed = [f"{source} ({dtype}): {error.splitlines()[0]}" for source, dtype, _, error in found if error]
    if failed:
        raise PartError("; ".join(failed))
    return f"{len(jobs)} modules, the slowest in {max(seconds for *_, seconds, _ in found):.1f} s"


def _compiled(job: tuple[str, str]) -> tuple[str, str, float, str]:
    """A source and a dtype, the seconds that compiling took, and what went wrong."""
    import numpy as np

    start, error = time.perf_counter(), ""
    try:
        program._module(job[0], np.dtype(job[1]))
    except Exception as fault:  # whatever CuPy and the compiler raise
        error = f"{type(fault).__name__}: {fault}"
    return *job, time.perf_counter() - start, error


def smoke(record: Record) -> str:
    """Every kernel against NumPy, cuBLAS, captured steps, and the time of each launch."""
    command = [sys.executable, "-m", "check.smoke", *record.scale.smoke]
    code, text = _run(command, record.out / SMOKE, SMOKE_SECONDS)
    failed = [line.removeprefix("FAILED ") for line in text.splitlines() if line.startswith("FAILED")]
    if code or failed:
        raise PartError("; ".join(failed[:SHOWN]) or f"exit code {code}: {_last_line(text)}")
    return next(line for line in text.splitlines() if "checks passed" in line)


def tests(record: Record) -> str:
    """The project's tests that run on a GPU, several processes at a time."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "on_gpu"]
    processes = min(MOST_PROCESSES, usable_cores())
    code, text = _run([*command, "-n", str(processes), *record.scale.tests], record.out / TESTS, TESTS_SECONDS)
    if code:
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
        raise PartError(f"{_last_line(text)}; {len(failed)} failed: {', '.join(failed[:SHOWN])}")
    return _last_line(text)


def memcheck(record: Record) -> str:
    """The smoke program's checks under compute-sanitizer, every array an allocation of its own."""
    sanitizer = _sanitizer()
    if sanitizer is None:
        return "not measured: compute-sanitizer is not installed (the wheel nvidia-cuda-sanitizer-api brings it)"
    log = record.out / MEMORY
    command = [*sanitizer, "--tool", "memcheck", "--error-exitcode", "9", "--log-file", str(log)]
    program = "import cupy, runpy; cupy.cuda.set_allocator(None); runpy.run_module('check.smoke', run_name='__main__')"
    code, text = _run([*command, sys.executable, "-c", program, "--few"], record.caches / MEMORY, MEMORY_SECONDS)
    said = log.read_text(errors="replace") if log.exists() else ""
    summary = re.findall(r"ERROR SUMMARY: .*", said)
    if code == 9 or (summary and "0 errors" not in summary[-1]):
        raise PartError(summary[-1] if summary else "errors")
    return f"{summary[-1] if summary else 'no summary: cut off'}; {_last_line(text)}"


def benchmark(record: Record) -> str:
    """Steps against PyTorch's forms, ten trainings to 99 %, memory over many steps; memcheck; then other workloads."""
    plan = Plan(record.scale.workloads, FORMS, (LASTING, FAST99), max(record.scale.least_minutes, record.left() / 60))

    def note(results: dict[str, Any]) -> None:
        record.results = results
        bench_gpu.write(record.out, results)
        record.write()

    with (record.out / LOG).open("w") as log:
        results = Run(plan, log, note, lambda: record.run(MEMCHECK), record.caches).measure()
    failures = dict(results["failures"])
    if "absent" in results["libraries"][OURS]:
        failures[OURS] = results["libraries"][OURS]["absent"]
    if failures:
        raise PartError("; ".join(f"{what}: {why}" for what, why in failures.items()))
    return f"{len(results['steps'])} workloads; left out: {', '.join(results['unfinished']) or 'none'}"


def _sanitizer() -> Sequence[str] | None:
    """compute-sanitizer's command; None where there is none."""
    if found := shutil.which("compute-sanitizer"):
        return [found]
    for folder in sys.path:
        for path in Path(folder or ".").glob("nvidia/*/bin/compute-sanitizer"):
            path.chmod(0o755)
            return [str(path)]
    return None


def _run(command: Sequence[str], file: Path, seconds: float) -> tuple[int, str]:
    """A command's exit code and what it printed, all of which goes to `file`; ended after so many seconds."""
    path = os.pathsep.join([str(ROOT / "tools"), os.environ.get("PYTHONPATH", "")])
    with file.open("w") as target:
        process = subprocess.Popen(
            command, stdout=target, stderr=subprocess.STDOUT, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"\nended after {seconds:.0f} s", file=target)
    return process.returncode, file.read_text(errors="replace")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it printed nothing"])[-1]


SMOKE_SECONDS, TESTS_SECONDS, MEMORY_SECONDS = 90.0, 110.0, 70.0
MEMCHECK = Part("memory checker", MEMORY, MEMORY_SECONDS, memcheck)
PARTS = (
    Part("what is there", MACHINE, 0.0, machine),
    Part("all sources compiled", MACHINE, 0.0, compile_all),
    Part("smoke", SMOKE, 20.0, smoke),
    Part("tests", TESTS, 30.0, tests),
    Part("benchmark", "benchmarks_gpu.md", 60.0, benchmark),
)
