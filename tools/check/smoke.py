"""Whether gpucnn computes on a GPU what it computes elsewhere, and what each launch takes; a line for each check.

    python -m check.smoke             everything (with tools/ on the path)
    python -m check.smoke --few       checks alone, no times: for memory checkers, under which all is slow

Every line begins with "ok", "FAILED" or "time". Exit code 1 where a check fails.
"""

import argparse
import contextlib
import functools
import gc
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import gpucnn
from check import cases
from check.launches import REPEATS, Launch, kernels, listening, microseconds
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.backend import load_cupy, to_device, to_host
from gpucnn.data import Augment, Dataset, Loader, Normalizer
from gpucnn.kernels import dispatch
from gpucnn.kernels.cuda import cublas, precision, program
from gpucnn.training import Trainer

TOLERANCES = {"float32": 2e-5, "float64": 1e-11}  # of ||ours - theirs|| / ||theirs||
PRODUCT_TOLERANCES = {"float32": 1e-5, "tf32": 2e-3, "bf16": 2e-2}
MIB = 1 << 20
BATCH = 64  # images in a step that is timed
ROUNDS = 5  # of trainings, over which memory must not grow


class Report:
    """Prints each check as it is done, and counts those that fail."""

    def __init__(self) -> None:
        self.failed = self.done = 0

    def check(self, name: str, work: Callable[[], str | None]) -> None:
        """`work` returns what is wrong, or None; what it raises is wrong, too."""
        self.done += 1
        try:
            wrong = work()
        except Exception as error:  # any failure is this check's alone
            traceback.print_exc()
            wrong = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
        self.failed += wrong is not None
        print(f"FAILED {name}: {wrong}" if wrong else f"ok     {name}", flush=True)

    @staticmethod
    def time(name: str, value: str) -> None:
        """A figure."""
        print(f"time   {name}: {value}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", action="store_true", help="the checks without times")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="launches in a timed graph")
    parser.add_argument("--batch", type=int, default=BATCH, help="images in a timed step")
    given = parser.parse_args(arguments)
    report = Report()
    launched: set[tuple[str, str]] = set()
    with listening(lambda launch: launched.add((launch.source, launch.kernel))):
        operations(report)
        products(report)
        training(report)
    report.check("every kernel was launched", lambda: _listed(kernels() - launched))
    memory(report)
    if not given.few:
        times(report, given.batch, given.repeats)
    print(f"{report.done - report.failed} checks passed, {report.failed} failed", flush=True)
    return 1 if report.failed else 0


def _listed(missing: set[tuple[str, str]]) -> str | None:
    return f"not launched: {', '.join(f'{source}.{kernel}' for source, kernel in sorted(missing))}" if missing else None


def operations(report: Report) -> None:
    """Every operation with the CUDA kernels against NumPy's on the CPU, in both dtypes."""
    for name, case in cases.all_cases():
        for dtype in TOLERANCES:
            report.check(f"{name} ({dtype})", functools.partial(_agrees, case, dtype))
    for number, (function, shape) in enumerate(cases.POOLING):
        case = functools.partial(cases.with_gradient, function, shape)
        report.check(f"pooling {number} by wide indices", functools.partial(_agrees_by_wide_indices, case))
    for rounded in ("tf32", "bf16"):
        for options in cases.ROUNDED_CONVOLUTIONS:
            case = functools.partial(cases.convolution, **options)
            report.check(f"convolution in {rounded}: {options}", functools.partial(_agrees_in, rounded, case))
        for options in cases.POOLED_CONVOLUTIONS:
            case = functools.partial(cases.pooled_convolution, **options)
            name = f"convolution and max-pooling in {rounded}: {options}"
            report.check(name, functools.partial(_agrees_in, rounded, case))
    report.check("dropout", _dropout)


def _agrees(case: cases.Case, dtype: str, tolerance: float | None = None) -> str | None:
    """What differs between the devices."""
    return _differs(_on("cuda", case, dtype), _on("cpu", case, dtype), tolerance or TOLERANCES[dtype])


def _agrees_by_wide_indices(case: cases.Case) -> str | None:
    with _wide_indices():
        return _agrees(case, "float32")


@contextlib.contextmanager
def _wide_indices() -> Iterator[None]:
    """Within the block small arrays, too, are for the kernels for more than 2^31 numbers."""
    narrow, program.MOST_INT = program.MOST_INT, 0
    try:
        yield
    finally:
        program.MOST_INT = narrow


def _agrees_in(rounded: str, case: cases.Case) -> str | None:
    precision.set(rounded)
    try:
        return _agrees(case, "float32", PRODUCT_TOLERANCES[rounded])
    finally:
        precision.set("float32")


def _on(device: str, case: cases.Case, dtype: str) -> cases.Arrays:
    """A case's arrays, with the CUDA kernels or with NumPy's on the CPU."""
    dispatch.choose("auto" if device == "cuda" else "numpy")
    gpucnn.set_device(device)
    gpucnn.manual_seed(0)
    try:
        return case(np.random.default_rng(0), dtype)
    finally:
        gpucnn.set_device("cuda")
        dispatch.choose("auto")


