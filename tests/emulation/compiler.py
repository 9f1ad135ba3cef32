"""The CUDA sources compiled by g++ for the CPU, and their kernels launched."""

import atexit
import ctypes
import functools
import hashlib
import math
import os
import platform
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HEADER = Path(__file__).with_name("cuda_on_cpu.h")
COMPILER = shutil.which("g++")
OPTIONS = ["-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-fno-strict-aliasing"]
# How numbers round: every operation by itself, the default; or as NVRTC and CuPy compile for a GPU, a product and a sum
# in one rounding (--fmad=true) and without denormal numbers of float (-ftz=true).
FUSED = ["-ffp-contract=fast", "-fexpensive-optimizations", "-DFLUSHED"]
FORMS = {"": ["-ffp-contract=off"], "fused": [*FUSED, *(["-mfma"] if platform.machine() == "x86_64" else [])]}
FORM = os.environ.get("GPUCNN_EMULATION", "")
# A kernel, or a macro whose first parameter is the name of the kernel that it defines.
KERNEL = re.compile(
    r"^(?:#define (\w+)\(name\b.*\s+)?KERNEL\s+(?:__launch_bounds__\(([^)]*)\)\s+)?(\w+)\(([^)]*)\)", re.MULTILINE
)
MOST_UNBOUNDED = 256  # threads that every kernel has registers for, whatever it needs: 255 of 65,536 for each
SHARED = re.compile(r"__shared__([^;]*);")
VALUE, INPUT, OUTPUT = range(3)  # as in the header
# What a pointer's array must hold; of other types (structs, say) nothing is asked.
TYPES = {
    "float": "float32",
    "double": "float64",
    "int": "int32",
    "unsigned": "uint32",
    "unsigned int": "uint32",
    "Integer": "int64",
    "long long": "int64",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "bool": "bool",
}
_one_at_a_time = threading.Lock()  # a library's threads and blocks are global


class KernelError(AssertionError):
    """What a GPU would do with this launch is undefined."""


class Memory(NamedTuple):
    """An array for a kernel: where it begins, how many bytes it has, and of what dtype."""

    address: int
    nbytes: int
    dtype: np.dtype


class Parameter(NamedTuple):
    """`type` without const and the star."""

    name: str
    type: str
    kind: int


class _Argument(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("kind", ctypes.c_int)]


class Kernel:
    """One kernel of a compiled source."""

    def __init__(self, library: ctypes.CDLL, name: str, parameters: Sequence[Parameter], most: int) -> None:
        self.name, self.parameters, self.most_threads = name, parameters, most
        self._function = library[f"emulated_{name}"]
        self._function.restype = ctypes.c_char_p
        size = library[f"bytes_of_{name}"]
        size.restype = ctypes.c_size_t
        self._sizes = [size(ctypes.c_size_t(index)) for index in range(len(parameters))]

    def __call__(self, blocks: Sequence[int], threads: Sequence[int], arguments: Sequence[Any]) -> None:
        """Run it; an argument is Memory, None, int, float, or bytes (a struct).

        Raises KernelError for more threads than its __launch_bounds__ or, without these, than any kernel has registers
        for; for arguments that are not its parameters, for steps outside of the arrays, and for barriers that not all
        threads come to.
        """
        if len(arguments) != len(self.parameters):
            raise KernelError(f"{self.name} has {len(self.parameters)} parameters; given {len(arguments)} arguments")
        grid = [(*sizes, 1, 1)[:3] for sizes in (blocks, threads)]
        if min(grid[0] + grid[1]) < 1 or np.prod(grid[1]) > 1024 or max(grid[0][1:]) > 65535 or grid[1][2] > 64:
            raise KernelError(f"{self.name} cannot be launched as {blocks} blocks of {threads} threads")
        if np.prod(grid[1]) > self.most_threads:
            raise KernelError(
                f"{self.name} is launched with {threads} threads, and may need more registers than there are for these "
                f"unless __launch_bounds__ says so; now {self.most_threads}"
            )
        kept = [_value(argument) for argument in arguments]  # alive during the call
        passed = (_Argument * len(arguments))(*map(self._argument, self.parameters, arguments, kept, self._sizes))
        with _one_at_a_time:
            failure = self._function((ctypes.c_uint * 6)(*grid[0], *grid[1]), passed)
        if failure:
            raise KernelError(f"{self.name}: {failure.decode()}")

    def _argument(self, parameter: Parameter, argument: Any, value: Any, size: int) -> tuple[int | None, int, int]:
        """Where it lies, its bytes, its kind."""
        if parameter.kind != VALUE:
            if argument is None:
                return None, 0, parameter.kind
            expected = TYPES.get(parameter.type)
            if not isinstance(argument, Memory) or (expected and argument.dtype != expected):
                raise KernelError(f"{self.name}: {parameter.name} is {parameter.type} *; given {argument}")
            return argument.address, argument.nbytes, parameter.kind
        fits = {"Integer": int, "double": float}.get(parameter.type, bytes)
        if not isinstance(argument, fits) or ctypes.sizeof(value) != size:
            given = f"{ctypes.sizeof(value)} bytes" if isinstance(argument, bytes) else repr(argument)
            raise KernelError(f"{self.name}: {parameter.name} is {parameter.type} of {size} bytes; given {given}")
        return ctypes.addressof(value), size, VALUE


