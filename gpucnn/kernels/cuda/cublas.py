"""cuBLAS, called directly: CuPy's own calls of it cannot be captured in a CUDA graph.

Signatures and numbers are those of cuBLAS 12 and 13, https://docs.nvidia.com/cuda/cublas/.
"""

import ctypes
import functools
from typing import Any, NamedTuple

from gpucnn.backend import Array, load_cupy
from gpucnn.errors import DeviceError
from gpucnn.kernels.cuda import precision

STATUSES = {
    1: "NOT_INITIALIZED",
    3: "ALLOC_FAILED",
    7: "INVALID_VALUE",
    8: "ARCH_MISMATCH",
    11: "MAPPING_ERROR",
    13: "EXECUTION_FAILED",
    14: "INTERNAL_ERROR",
    15: "NOT_SUPPORTED",
    16: "LICENSE_ERROR",
}
AS_IT_LIES, TRANSPOSED = 0, 1  # cublasOperation_t, of matrices stored by columns
REAL_32, REAL_64 = 0, 1  # cudaDataType_t
COMPUTE_32 = {"float32": 68, "tf32": 77, "bf16": 75}  # cublasComputeType_t: 32F, 32F_FAST_TF32, 32F_FAST_16BF
COMPUTE_64 = 70  # 64F
DEFAULT_ALGORITHM = -1  # cublasGemmAlgo_t

HOPPER_WORKSPACE, WORKSPACE = 1 << 25, 1 << 22  # bytes: what cuBLAS advises for compute capability 9.x, and elsewhere

_INT, _LONG, _POINTER, _SIZE = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p, ctypes.c_size_t
_OPERAND = [_POINTER, _INT, _INT]  # address, type, leading dimension
_OPERANDS = [*_OPERAND, _LONG]  # and the step to the next matrix
SIGNATURES = {
    "cublasCreate_v2": [_POINTER],
    "cublasSetStream_v2": [_POINTER, _POINTER],
    "cublasSetWorkspace_v2": [_POINTER, _POINTER, _SIZE],
    "cublasGemmEx": [
        *[_POINTER, _INT, _INT, _INT, _INT, _INT, _POINTER],  # handle, operations, m, n, k, alpha
        *[*_OPERAND, *_OPERAND, _POINTER, *_OPERAND],  # a, b, beta, c
        *[_INT, _INT],  # compute type, algorithm
    ],
    "cublasGemmStridedBatchedEx": [
        *[_POINTER, _INT, _INT, _INT, _INT, _INT, _POINTER],  # as above
        *[*_OPERANDS, *_OPERANDS, _POINTER, *_OPERANDS],  # a, b, beta, c
        *[_INT, _INT, _INT],  # matrices, compute type, algorithm
    ],
}


@functools.cache  # loaded once
def library() -> Any:
    """cuBLAS, with its functions' signatures. Raises DeviceError where it is not found."""
    try:
        from cuda import pathfinder

        path = pathfinder.load_nvidia_dynamic_lib("cublas").abs_path
    except (ImportError, RuntimeError) as error:  # pathfinder's own errors are RuntimeErrors
        cause = str(error).splitlines()[0]
        raise DeviceError(
            f"cuBLAS, which multiplies large matrices on a GPU, cannot be loaded: {cause}. Install CUDA's libraries "
            f"beside CuPy: pip install 'cupy-cuda13x[ctk]', or cupy-cuda12x[ctk]"
        ) from error
    loaded = ctypes.CDLL(path)
    for name, arguments in SIGNATURES.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, _INT
    return loaded


