"""How far a workload's training step is from the most that the machine computes, and its best rival's with it."""

import statistics
from collections.abc import Sequence

from results_page import table

from bench.figures import NOT_MEASURED, Results, best_rival, found, rounded
from bench.with_gpucnn import build_layers
from bench.workloads import WORKLOADS, Workload, network_of

TEXT = """The multiply-adds of a training step by direct convolution, forward and both gradients (of which the first
layer has one), and the time they take at least, if all that the machine computes on registers alone were theirs. The
last column is how many times as fast as its best rival gpucnn could be at most, unless it multiplies less often, as
Winograd's algorithm has it for kernels of 3 x 3. Normalisation, pooling, updates and waiting for memory come on top.

Small networks wait for each other's caches: an update of mlp's 79,510 numbers takes 25 microseconds on two cores of an
Intel Xeon (AVX-512) where each core read the weights that it updates, and 80 where both read all of them; that is some
20 nanoseconds for a line of 64 bytes. Of the 26 kernels of LeNet's step at 64 images 15 take less than 20
microseconds, 65 together, and one core computes them. A step by hand has the same kernels and calls some 690
functions of Python, of any number of images, which the Trainer's program does not: 0.4 milliseconds. Colour at 32
images is not helped by a second core where its maps are small: Winograd's products of 8 x 8 pixels take 306
microseconds for 319, their gradient by the weight at 16 x 16 453 for 471, and
Winograd's kernels are half of the step.

Tried on an AMD EPYC by AVX2, and left out: loops over 3 and 5 taps unrolled (a tenth slower); a table of places in
place of nested loops (a tenth faster for windows of 3 x 3, a twentieth slower for products). No difference that could
be told from noise made: sums of over 256 numbers cut so that they fit into the first cache, pixels of the next
channel fetched into the second cache alone, and blocks of 16 outputs packed as those of 32 are.

Tried on an Intel Xeon by AVX-512, and left out: threads that share a linear map's images in place of its outputs (the
update waits as above); threads that share the rows of a gradient by the weight in place of its columns (a tenth
slower, as each of them turns all of what it reads); for mlp 32 tasks in place of 16, and its 784 inputs in two parts
(no difference).
"""
HEAD = ["", "multiply-adds, millions", "at the most, ms", "gpucnn, ms", "of the most", "its rival at the most"]


def section(results: Results, workloads: Sequence[str]) -> str:
    """The section with a row for each workload."""
    most = max((limit["gflops"] or 0.0 for limit in found(results, "layers", "limits").values()), default=0.0)
    rows = [_row(results, WORKLOADS[name], most) for name in workloads]
    return f"## A training step beside the most that the machine does\n\n{TEXT}\n{table(HEAD, rows)}"


def training_multiply_adds(workload: Workload) -> int:
    """Those of a step over the whole batch: three times the forward pass's, but for the images' gradient."""
    network = network_of(workload.config)
    counts, shape = [], network.shape
    for layer in build_layers(network):
        counts.append(layer.multiply_adds(shape))
        shape = layer.output_shape(shape)
    return workload.batch * (3 * sum(counts) - next((count for count in counts if count), 0))


def _row(results: Results, workload: Workload, most: float) -> list[str]:
    count = training_multiply_adds(workload)
    runs = found(results, "steps", workload.name)
    least = 2e-6 * count / most if most else None  # ms
    ours, rival = (
        statistics.median(runs[name]["training_ms"]) if name in runs else None
        for name in ("gpucnn", best_rival(runs, "training_ms"))
    )
    shares = [f"{100 * least / ours:.0f} %" if least and ours else None]
    shares.append(f"{rival / least:.1f} times" if least and rival else None)
    times = [rounded(time) if time else None for time in (least, ours)]
    return [workload.name, rounded(count / 1e6), *(shown or NOT_MEASURED for shown in (*times, *shares))]
