"""A cuBLAS over NumPy, in place of what gpucnn.kernels.cuda.cublas loads: matrices that lie column by column."""

import ctypes
from typing import Any

import numpy as np

from tests.emulation import streams
from tests.emulation.arrays import owner_of

HANDLE = 77
DTYPES = {0: np.float32, 1: np.float64}  # cudaDataType_t
COMPUTES = {68: 0, 77: 0, 75: 0, 70: 1}  # cublasComputeType_t, for which of them
INVALID_VALUE = 7


class FakeCublas:
    """The functions that are called; each returns its status, 0 where all is well."""

    def __init__(self) -> None:
        self._stream: int | None = 0
        self._workspace = False

    def cublasCreate_v2(self, handle: int) -> int:  # noqa: N802 (cuBLAS's names)
        """Writes a handle to an address."""
        streams.refuse_during_capture("cublasCreate")
        ctypes.c_void_p.from_address(handle).value = HANDLE
        return 0

    def cublasSetStream_v2(self, handle: ctypes.c_void_p, stream: int) -> int:  # noqa: N802
        """The workspace is forgotten, as cuBLAS does."""
        self._stream, self._workspace = stream, False
        return 0 if handle.value == HANDLE else INVALID_VALUE

    def cublasSetWorkspace_v2(self, handle: ctypes.c_void_p, address: int, size: int) -> int:  # noqa: N802
        """Memory that lasts as long as a graph."""
        self._workspace = size > 0
        return 0 if handle.value == HANDLE else INVALID_VALUE

    def cublasGemmEx(  # noqa: N802
        self, handle: ctypes.c_void_p, turn_a: int, turn_b: int, rows: int, columns: int, depth: int, *rest: Any
    ) -> int:
        """c = alpha · a @ b + beta · c, where each operation says whether a matrix is turned first."""
        alpha, a, b, beta, c, (compute, _) = rest[0], rest[1:4], rest[4:7], rest[7], rest[8:11], rest[11:]
        sizes = (turn_a, turn_b, rows, columns, depth)
        return self._multiply(handle, sizes, (alpha, beta), ((*a, 0), (*b, 0), (*c, 0)), 1, compute)

    def cublasGemmStridedBatchedEx(  # noqa: N802
        self, handle: ctypes.c_void_p, turn_a: int, turn_b: int, rows: int, columns: int, depth: int, *rest: Any
    ) -> int:
        """As cublasGemmEx, for each of `batch` matrices."""
        alpha, a, b, beta, c, (batch, compute, _) = rest[0], rest[1:5], rest[5:9], rest[9], rest[10:14], rest[14:]
        return self._multiply(handle, (turn_a, turn_b, rows, columns, depth), (alpha, beta), (a, b, c), batch, compute)

    def _multiply(
        self,
        handle: ctypes.c_void_p,
        sizes: tuple[int, ...],
        scalars: tuple[int, int],
        operands: tuple[tuple[int, ...], ...],
        batch: int,
        compute: int,
    ) -> int:
        """sizes: the operations, rows, columns and depth; operands: (address, type, leading dimension, step)."""
        (turn_a, turn_b, rows, columns, depth), (a, b, c) = sizes, operands
        if c[1] not in DTYPES or COMPUTES.get(compute) != c[1] or {a[1], b[1]} != {c[1]} or handle.value != HANDLE:
            return INVALID_VALUE
        if self._stream != streams.current_stream().ptr or (streams.recording() and not self._workspace):
            raise AssertionError("cuBLAS would work on another stream, or in memory that the graph does not keep")
        number = ctypes.c_float if c[1] == 0 else ctypes.c_double
        by, add = (DTYPES[c[1]](number.from_address(address).value) for address in scalars)
        try:
            x, y = _matrices(*a, batch, turn_a, rows, depth), _matrices(*b, batch, turn_b, depth, columns)
            out = _matrices(*c, batch, 0, rows, columns)
        except ValueError:
            return INVALID_VALUE

        def multiply() -> None:
            product = by * np.matmul(x, y)
            out[...] = product + add * out if add else product  # what is there may be no number

        streams.put(multiply, [owner_of(operand[0]) for operand in operands])
        return 0


def _matrices(
    address: int, real: int, leading: int, step: int, batch: int, turned: int, rows: int, columns: int
) -> np.ndarray:
    """A view (batch, rows, columns) of what lies there. Raises ValueError where a column overlaps the next."""
    dtype = np.dtype(DTYPES[real])
    high, wide = (columns, rows) if turned else (rows, columns)
    if leading < max(1, high):
        raise ValueError(f"leading dimension {leading}, but {high} rows")
    count = (batch - 1) * step + (wide - 1) * leading + high
    memory = np.frombuffer((ctypes.c_char * (count * dtype.itemsize)).from_address(address), dtype)
    memory.flags.writeable = True
    strides = [n * dtype.itemsize for n in (step, 1, leading)]
    view = np.lib.stride_tricks.as_strided(memory, (batch, high, wide), strides)
    return view.swapaxes(1, 2) if turned else view
