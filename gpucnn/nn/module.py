"""Module, the base of layers and networks; Parameter and Buffer, its Tensors.

State dictionaries have PyTorch's names and layouts.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from gpucnn.backend import module_of, set_device, to_device
from gpucnn.errors import CheckpointError, InputError
from gpucnn.nn.hooks import Hooked
from gpucnn.nn.parameter import Buffer, Parameter, Registers
from gpucnn.tensor import Tensor

__all__ = ["Buffer", "Module", "Parameter"]

M = TypeVar("M", bound="Module")
T = TypeVar("T")


class Module(Hooked, Registers):
    """A part of a network: set Parameters, Buffers and Modules (or lists or dicts) as attributes, write `forward`.

    Parameters are found in the order they were set, a module's own before those of the modules inside it.
    """

    training: bool = True

    def forward(self, *inputs: Any) -> Any:
        """The module's result. Each module defines it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Call `forward`: the class's, or one assigned to this module; and the hooks."""
        return self._run_hooked(inputs, options) if self._hooks else self.forward(*inputs, **options)

    # --- contents ---------------------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Modules set as attributes, and those in lists set as attributes (named `attribute.index`)."""
        return ((name, value) for name, value in _unfolded(vars(self).items()) if isinstance(value, Module))

    def children(self) -> Iterator["Module"]:
        """The modules directly inside."""
        return (child for _, child in self.named_children())

    def _walk(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all inside it, the outer before the inner; one used twice comes twice."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}.{name}" if prefix else name)

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module and all inside it, each once, by its first name."""
        return _once(self._walk())

    def modules(self) -> Iterator["Module"]:
        """This module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def _named_tensors(self, kind: type[Tensor]) -> Iterator[tuple[str, Tensor]]:
        for prefix, module in self._walk():
            yield from module._own(prefix, kind)

    def _own(self, prefix: str, kind: type[Tensor]) -> Iterator[tuple[str, Tensor]]:
        for name, value in _unfolded(vars(self).items()):
            if isinstance(value, kind):
                yield (f"{prefix}.{name}" if prefix else name), value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Every parameter once, by its first name; one shared by several modules is one parameter."""
        return _once(self._named_tensors(Parameter))

    def parameters(self) -> Iterator[Tensor]:
        """Every parameter once."""
        return (parameter for _, parameter in self.named_parameters())

    def buffers(self) -> Iterator[Tensor]:
        """Every buffer."""
        return (buffer for _, buffer in _once(self._named_tensors(Buffer)))

    # --- modes --------------------------------------------------------------------------------------------------------

    def train(self: M, mode: bool = True) -> M:
        """Put this module and all inside it into training mode (dropout drops, batch norm uses the batch)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Put this module and all inside it into evaluation mode."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Set every parameter's gradient to None. The next gradient may reuse its memory: copy what you keep."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Turn the gradients by all parameters on, or off (freeze them)."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(self: M, device: str) -> M:
        """Make `device` the current one and move every parameter and buffer there."""
        set_device(device)
        for _, tensor in self._named_tensors(Tensor):
            tensor.memory, tensor.grad, tensor._grad_buffer = to_device(tensor.memory), None, None
        return self

    def astype(self: M, dtype: str) -> M:
        """Turn every floating parameter and buffer into `dtype`. Raises InputError unless it is float32 or float64."""
        if str(dtype) not in ("float32", "float64"):
            raise InputError(f"a network computes in float32 or float64; given {dtype}")
        for _, tensor in self._named_tensors(Tensor):
            if tensor.dtype.kind == "f":
                tensor.memory, tensor.grad, tensor._grad_buffer = tensor.memory.astype(dtype), None, None
        return self

    # --- state --------------------------------------------------------------------------------------------------------

    def named_state(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, as PyTorch orders them: module by module, parameters before buffers."""
        return {
            name: tensor
            for prefix, module in self._walk()
            for kind in (Parameter, Buffer)
            for name, tensor in module._own(prefix, kind)
        }

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of parameters and buffers on the host, with PyTorch's names and layouts."""
        return {name: tensor.numpy() for name, tensor in self.named_state().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Copy `state` (arrays, Tensors or PyTorch's tensors by name) into the parameters and buffers, in place.

        Raises CheckpointError that names missing and unknown entries (unless `strict` is False) and wrong shapes;
        nothing is changed then.
        """
        own = self.named_state()
        faults = _name_faults(own, state) if strict else []
        arrays = {name: np.asarray(_plain(state[name])) for name in own if name in state}
        faults += [
            f"{name} has shape {array.shape}, the network's has {own[name].shape}"
            for name, array in arrays.items()
            if array.shape != own[name].shape
        ]
        if faults:
            raise CheckpointError("the weights are of another network: " + "; ".join(faults))
        for name, array in arrays.items():
            own[name].memory[...] = module_of(own[name].memory).asarray(array)
            own[name]._version += 1


def _unfolded(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Names and values, with lists, tuples and dicts, at any depth, unfolded into `name.index` and their items."""
    for name, value in named:
        if isinstance(value, dict):
            yield from _unfolded((f"{name}.{key}", item) for key, item in value.items())
        elif isinstance(value, list | tuple):
            yield from _unfolded((f"{name}.{i}", item) for i, item in enumerate(value))
        else:
            yield name, value


def _once(named: Iterator[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Each object once, under its first name."""
    seen: set[int] = set()
    for name, thing in named:
        if id(thing) not in seen:
            seen.add(id(thing))
            yield name, thing


def _plain(value: Any) -> Any:
    """A value that NumPy can read: PyTorch's are detached, on the host, and float32 if they are bfloat16."""
    value = value.detach() if hasattr(value, "detach") else value
    value = value.cpu() if hasattr(value, "cpu") else value
    return value.float() if str(getattr(value, "dtype", "")) == "torch.bfloat16" else value


def _name_faults(own: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is missing and what is unknown, in words."""
    missing, unknown = [n for n in own if n not in given], [n for n in given if n not in own]
    return [f"missing {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(unknown)}"] * bool(unknown)
