"""Function: one differentiable operation, forward and backward side by side, on arrays alone."""

from typing import Any, ClassVar, Literal

from gpucnn.backend import Array, empty

# How a Function wants its arrays. "logical": as the shapes read, (N, C, H, W). "batch_last": the first `images` inputs,
# and the result, in memory order (C, H, W, N), the others (parameters) logical. "elementwise": all in whichever of the
# two orders the largest input has.
Layout = Literal["logical", "batch_last", "elementwise"]


class Function:
    """A differentiable operation. Write `forward` and `backward`; call it through `apply`.

    ```
    class Cube(Function):
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, grad):
            return 3 * self.x**2 * grad

    y = Cube.apply(x)
    ```
    `forward(*arrays, **options)` returns one array. `backward(grad)` gets the gradient by that array and returns the
    gradient by each input array (one array, or a tuple of them; None where there is none). `self.needs[i]` says whether
    the gradient by input i is wanted. Arrays are NumPy's or CuPy's; neither method may change the ones it is given.
    """

    layout: ClassVar[Layout] = "logical"
    images: ClassVar[int] = 1
    needs: tuple[bool, ...] = ()
    _inputs: list[Any] | None = None  # the Tensors it ran on; the tape's, None once spent
    _versions: list[int] = []  # how often each of them had been changed in place when it ran
    _order: int = -1  # its place on the tape

    def forward(self, *arrays: Any, **options: Any) -> Array:
        """The operation's result."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, grad: Array) -> Array | None | tuple[Array | None, ...]:
        """The gradient by each input, given the gradient by the result."""
        raise NotImplementedError(f"{type(self).__name__} has no backward, but a gradient through it was asked for")

    def gradient_memory(self, index: int, like: Array) -> Array:
        """Where to write the gradient by input `index`, all of it: a parameter's own memory while it is free, else new.

        An input that the operation was given twice has two gradients, which are added up: neither is written there.
        """
        inputs = self._inputs or []
        tensor = inputs[index]
        memory = tensor._gradient_memory() if sum(other is tensor for other in inputs) == 1 else None
        fits = memory is not None and memory.dtype == like.dtype
        return memory if fits else empty(tensor.data.shape, like)

    @classmethod
    def apply(cls, *inputs: Any, **options: Any) -> Any:
        """Run the operation on Tensors (arrays and numbers are taken as constants) and return a Tensor.

        The first Tensor among the inputs records it. Raises TypeError where there is none.
        """
        for candidate in inputs:
            if (run := getattr(candidate, "run", None)) and hasattr(candidate, "requires_grad"):
                return run(cls(), inputs, options)  # a Tensor, whose file lies below
        raise TypeError(
            f"{cls.__name__} was given {', '.join(type(i).__name__ for i in inputs)}; expected at least one Tensor. "
            f"Wrap an array as gpucnn.Tensor(array)"
        )
