"""Every CUDA source compiles to machine code for every GPU that is meant, without a warning, and fits on it.

No GPU is needed.
"""

import re
from collections.abc import Iterator

import pytest

from gpucnn.kernels.cuda import program
from tests.emulation import compiler
from tests.kernels import cubin, nvrtc

ARCHITECTURES = ["sm_75", "sm_80", "sm_89", "sm_90", "sm_120"]  # compute capabilities 7.5, 8.0, 8.9, 9.0 and 12.0
REGISTERS, UNIT = 1 << 16, 8  # of a multiprocessor; a thread is given whole units
SHARED = 48 << 10  # bytes that a block has on every GPU without asking for more
STACK = {"pad_backward": 256}  # bytes of a thread: the places that have a pixel's value, along five axes
MOST_STACK = 16  # of all others: more than that would be registers that did not suffice
# Kernels of float arrays that compute with doubles, too: what is summed over many threads, and step scales.
SUMMING = {"moments", "training_forward", "gradient_sums", "backward", "cross_entropy", "scaled_sum", "tally"}
SUMMING |= {"row_sums", "squares", "clip", "unit"}
BY_RATES = {"begin", "sgd", "momentum", "nesterov", "adam", "rmsprop", "muon_direction"}
ARGUMENT = {"ld.param.f64", "cvt.rn.ftz.f32.f64"}  # a number that the host gives, made a float
MOST_DOUBLES = {**dict.fromkeys(SUMMING, 64), **dict.fromkeys(BY_RATES, 32)}  # instructions


@pytest.fixture(autouse=True)
def installed() -> None:
    nvrtc.skip_without()


@pytest.mark.parametrize("dtype", program.REALS)
@pytest.mark.parametrize("source", program.sources())
def test_compiles_without_a_warning_and_fits(source, dtype):
    most_threads = compiler.most_threads(program.text(source))
    for architecture, (log, code) in nvrtc.for_architectures(source, dtype, ARCHITECTURES).items():
        assert log == ""
        found = cubin.needs(code)
        assert found.keys() == set(program.KERNEL.findall(program.text(source)))
        for kernel, needs in found.items():
            what = f"{kernel} for {architecture}: {needs}"
            registers = -(-needs.registers // UNIT) * UNIT
            assert 0 < registers * most_threads[kernel] <= REGISTERS, what
            assert needs.stack <= STACK.get(kernel, MOST_STACK), what
            assert needs.shared <= SHARED, what


def test_what_a_kernel_needs_is_read():
    text = (
        program.text("activation")
        + """
KERNEL __launch_bounds__(1024, 2) needy(const int *order, double *out) {
    __shared__ double values[512];
    double mine[8];
    for (int i = 0; i < 8; i++) mine[order[i]] = out[i];
    values[threadIdx.x % 512] = mine[order[threadIdx.x]];
    __syncthreads();
    out[threadIdx.x] = values[order[threadIdx.x]];
}
"""
    )
    needs = cubin.needs(nvrtc.compile_text(text, (*program.options("float32"), "-arch=sm_80")).code)["needy"]
    assert needs.stack == 64 and needs.shared == 4096 and 8 < needs.registers <= 32


def test_a_warning_would_be_seen():
    text = program.text("activation") + "KERNEL unused() { int nobody_reads_me = 1; }"
    log, code = nvrtc.compile_text(text, (*program.options("float32"), "-arch=sm_90"))
    assert "nobody_reads_me" in log
    assert code
    assert not nvrtc.compile_text(text + "}", (*program.options("float32"), "-arch=sm_90")).code


@pytest.mark.parametrize("source", program.sources())
def test_kernels_of_floats_compute_with_floats(source):
    """Most GPUs have a double's unit for 32 or 64 of a float's."""
    for kernel, instructions in kernels_of(nvrtc.compiled(source, "float32", "compute_90").code.decode()):
        assert "ret" in instructions, kernel  # all were read
        doubles = [name for name in instructions if ".f64" in name]
        if kernel in MOST_DOUBLES:
            assert len(doubles) <= MOST_DOUBLES[kernel], kernel
        else:
            assert set(doubles) <= ARGUMENT, kernel


@pytest.mark.parametrize("source", ["gather", "pool"])
def test_indices_are_divided_in_32_bits(source):
    """A division of 64 bits takes some 70 instructions; only the kernels for more than 2**31 numbers have any."""
    kernels = dict(kernels_of(nvrtc.compiled(source, "float32", "compute_90").code.decode()))
    for kernel in kernels:
        wide = [name for name in kernels[kernel] if re.fullmatch(r"(div|rem)\.[su]64", name)]
        assert bool(wide) == (kernel.endswith("_wide") or kernel.startswith("global_average")), kernel


def kernels_of(ptx: str) -> Iterator[tuple[str, list[str]]]:
    """Each kernel and its instructions' names."""
    for name, body in re.findall(r"\.entry (\w+)\((.*?)\n\}", ptx, re.DOTALL):
        yield name, re.findall(r"^\s*(?:@!?%p\d+\s+)?([a-z][\w.:]*)[^;]*;", body, re.MULTILINE)
