"""Parameter and Buffer, the Tensors of a module, and how they become a module's own."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from gpucnn.tensor import Tensor
from gpucnn.tensor.absent import missing

R = TypeVar("R", bound="Registers")


class Parameter(Tensor):
    """A Tensor that is learned. `array` is copied onto the current device."""

    def __init__(self, array: Any, requires_grad: bool = True) -> None:
        super().__init__(array, requires_grad)


class Buffer(Tensor):
    """A Tensor that is saved with the weights but not learned, such as running statistics."""


class Registers:
    """Base of Module: what may be set as its attribute, and PyTorch's methods that set one by name."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. Raises TypeError where a parameter, buffer or module would vanish."""
        before = vars(self).get(name)
        if isinstance(before, Buffer) and isinstance(value, Tensor) and not isinstance(value, Buffer):
            buffer = object.__new__(Buffer)
            vars(buffer).update(memory=value.memory, **{k: v for k, v in vars(value).items() if k in KEPT})
            value = buffer
        kind = next((kind for kind in (Parameter, Buffer, Registers) if isinstance(before, kind)), None)
        if kind is not None and value is not None and not isinstance(value, kind):
            raise TypeError(
                f"{type(self).__name__}.{name} is a {'Module' if kind is Registers else kind.__name__} and would be "
                f"lost to a {type(value).__name__}. Change it in place, as in {name}.data[...] = values"
            )
        if isinstance(value, set | frozenset) and any(isinstance(item, Parameter | Registers) for item in value):
            raise TypeError(f"{type(self).__name__}.{name}: modules in a set have no order; use a list or a dict")
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(missing("Module", name, dir(type(self))).replace("Module", type(self).__name__, 1))

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Set a Buffer; one that is not persistent is a plain Tensor, which is moved but not saved."""
        setattr(self, name, tensor if tensor is None else (Buffer if persistent else Tensor)(tensor))

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Set a Parameter."""
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Any) -> None:
        """Set a module."""
        setattr(self, name, module)

    def apply(self: R, function: Callable[[Any], object]) -> R:
        """Call `function` with every module inside, the inner before the outer, and with this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Every buffer, by its name."""
        return ((name, each) for name, each in self.named_state().items() if isinstance(each, Buffer))

    def float(self: R) -> R:
        """In float32."""
        return self.astype("float32")

    def double(self: R) -> R:
        """In float64."""
        return self.astype("float64")


KEPT = ("batch_last", "requires_grad", "_creator")
