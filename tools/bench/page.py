"""The page docs/benchmarks.md, made from the figures that tools/bench_cpu.py measured."""

from collections.abc import Sequence

from bench import layer_tables, peaks, tables, together
from bench.contestants import CONTESTANTS
from bench.figures import Results, found
from bench.jobs import JOBS
from bench.workloads import WORKLOADS

HEAD = """# gpucnn on the CPU

Made by `python tools/bench_cpu.py`; edit that, not this page. Every figure is the median of several processes, and in
parentheses the best; the contestants take turns, and each process warms up and takes the median of many steps. How
many times as fast gpucnn is as its best rival in the row is the median of the pairs of the same round, and in
parentheses the lowest and the highest. A training step is forward, loss, backward and update (SGD with momentum; Adam
for colour, separable and wide) of a batch that lies ready in memory; inference is forward alone. Networks are those
of the configurations of the same names (mlp is fashion_mlp's), the number behind is the batch size, images are
random. Those for images of 32 x 32 in colour, with batch normalisation after each convolution: colour has three of 3
x 3 with 16, 32 and 64 channels, separable five, four of them cut into a kernel for each channel and a mixture of the
channels, up to 256 channels, wide six of 3 x 3 with 64 to 256 channels, and resnet those of ResNet-20, as
resnet_cifar has it. Everything is in float32, which OpenVINO is asked for. Rivals choose their own threads. From the
second process on, compiled PyTorch finds its code compiled. What a GPU does is in
[benchmarks_gpu.md](benchmarks_gpu.md), and what a CPU with AVX2 does in [benchmarks_avx2.md](benchmarks_avx2.md).
"""

AVX2 = """# gpucnn on a CPU with AVX2

As [benchmarks.md](benchmarks.md), on a slower machine without AVX-512, whose two cores other guests share: medians are
often half as long again as the best. Each row has the rivals that were its best before, two for training and one for
inference (resnet-128: PyTorch alone); others are not measured. LeNet in several processes is of nine trainings each.
"""


def page(results: Results) -> str:
    """The whole page; what was not measured says so."""
    parts = _sections(results, list(WORKLOADS), list(CONTESTANTS), list(JOBS))
    return "\n".join([HEAD, *(section for sections in parts.values() for section in sections)])


def avx2(results: Results) -> str:
    """The page docs/benchmarks_avx2.md, with the rows and columns that were measured."""
    return f"{AVX2}\n{brief(results)}"


def brief(results: Results) -> str:
    """The sections of the parts that were measured, with the rows and columns that were."""
    measured = (list(found(results, part)) for part in ("steps", "contestants", "jobs"))
    parts = _sections(results, *measured)
    return "\n".join(section for part, sections in parts.items() if found(results, part) for section in sections)


def _sections(
    results: Results, workloads: Sequence[str], names: Sequence[str], jobs: Sequence[str]
) -> dict[str, list[str]]:
    """The sections of each part."""
    sizes = [name for name in workloads if WORKLOADS[name].config == "lenet"]
    return {
        "steps": [
            f"## Training step, ms\n\n{tables.steps(results, 'training_ms', workloads, names)}",
            f"## Inference, ms\n\n{tables.steps(results, 'inference_ms', workloads, names)}",
            f"## Start and memory\n\n{tables.start(results, workloads, names)}",
            *([f"## LeNet's cost as the batch grows, gpucnn\n\n{tables.growth(results, sizes)}"] if sizes else []),
        ],
        "layers": [peaks.section(results, workloads), *layer_tables.sections(results)],
        "jobs": [f"## Whole jobs on MNIST, process start to result\n\n{tables.jobs(results, jobs, names)}"],
        "small": [f"## Small eager operations, one thread, microseconds\n\n{tables.small(results)}"],
        "processes": together.sections(results),
        "installed": [f"## Installed, with all that it needs\n\n{tables.installed(results)}"],
        "contestants": [f"## How it was measured\n\n{tables.circumstances(results, names)}"],
    }
