"""CuPy itself, where it is installed, has all that the emulated one offers, under these names: that needs no GPU."""

import inspect
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.emulation import arrays, fake_cupy, pools, streams

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

NOT_CUPYS = {"Any", "Callable", "Sequence", "SimpleNamespace"}  # names that the emulation imports, beside modules
OURS_ALONE = {  # what the emulation has for its tests, or to do its work
    pools.MemoryPool: {"calls"},
    streams.Stream: {"work", "kept", "is_non_blocking"},
    streams.Event: {"moment"},
}
LOADED_LATE = {"cuda.cublas"}  # a library, which is looked for when it is asked for


def parameters(function: Any) -> list[str] | None:
    """The names of a function's parameters, `self` left out; None where they cannot be found out.

    What is compiled from Cython says them in the first line of its documentation, with C types.
    """
    try:
        found = [parameter.name for parameter in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        said = re.match(r"[\w.]+\((.*)\)( ->.*)?$", (function.__doc__ or "").strip().split("\n")[0])
        if not said:
            return None
        found = [re.sub(r"\\?\*+|=.*", "", part).split()[-1:] for part in said[1].split(", ")]
        found = [name for part in found for name in part]
    return [name for name in found if name not in ("self", "/")]


def offered(ours: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every name of the emulated CuPy, with its value, below `path` too."""
    for name, value in vars(ours).items():
        of_python = isinstance(value, types.ModuleType) or name in NOT_CUPYS
        if name.startswith("_") or name == "FUNCTIONS" or of_python:
            continue
        yield path + name, value
        if isinstance(value, types.SimpleNamespace):
            yield from offered(value, f"{path}{name}.")
        elif isinstance(value, type) and value.__module__.startswith("tests."):
            inside = {key: found for key, found in vars(value).items() if key not in OURS_ALONE.get(value, ())}
            yield from offered(types.SimpleNamespace(**inside), f"{path}{name}.")


OFFERED = {**dict(offered(fake_cupy)), **dict.fromkeys(fake_cupy.FUNCTIONS.split())}


def theirs(path: str) -> Any:
    found = cupy
    for name in path.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("path", sorted(OFFERED.keys() - LOADED_LATE))
def test_cupy_has_the_name(path):
    theirs(path)


def test_cupys_graphs_have_the_names_of_ours():
    for name in vars(streams.Graph):
        assert name.startswith("_") or hasattr(cupy.cuda.graph.Graph, name)


def ours_by_path() -> dict[str, Callable[..., Any]]:
    """The emulation's own functions, methods and classes; those it takes from NumPy are judged below."""
    numpys = {"ndarray", *(f"ndarray.{name}" for name in arrays._METHODS.split())}
    return {
        path: value
        for path, value in OFFERED.items()
        if isinstance(value, types.FunctionType | type) and value.__module__ != "numpy" and path not in numpys
        if not (isinstance(value, type) and issubclass(value, Exception))
    }


@pytest.mark.parametrize("path", sorted(ours_by_path()))
def test_its_parameters_are_called_as_ours(path):
    """Ours are some of them; those that may be given by position stand in the same places."""
    known, signature = parameters(theirs(path)), inspect.signature(ours_by_path()[path])
    if known is None:
        pytest.skip(f"{path} does not say its parameters")
    any_number = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    ours = [each for each in signature.parameters.values() if each.name != "self" and each.kind not in any_number]
    for position, parameter in enumerate(ours):
        assert parameter.name in known, (parameter.name, known)
        if parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            assert known[position] == parameter.name, known


@pytest.mark.parametrize("name", sorted([*fake_cupy.FUNCTIONS.split(), *arrays._METHODS.split()]))
def test_keywords_of_numpys_functions_that_cupys_have_not_are_refused(name):
    kinds = [(np, cupy)] * (name in fake_cupy.FUNCTIONS.split())
    kinds += [(np.ndarray, cupy.ndarray)] * (name in arrays._METHODS.split())
    for numpys, cupys in kinds:
        function = getattr(numpys, name)
        known, asked = parameters(getattr(cupys, name)), parameters(function)
        if asked is None or known is None or {"args", "kwargs"} & {*asked, *known} - {"kwargs"}:
            continue
        first = 2 if isinstance(function, np.ufunc) else 0  # what a ufunc computes with is given by position
        assert set(asked[first:]) - {"out", "kwargs"} <= {*known, *arrays.refused(function)}, (numpys, known)