class Handle:
    """cuBLAS on one device, with its own workspace: one that cuBLAS allocates during a capture would not outlive it.

    Work goes to CuPy's current stream.
    """

    def __init__(self, device: int) -> None:
        cupy = load_cupy()
        self._handle, self._stream = ctypes.c_void_p(), None
        self._call("cublasCreate_v2", ctypes.addressof(self._handle))
        hopper = cupy.cuda.Device(device).compute_capability.startswith("9")
        self._workspace = cupy.empty(HOPPER_WORKSPACE if hopper else WORKSPACE, "uint8")

    def call(self, name: str, *arguments: Any) -> None:
        """A function of cuBLAS, on the current stream; the arguments are those after the handle."""
        stream = load_cupy().cuda.get_current_stream().ptr
        if stream != self._stream:
            self._call("cublasSetStream_v2", self._handle, stream)  # takes the workspace away
            self._call("cublasSetWorkspace_v2", self._handle, self._workspace.data.ptr, self._workspace.nbytes)
            self._stream = stream
        self._call(name, self._handle, *arguments)

    @staticmethod
    def _call(name: str, *arguments: Any) -> None:
        status = getattr(library(), name)(*arguments)
        if status:
            raise DeviceError(f"{name} failed: CUBLAS_STATUS_{STATUSES.get(status, status)}")


@functools.cache  # each has a workspace of up to 32 MiB
def handle(device: int) -> Handle:
    """The process's one handle for a device."""
    return Handle(device)


class Operand(NamedTuple):
    """The memory layout of a stack of matrices, in the terms of cuBLAS."""

    operation: int
    address: int
    real: int
    leading: int
    step: int  # numbers from one matrix to the next


class Scalars(NamedTuple):
    """The factors of a product and of the previous contents; in memory that must outlive the call."""

    alpha: ctypes.c_float | ctypes.c_double
    beta: ctypes.c_float | ctypes.c_double


def multiply(a: Array, b: Array, out: Array, add: bool = False) -> None:
    """out (B, M, N) = a (B or 1, M, K) @ b (B or 1, K, N), or added to what is there.

    Of the last two axes of each, one must have neighbours side by side, and that must be out's last. float32 is
    multiplied as `precision` says. Raises DeviceError with the name of the status where cuBLAS fails.
    """
    (multiply_one if len(out) == 1 else multiply_stack)(a, b, out, add)


# cuBLAS stores matrices by columns, so it takes a matrix stored by rows for its transpose: it computes outᵀ = bᵀ aᵀ.


def multiply_one(a: Array, b: Array, out: Array, add: bool = False) -> None:
    """As `multiply`, of a stack of one matrix: cuBLAS sums over great depths many times faster here than in a stack."""
    left, right, result, (alpha, beta) = _operands(a, b, out, add)
    _, rows, columns = out.shape
    _handle().call(
        "cublasGemmEx",
        *(right.operation, left.operation, columns, rows, a.shape[-1], ctypes.addressof(alpha)),
        *(*right[1:4], *left[1:4], ctypes.addressof(beta), *result[1:4]),
        *(_compute(out), DEFAULT_ALGORITHM),
    )


def multiply_stack(a: Array, b: Array, out: Array, add: bool = False) -> None:
    """As `multiply`, of any number of matrices."""
    left, right, result, (alpha, beta) = _operands(a, b, out, add)
    batch, rows, columns = out.shape
    _handle().call(
        "cublasGemmStridedBatchedEx",
        *(right.operation, left.operation, columns, rows, a.shape[-1], ctypes.addressof(alpha)),
        *(*right[1:], *left[1:], ctypes.addressof(beta), *result[1:]),
        *(batch, _compute(out), DEFAULT_ALGORITHM),
    )


def _handle() -> Handle:
    return handle(load_cupy().cuda.runtime.getDevice())


def _compute(out: Array) -> int:
    return COMPUTE_32[precision.get()] if out.itemsize == 4 else COMPUTE_64


def _operands(a: Array, b: Array, out: Array, add: bool) -> tuple[Operand, Operand, Operand, Scalars]:
    scalar = ctypes.c_float if out.itemsize == 4 else ctypes.c_double
    return _operand(a), _operand(b), _operand(out), Scalars(scalar(1), scalar(1 if add else 0))


def _operand(x: Array) -> Operand:
    """The memory layout of x (B, R, C)."""
    step, row, column = (stride // x.itemsize for stride in x.strides)
    _, rows, columns = x.shape
    if column == 1 or columns == 1:
        operation, leading = AS_IT_LIES, max(row, columns)
    else:
        operation, leading = TRANSPOSED, max(column, rows)
    real = REAL_32 if x.itemsize == 4 else REAL_64
    return Operand(operation, x.data.ptr, real, leading, step if len(x) > 1 else 0)