def _differs(ours: cases.Arrays, theirs: cases.Arrays, tolerance: float) -> str | None:
    wrong = []
    for name, expected in theirs.items():
        found = ours[name]
        if found.shape != expected.shape or found.dtype != expected.dtype:
            wrong.append(f"{name} is {found.dtype} {found.shape}, expected {expected.dtype} {expected.shape}")
        elif not (error := _error(found, expected)) <= tolerance:  # NaN is wrong, too
            wrong.append(f"{name} is off by {error:.1e}")
    return "; ".join(wrong) or None


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    """||found - expected|| / ||expected||."""
    wide = expected.astype(np.float64)
    return float(np.linalg.norm(found - wide)) / max(float(np.linalg.norm(wide)), 1e-30)


def _dropout() -> str | None:
    """About as many survive as should, each multiplied by 1 / (1 - p); a seed gives the same; the gradient agrees."""
    x = Tensor(to_device(np.ones((100, 1000), np.float32)), requires_grad=True)
    results = []
    for _ in range(2):
        gpucnn.manual_seed(5)
        results.append(F.dropout(x, 0.25))
    first, second = (result.numpy() for result in results)
    results[0].sum().backward()
    kept = float((first > 0).mean())
    if abs(kept - 0.75) > 0.01 or not np.array_equal(first, second):
        return f"{kept:.3f} survive, expected 0.75; the same seed gives the same: {np.array_equal(first, second)}"
    right = np.array_equal(cases._gradient(x), first) and np.allclose(first[first > 0], 4 / 3)
    return None if right else "the gradient, or what survives, is not what it should be"


def products(report: Report) -> None:
    """The real cuBLAS: three precisions, every order of the operands, batches of one and of three."""
    for rounded in PRODUCT_TOLERANCES:
        for batch in (1, 3):
            for turned in range(4):
                name = f"cuBLAS {rounded}, batch {batch}, {'NT'[turned & 1]}{'NT'[turned >> 1]}"
                report.check(name, functools.partial(_product, rounded, batch, bool(turned & 1), bool(turned >> 1)))
    report.check("cuBLAS float64", functools.partial(_product, "float64", 2, False, True))


def _product(rounded: str, batch: int, turn_a: bool, turn_b: bool) -> str | None:
    rng, dtype = np.random.default_rng(0), np.dtype("float64" if rounded == "float64" else "float32")
    a, b = (rng.standard_normal((batch, *shape)).astype(dtype) for shape in ((70, 300), (300, 50)))
    there_a, there_b = (_lying(array, turned) for array, turned in ((a, turn_a), (b, turn_b)))
    out = to_device(np.full((batch, 70, 50), np.nan, dtype))
    try:
        precision.set("float32" if rounded == "float64" else rounded)
        cublas.multiply(there_a, there_b, out)
        once = to_host(out)
        cublas.multiply(there_a, there_b, out, add=True)
    finally:
        precision.set("float32")
    expected = a.astype(np.float64) @ b.astype(np.float64)
    tolerance = PRODUCT_TOLERANCES.get(rounded, 1e-12)
    return _differs(
        {"product": once.astype(np.float64), "twice": to_host(out).astype(np.float64)},
        {"product": expected, "twice": 2 * expected},
        tolerance,
    )


def _lying(array: np.ndarray, turned: bool) -> Any:
    """The array (B, R, C) on the device, its matrices laid row by row or column by column."""
    if not turned:
        return to_device(array)
    return to_device(np.ascontiguousarray(array.swapaxes(1, 2))).swapaxes(1, 2)


def training(report: Report) -> None:
    """Captured steps end where steps one by one do, to the bit; nothing is loaded once steps are made."""
    for name, kind in (("SGD", "uint8"), ("AdamW", "float32")):
        report.check(f"a captured step is the eager one to the bit ({name})", functools.partial(_captured, name, kind))
        report.check(f"wide indices give the same bits ({kind})", functools.partial(_wide, name, kind))
    report.check("training again gives the same bits", _deterministic)
    report.check("no kernel is loaded in the first step", _loaded_before)


def _captured(optimizer: str, kind: str) -> str | None:
    return _different(*(_trained(optimizer, kind, capture) for capture in (True, False)))


def _wide(optimizer: str, kind: str) -> str | None:
    with _wide_indices():
        wide = _trained(optimizer, kind, True)
    return _different(_trained(optimizer, kind, True), wide)


def _deterministic() -> str | None:
    return _different(*(_trained("SGD", "uint8", True) for _ in range(2)))


