"""Sums in CUDA, in an order that depends on the length of what is summed alone."""

from gpucnn.backend import Array, empty
from gpucnn.kernels.cuda import program

SHARE = 8192  # of a row, for one block: few long rows keep many busy
SHORT = 1024  # a row that one warp sums


def row_sums(rows: Array, out: Array) -> None:
    """out (C,) = the sum of each row of (C, L)."""
    count, length = rows.shape
    parts = max(1, -(-length // SHARE))
    sums = empty((count, parts), out) if parts > 1 else out
    _row_sums(program.contiguous(rows), count, parts, sums)
    if parts > 1:
        _row_sums(sums, count, 1, out)


def _row_sums(rows: Array, count: int, parts: int, out: Array) -> None:
    """out (C, parts) = the sums of parts of each row of (C, L)."""
    length = rows.shape[1]
    if count:
        threads, share = 32 if length <= SHORT else program.THREADS, -(-length // parts)
        program.launch("sums", "row_sums", out.dtype, (count * parts,), (threads,), length, parts, share, rows, out)
