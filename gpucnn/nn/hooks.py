"""Hooks, functions that see a module's inputs and output whenever it runs; and how modules show themselves."""

import html
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from gpucnn.tensor import Tensor


class Handle:
    """Removes the hook that it was returned for."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """The hook is not called any more."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
            Hooked.changes += 1


class Hooked:
    """Base of Module: its hooks, and its text."""

    changes: ClassVar[int] = 0  # how often any module's hooks changed: what was planned without them is planned anew
    _hooks: list[tuple[str, Callable[..., Any]]] = []  # noqa: RUF012 - never changed; a module's own is made by the first

    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call hook(module, inputs, output) after each run; what it returns, unless None, becomes the output."""
        return self._register("after", hook)

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call hook(module, inputs) before each run; what it returns, unless None, becomes the inputs."""
        return self._register("before", hook)

    def _register(self, when: str, hook: Callable[..., Any]) -> Handle:
        if not self._hooks:
            self._hooks = []
        self._hooks.append((when, hook))
        Hooked.changes += 1
        return Handle(self._hooks, (when, hook))

    def _run_hooked(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        for when, hook in tuple(self._hooks):
            if when == "before" and (changed := hook(self, inputs)) is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*inputs, **options)  # type: ignore[attr-defined]
        for when, hook in tuple(self._hooks):
            if when == "after" and (changed := hook(self, inputs, output)) is not None:
                output = changed
        return output

    def __repr__(self) -> str:
        """The tree of modules: options that differ from their defaults, and shapes of parameters."""
        tensors = [f"{name} {value.shape}" for name, value in vars(self).items() if type(value).__name__ == "Parameter"]
        note = f"  # {', '.join(tensors)}" if tensors else ""
        children = list(self.named_children())  # type: ignore[attr-defined]
        head = f"{type(self).__name__}({', '.join(_options(self))}"
        if not children:
            return f"{head}){note}"
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in children]
        return "\n  ".join([f"{head}", *lines]) + f"\n){note}"

    def _repr_html_(self) -> str:
        numbers = sum(parameter.size for parameter in self.parameters())  # type: ignore[attr-defined]
        return f"<pre>{html.escape(repr(self))}\n{numbers:,} parameters</pre>"


def _options(module: Any) -> Iterator[str]:
    """The constructor's arguments that are kept as attributes, in its order, unless they are the defaults."""
    for name, option in inspect.signature(type(module).__init__).parameters.items():
        value = vars(module).get(name, option.default)
        if value is option.default or name == "self" or isinstance(value, list):
            continue
        if isinstance(option.default, bool) and (value is None or isinstance(value, Tensor)):  # bias=True makes a bias
            value = value is not None
        if value != option.default:
            yield f"{value!r}" if option.default is option.empty else f"{name}={value!r}"