def _different(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> str | None:
    different = [name for name, array in first.items() if not np.array_equal(array, second[name])]
    return f"different: {different}" if different else None


def _trained(optimizer: str, kind: str, capture: bool) -> dict[str, np.ndarray]:
    """The weights of a small network of every kind of layer after two epochs with every change of the images."""
    trainer, loader = _training(optimizer, kind, capture)
    list(trainer.run(loader, epochs=2))
    return {name: np.array(to_host(value)) for name, value in trainer.net.state_dict().items()}


def _training(optimizer: str, kind: str, capture: bool) -> tuple[Trainer, Loader]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 107)
    images = rng.integers(0, 256, (107, 1, 12, 12)).astype(kind)
    images[np.arange(107), :, labels * 4] = 255
    dataset = Dataset(images, labels, ("a", "b", "c"))
    augment = Augment(shift=1, rotate=5, scale=0.1, flip=True, crop=1, cutout=2)
    loader = Loader(dataset, 16, Normalizer.fit("standard", dataset), augment, shuffle=True, seed=3)
    gpucnn.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU()),
        *(nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.25), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 3)),
    )
    made = optim.SGD(net.parameters(), lr=0.05, momentum=0.9) if optimizer == "SGD" else optim.AdamW(net.parameters())
    return Trainer(net, made, schedule=optim.OneCycle(0.3), clip_norm=1.0, capture=capture), loader


def _loaded_before() -> str | None:
    """Every module that a step needs is there when the steps have been made."""
    program._module.cache_clear()
    program._kernel.cache_clear()
    trainer, loader = _training("SGD", "uint8", True)
    loaded: list[int] = []
    with listening(lambda _: loaded.append(program._module.cache_info().currsize)):
        next(trainer.run(loader, epochs=1))
    return None if loaded[0] == loaded[-1] else f"{loaded[0]} modules at the first launch of a step, {loaded[-1]} later"


def memory(report: Report) -> None:
    """The memory of captured steps goes back with them."""
    report.check(f"the memory of {ROUNDS} trainings goes back", _goes_back)


def _goes_back() -> str | None:
    held = []
    for _ in range(ROUNDS):
        _trained("SGD", "uint8", True)
        gc.collect()
        load_cupy().get_default_memory_pool().free_all_blocks()
        free, total = load_cupy().cuda.runtime.memGetInfo()
        held.append((total - free) / MIB)
    grown = held[-1] - held[1]  # the first may still load something
    return f"{grown:.1f} MiB more are held after the last training than after the second" if grown > 2 else None


def times(report: Report, batch: int, repeats: int) -> None:
    """Microseconds of every launch of training steps, and of products by either function of cuBLAS."""
    for name, net in networks().items():
        start = time.perf_counter()
        step = _step(net, batch)
        step()
        found: list[Launch] = []
        with listening(found.append):
            step()
        report.time(f"{name}, the first step", f"{time.perf_counter() - start:.3f} s; {len(found)} launches")
        _each(report, name, found, repeats)
    for m, n, k in ((128, 128, 65_536), (288, 64, 50_176), (9, 32, 50_176), (64, 50_176, 288)):
        report.time(f"cuBLAS m {m}, n {n}, k {k}", _two_ways(m, n, k, repeats))


def _each(report: Report, name: str, found: list[Launch], repeats: int) -> None:
    total = 0.0
    for launch in found:
        try:
            taken = microseconds(launch.again, repeats)
        except Exception as error:  # one launch that cannot be captured costs its own line
            report.time(f"{name} {launch.source}.{launch.kernel}", f"{type(error).__name__}: {error}")
            continue
        total += taken
        report.time(f"{name} {launch.source}.{launch.kernel}", f"{taken:.2f} us ({launch.size})")
    report.time(f"{name}, all launches", f"{total:.1f} us")


def networks() -> dict[str, nn.Module]:
    """Networks for images of 28 x 28 whose steps are timed."""
    return {
        "LeNet": nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        ),
        "ReNom": nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Dropout(0.25), nn.Flatten(), nn.Linear(12_544, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10)),
        ),
    }


def _step(net: nn.Module, batch: int) -> Callable[[], None]:
    rng = np.random.default_rng(0)
    images = Tensor(to_device(rng.standard_normal((batch, 1, 28, 28), np.float32)))
    labels = to_device(rng.integers(0, 10, batch))
    optimizer = optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()

    return step


def _two_ways(m: int, n: int, k: int, repeats: int) -> str:
    """Microseconds by the function for one product, and by that for many, of a batch of one."""
    a, b = (to_device(np.ones((1, *shape), np.float32)) for shape in ((m, k), (k, n)))
    out = to_device(np.zeros((1, m, n), np.float32))
    alone = microseconds(lambda: cublas.multiply_one(a, b, out), repeats)
    stack = microseconds(lambda: cublas.multiply_stack(a, b, out), repeats)
    return f"one product by GemmEx {alone:.1f} us, by GemmStridedBatchedEx {stack:.1f} us"


if __name__ == "__main__":
    print(f"{sys.version.split()[0]}, CuPy {load_cupy().__version__}, {gpucnn.backend.describe_gpu()}", flush=True)
    start = time.perf_counter()
    code = main()
    Report.time("the whole program", f"{time.perf_counter() - start:.1f} s")
    sys.exit(code)
