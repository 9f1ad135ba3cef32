"""Arithmetic of the tape itself, in NumPy and CuPy: gradients that meet are added, others moved into their memory."""

from gpucnn.backend import Array, module_of


class Arithmetic:
    """Sums, multiples and copies; all arrays of a call have one shape, but for a factor."""

    def add(self, x: Array, y: Array, out: Array) -> None:
        """out = x + y; out may be x or y."""
        module_of(out).add(x, y, out=out)

    def scale(self, x: Array, factor: Array, out: Array) -> None:
        """out = factor · x, for one factor () or any that broadcast; out may be x."""
        module_of(out).multiply(x, factor, out=out)

    def add_to_rows(self, values: Array, out: Array) -> None:
        """out (C, ...) += values (C,), each along its row."""
        out += values.reshape(-1, *(1,) * (out.ndim - 1))

    def copy(self, x: Array, out: Array) -> None:
        """out = x."""
        module_of(out).copyto(out, x)

    def fill(self, value: float, out: Array) -> None:
        """Every element of out, floating and in C order, = value."""
        out.fill(value)
