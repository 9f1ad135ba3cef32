"""The Functions of products: of matrices, and by Einstein's convention."""

from gpucnn.backend import Array, module_of
from gpucnn.errors import ShapeError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor.axes import naming_shapes, unbroadcast
from gpucnn.tensor.function import Function
from gpucnn.tensor.quiet import quietly
from gpucnn.threads import one_blas_thread

SMALL_PRODUCT = 1 << 18  # multiply-adds


class MatMul(Function):
    """a @ b by NumPy's rules: vectors, matrices and stacks of matrices."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return matrix_product(a, b)

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        a = self.a if self.a.ndim > 1 else self.a[None, :]
        b = self.b if self.b.ndim > 1 else self.b[:, None]
        if self.b.ndim == 1:
            grad = grad[..., None]
        if self.a.ndim == 1:
            grad = grad[..., None, :]
        by_a = by_b = None
        if self.needs[0]:
            by_a = unbroadcast(matrix_product(grad, b.swapaxes(-1, -2)), a.shape).reshape(self.a.shape)
        if self.needs[1]:
            by_b = unbroadcast(matrix_product(a.swapaxes(-1, -2), grad), b.shape).reshape(self.b.shape)
        return by_a, by_b


def matrix_product(a: Array, b: Array) -> Array:
    """a @ b by NumPy's rules, with one thread of BLAS. Raises ShapeError where the shapes do not fit together."""
    product = kernels_of(type(a)).gemm.product
    if a.size * b.shape[-1] <= SMALL_PRODUCT:  # BLAS itself takes one thread
        try:
            return quietly(product, a, b)
        except ValueError:
            pass  # told below
    with naming_shapes("matmul", a.shape, b.shape), one_blas_thread():
        return quietly(product, a, b)


class Einsum(Function):
    """A sum of products by Einstein's convention: "ij,jk->ik" is the matrix product."""

    def forward(self, *arrays: Array, subscripts: str) -> Array:
        self.arrays = arrays
        inputs, arrow, result = subscripts.replace(" ", "").partition("->")
        self.inputs = inputs.split(",")
        if not arrow:  # the letters that occur once, in order
            result = "".join(sorted(letter for letter in set(inputs) - {","} if inputs.count(letter) == 1))
        if "." in subscripts or any(len(set(part)) != len(part) for part in self.inputs):
            raise ShapeError(f"einsum: {subscripts!r}: write each axis as one letter, once in each operand")
        self.result = result
        with naming_shapes(f"einsum {subscripts}", *(array.shape for array in arrays)):
            return module_of(arrays[0]).asarray(module_of(arrays[0]).einsum(f"{inputs}->{result}", *arrays))

    def backward(self, grad: Array) -> tuple[Array, ...]:
        return tuple(self._share(grad, i) for i in range(len(self.arrays)))

    def _share(self, grad: Array, i: int) -> Array:
        others = [j for j in range(len(self.arrays)) if j != i]
        terms = [self.result, *(self.inputs[j] for j in others)]
        known = "".join(letter for letter in self.inputs[i] if any(letter in term for term in terms))
        xp, shape = module_of(grad), self.arrays[i].shape
        share = xp.einsum(f"{','.join(terms)}->{known}", grad, *(self.arrays[j] for j in others))
        kept = tuple(n if letter in known else 1 for letter, n in zip(self.inputs[i], shape, strict=True))
        return xp.broadcast_to(share.reshape(kept), shape)  # the same along axes that were summed away