def _value(argument: Any) -> Any:
    """What a kernel gets by value, in memory."""
    if isinstance(argument, bytes):
        return ctypes.create_string_buffer(argument, len(argument))
    if isinstance(argument, int):
        return ctypes.c_longlong(argument)
    return ctypes.c_double(argument) if isinstance(argument, float) else None


@functools.cache
def compiled(text: str, options: tuple[str, ...], form: str = FORM) -> dict[str, Kernel]:
    """The kernels of a source, by name; `options` are NVRTC's, `form` is one of `FORMS`."""
    definitions = [option for option in options if option.startswith("-D")]
    parameters = {name: list(_parameters(listed, definitions)) for _, name, listed in _kernels(text)}
    most = most_threads(text)
    code = "\n".join(
        [f'#include "{HEADER}"', "#line 1", SHARED.sub(_poisoned, text), *(f"EMULATED({name})" for name in parameters)]
    )
    wanted = [*FORMS[form], *definitions]
    path = _folder() / hashlib.sha256(repr((code, wanted)).encode()).hexdigest()[:16]
    library = ctypes.CDLL(str(_built(code, wanted, path)))
    return {name: Kernel(library, name, listed, most[name]) for name, listed in parameters.items()}


def _built(code: str, options: Sequence[str], path: Path) -> Path:
    """The library made of `code`; that of another thread where it is there. Raises KernelError where g++ refuses."""
    library, own = path.with_suffix(".so"), path.with_suffix(f".{threading.get_native_id()}.cpp")
    if not library.exists():
        own.write_text(code)
        command = [COMPILER, *OPTIONS, *options, own, "-o", own.with_suffix(".so")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise KernelError(f"g++ does not compile the CUDA source:\n{done.stderr[:4000]}")
        own.with_suffix(".so").replace(library)
    return library


@functools.cache
def _folder() -> Path:
    """For one session's libraries; processes that are given one in GPUCNN_EMULATION_FOLDER share it."""
    if shared := os.environ.get("GPUCNN_EMULATION_FOLDER"):
        return Path(shared)
    folder = Path(tempfile.mkdtemp(prefix="gpucnn-emulation-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _parameters(listed: str, definitions: Sequence[str]) -> Iterator[Parameter]:
    """What stands between a kernel's parentheses, parameter by parameter."""
    for text in filter(None, map(str.strip, listed.split(","))):
        words = re.sub(r"__restrict__|\*", " ", text).split()
        kind = VALUE if "*" not in text else INPUT if words[0] == "const" else OUTPUT
        type_name = " ".join(word for word in words[:-1] if word != "const")
        for definition in definitions:
            name, _, value = definition.removeprefix("-D").partition("=")
            type_name = value if type_name == name else type_name
        yield Parameter(words[-1], type_name, kind)


def most_threads(text: str) -> dict[str, int]:
    """How many threads a block of each kernel may have."""
    return {name: _bound(bounds, text) for bounds, name, _ in _kernels(text)}


def _kernels(text: str) -> Iterator[tuple[str, str, str]]:
    """Of each kernel what stands between the parentheses of __launch_bounds__, its name, and what between its own."""
    joined = text.replace("\\\n", "\n")
    for macro, bounds, name, listed in KERNEL.findall(joined):
        for each in re.findall(rf"^{macro}\((\w+)", joined, re.MULTILINE) if macro else [name]:
            yield bounds, each, listed


def _bound(bounds: str, text: str) -> int:
    """The first of __launch_bounds__: a product of numbers and of names of the source's constants."""
    if not bounds:
        return MOST_UNBOUNDED
    factors = bounds.partition(",")[0].split("*")
    constants = dict(re.findall(r"\b(\w+) = (\d+)[,;]", text))
    return math.prod(int(constants.get(factor.strip(), factor)) for factor in factors)


def _poisoned(declaration: re.Match) -> str:
    """A declaration of shared memory, and for each of its names SHARED(name)."""
    names = re.sub(r"__align__\([^)]*\)|\[[^]]*\]", "", declaration[1]).split(",")
    return declaration[0] + "".join(f" SHARED({name.split()[-1]});" for name in names)
