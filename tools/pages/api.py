"""The pages on the Python API: a page for each public module, an entry for each of its names.

What stands in a file is shown by mkdocstrings; what the code makes (a layer for each activation, a function for each
method of Tensor) by its signature and docstring here.
"""

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

WIDTH = 80  # letters of a line of code on the site


class Part(NamedTuple):
    """A public module, and the title of its page."""

    module: str
    title: str


PARTS = (
    Part("gpucnn", "gpucnn"),
    Part("gpucnn.tensor", "Tensors"),
    Part("gpucnn.functional", "gpucnn.functional"),
    Part("gpucnn.nn", "gpucnn.nn"),
    Part("gpucnn.nn.init", "gpucnn.nn.init"),
    Part("gpucnn.optim", "gpucnn.optim"),
    Part("gpucnn.training", "gpucnn.training"),
    Part("gpucnn.data", "gpucnn.data"),
    Part("gpucnn.runs", "gpucnn.runs"),
    Part("gpucnn.report", "gpucnn.report"),
    Part("gpucnn.explain", "gpucnn.explain"),
    Part("gpucnn.export", "gpucnn.export"),
    Part("gpucnn.sklearn", "gpucnn.sklearn"),
    Part("gpucnn.loggers", "gpucnn.loggers"),
    Part("gpucnn.parallel", "gpucnn.parallel"),
    Part("gpucnn.filters", "gpucnn.filters"),
    Part("gpucnn.metrics", "gpucnn.metrics"),
    Part("gpucnn.errors", "gpucnn.errors"),
)


def pages() -> dict[str, str]:
    """The Markdown of each page, by its path in the docs."""
    texts: dict[str, str] = {}
    told: set[str] = set()  # where names are described: each once, on the page of the innermost module
    for part in reversed(PARTS):
        module = importlib.import_module(part.module)
        values = [(name, getattr(module, name)) for name in _public(module)]
        again = [(name, value) for name, value in values if _place(value) in told]
        own = [(name, value) for name, value in values if _place(value) not in told]
        told |= {_place(value) for _, value in own}
        parts = [f"# {part.title}\n", _prose(module) + "\n", *_links(again)]
        for name, value in own:
            parts += _entry(f"{part.module}.{name}", value)
        if part.module == "gpucnn.tensor":
            parts += _made_methods(module)
        texts[f"reference/{part.module}.md"] = "\n".join(parts)
    return texts


def _links(values: list[tuple[str, Any]]) -> Iterator[str]:
    """A list of names that other pages describe."""
    for name, value in values:
        yield f"- [`{name}`][{_place(value)}]: {_prose(value).partition(chr(10) * 2)[0]}"
    yield ""


def _place(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _public(module: Any) -> list[str]:
    """The names of a module's functions and classes that are for its users."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    names = sorted(getattr(module, "__all__", None) or own, key=lambda name: (name.islower(), name))
    return [name for name in names if not name.startswith("_") and _is_code(getattr(module, name))]


def _is_code(value: Any) -> bool:
    return inspect.isroutine(value) or inspect.isclass(value)


def _entry(name: str, value: Any) -> Iterator[str]:
    short = name.rpartition(".")[2]
    if _stands_in_a_file(value):
        yield f"::: {_place(value)}"
        yield f"    options: {{heading: {short}, toc_label: {short}}}\n"
    else:
        yield f"## {short} {{#{name}}}\n"
        yield f"```{{.python .no-copy}}\n{_signature(short, value)}\n```\n"
        yield _prose(value) + "\n"


def _made_methods(module: Any) -> Iterator[str]:
    """The methods of Tensor that are functions, too."""
    yield "## Functions and methods {#functions-and-methods}\n"
    yield (
        "Each is a function, `gpucnn.exp(x)`; those whose first argument is `x` are methods of Tensors, too: "
        "`x.exp()`. Names and arguments are [PyTorch's](../from_pytorch.md).\n"
    )
    for name, function in sorted(module.FUNCTIONS.items()):
        yield f"### {name} {{#gpucnn.{name}}}\n"
        yield f"```{{.python .no-copy}}\n{_signature(name, function)}\n```\n"
        yield _prose(function) + "\n"


def _stands_in_a_file(value: Any) -> bool:
    """Whether a file has the definition as it is; a class whose constructor is made has not."""
    if inspect.isclass(value) and "<locals>" in value.__init__.__qualname__:
        return False
    return "." not in value.__qualname__ and value.__name__ in _defined(value.__module__)


@functools.cache
def _defined(module: str) -> frozenset[str]:
    """The classes and functions that a module's file defines."""
    path = inspect.getsourcefile(importlib.import_module(module))
    tree = ast.parse(Path(path or "").read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))


def _signature(name: str, value: Any) -> str:
    try:
        told = f"{name}{inspect.signature(value)}"
    except ValueError:  # a function of Python's own
        return f"{name}(...)"
    told = told.replace("(self", "(x", 1).replace("gpucnn.tensor.tensor.", "").replace("'Tensor'", "Tensor")
    return told if len(told) <= WIDTH else re.sub(r", (?=\*{0,2}\w+[:=])", ",\n    ", told)


def _prose(value: Any) -> str:
    return inspect.getdoc(value) or ""
