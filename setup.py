"""The C kernels, compiled once for each instruction set; without a compiler the install goes on without them."""

import platform
from pathlib import Path

import numpy as np
from setuptools import Extension, setup

SOURCE = Path("gpucnn/kernels/cpu/source")
FLAGS = ["-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-pthread"]
X86 = {
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"],
    "avx2": ["-mavx2", "-mfma"],
    "plain": [],
}
OTHERS = {"plain": []}  # NEON belongs to every 64-bit ARM


def extension(name: str, flags: list[str]) -> Extension:
    """The module gpucnn.kernels.cpu._NAME; `optional`: a failure to build it is only reported."""
    return Extension(
        f"gpucnn.kernels.cpu._{name}",
        sorted(map(str, SOURCE.glob("*.c"))),
        depends=sorted(map(str, SOURCE.glob("*.h"))),
        include_dirs=[np.get_include()],
        define_macros=[("MODULE", f"_{name}")],
        extra_compile_args=FLAGS + flags,
        extra_link_args=["-pthread"],
        optional=True,
    )


sets = X86 if platform.machine().lower() in ("x86_64", "amd64") else OTHERS
setup(ext_modules=[extension(name, flags) for name, flags in sets.items()])
