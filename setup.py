"""The C kernels, compiled once for each instruction set; without a compiler the install goes on without them."""

import copy
import os
import platform
import runpy
import sys
import sysconfig
from pathlib import Path

import numpy as np
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path("gpucnn/kernels/c/source")
FINGERPRINT = runpy.run_path("gpucnn/kernels/c/fingerprint.py")["fingerprint"]()  # compared when a module is loaded
# -fwrapv is in most Pythons' flags, but not in all; -g0 keeps the builder's paths out, and most of the size.
FLAGS = ["-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fwrapv", "-g0", "-pthread"]
X86: dict[str, list[str]] = {
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"],
    "avx2": ["-mavx2", "-mfma"],
    "plain": [],
}
OTHERS: dict[str, list[str]] = {"plain": []}  # NEON belongs to every 64-bit ARM
# One build serves this Python and every later one (abi3); a Python without its global lock has no such interface.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")
OLDEST = ("0x030B0000", "cp311")  # as requires-python says


def extension(name: str, flags: list[str]) -> Extension:
    """The module gpucnn.kernels.c._NAME; `optional`: a failure to build it is only reported."""
    return Extension(
        f"gpucnn.kernels.c._{name}",
        sorted(map(str, SOURCE.glob("*.c"))),
        depends=sorted(map(str, SOURCE.glob("*.h"))),
        include_dirs=[np.get_include()],
        define_macros=[("MODULE", f"_{name}"), ("FINGERPRINT", FINGERPRINT)] + [("Py_LIMITED_API", OLDEST[0])] * STABLE,
        py_limited_api=STABLE,
        extra_compile_args=FLAGS + flags,
        extra_link_args=["-pthread"],
        optional=True,
    )


class BuildTogether(build_ext):
    """Compiles the sets at the same time, which needs a folder of objects for each: their sources are the same."""

    def build_extension(self, ext: Extension) -> None:
        own = copy.copy(self)
        own.build_temp = os.path.join(self.build_temp, ext.name)  # noqa: PTH118  (a path as distutils has it)
        build_ext.build_extension(own, ext)


if sys.platform == "darwin":  # a Python for both processors would compile AVX for ARM too
    os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")
sets = X86 if platform.machine().lower() in ("x86_64", "amd64") else OTHERS
if STABLE:  # Python would take modules of one version alone, which were built here before, in place of these
    for name in sets:
        Path(f"gpucnn/kernels/c/_{name}{sysconfig.get_config_var('EXT_SUFFIX')}").unlink(missing_ok=True)
setup(
    ext_modules=[extension(name, flags) for name, flags in sets.items()],
    cmdclass={"build_ext": BuildTogether},
    options={"build_ext": {"parallel": True}} | ({"bdist_wheel": {"py_limited_api": OLDEST[1]}} if STABLE else {}),
)
