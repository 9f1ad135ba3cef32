"""Modules without parameters of their own: Identity, and modules by name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gpucnn.errors import InputError
from gpucnn.nn.layer import Layer
from gpucnn.nn.module import Module

__all__ = ["Identity", "ModuleDict"]


class Identity(Layer):
    """Returns its input; takes and ignores any options, as PyTorch's."""

    def __init__(self, *options: Any, **named: Any) -> None:
        """Nothing is kept."""

    def forward(self, x: Any) -> Any:
        """The input."""
        return x


class ModuleDict(Module):
    """Modules by name. Raises InputError for what is no module."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        self.members: dict[str, Module] = {}
        self.update(modules)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules, or replace those of the same names."""
        for name, module in dict(modules).items():
            self[name] = module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Each module under its name."""
        return iter(self.members.items())

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(module, Module) or not isinstance(name, str):
            raise InputError(f"expected a module, such as nn.ReLU(), under a text; given {name!r}: {module!r:.80}")
        self.members[name] = module

    def __getitem__(self, name: str) -> Module:
        return self.members[name]

    def __delitem__(self, name: str) -> None:
        del self.members[name]

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __contains__(self, name: object) -> bool:
        return name in self.members

    def keys(self) -> Iterable[str]:
        """The names."""
        return self.members.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self.members.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self.members.items()
