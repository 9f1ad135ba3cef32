"""CuPy's arrays over NumPy's memory, with CuPy's refusals: nothing comes from or goes to the host unasked.

Results come in C order and filled in full, copies from the host and those asked for in order K as they lay; reductions
are arrays of no axes. While a stream captures nothing is computed: each launch of the graph fills the results' memory.
"""

import functools
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.emulation import pools, streams

WRITES_TO_ITS_FIRST = (np.copyto, np.put_along_axis)
SCALARS = (bool, int, float, complex, np.generic)
_owners: "weakref.WeakValueDictionary[int, ndarray]" = weakref.WeakValueDictionary()  # arrays that are no views
# Keywords of NumPy's functions that CuPy's have not, in any function, in ufuncs, and in some.
REFUSED = {"where", "initial", "subok", "like", "device", "signature", "mean", "correction", "stable"}
REFUSED_BY_UFUNCS = {"order"}
REFUSED_BY = {
    "arange": {"start_or_stop"},
    "clip": {"min", "max"},
    "concatenate": {"arrays"},
    "count_nonzero": {"keepdims"},
    "flip": {"m"},
    "reshape": {"shape"},
    "stack": {"arrays"},
    "take": {"mode"},
    "take_along_axis": {"arr"},
    "ndarray.argsort": {"order"},
    "ndarray.dot": {"other"},
    "ndarray.take": {"mode"},
}
ALLOWED = {"copyto": {"where"}}
ON_CUBLAS = {"matmul", "dot", "vdot", "tensordot", "einsum", "inner", "outer"}


class ndarray:  # noqa: N801 (CuPy's name)
    """What cupy.ndarray does, as far as gpucnn asks for it."""

    __array_priority__ = 100

    def __init__(self, shape: Any, dtype: Any = float, memory: np.ndarray | None = None, base: Any = None) -> None:
        self._host = _garbage(np.empty(shape, dtype)) if memory is None else memory
        self.base = base
        if base is None:
            self._block = pools.alloc(self._host.nbytes)
            _owners[id(self)] = self
            streams.keep_with_graph(self)

    # --- what it is ---------------------------------------------------------------------------------------------------

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    size = property(lambda self: self._host.size)
    ndim = property(lambda self: self._host.ndim)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    data = property(lambda self: SimpleNamespace(ptr=self._host.ctypes.data))
    device = property(lambda self: SimpleNamespace(id=0))
    T = property(lambda self: self.transpose())

    @property
    def flags(self) -> SimpleNamespace:
        """Those that CuPy's arrays have."""
        names = ("c_contiguous", "f_contiguous", "owndata")
        return SimpleNamespace(**{name: getattr(self._host.flags, name) for name in names})

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "version": 3}

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator["ndarray"]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"emulated {self._host!r}"

    # --- to and from the host -----------------------------------------------------------------------------------------

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def get(self, stream: Any = None, order: str = "C", out: np.ndarray | None = None, blocking: bool = True) -> Any:
        """A copy on the host; into `out`, which is as this is, where it is given."""
        streams.synchronise("a copy to the host")
        if out is None:
            return np.array(self._host, order=order)
        if out.dtype != self.dtype:
            raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
        if out.shape != self.shape:
            raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}")
        if not (out.flags.c_contiguous or out.flags.f_contiguous):
            raise RuntimeError("`out` cannot be specified when copying to non-contiguous ndarray")
        np.copyto(out, self._host)
        return out

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        """Fill this with what the host has, of the same shape and dtype."""
        streams.refuse_during_capture("a copy from the host")
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        self._host[...] = arr

    def item(self) -> Any:
        """The one element, on the host."""
        streams.synchronise("a copy to the host")
        return self._host.item()

    def tolist(self) -> Any:
        """Lists, on the host."""
        return self.get().tolist()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __reduce__(self) -> tuple[Any, ...]:
        return from_host, (self.get(),)

    def __deepcopy__(self, _: object) -> "ndarray":
        return self.copy()

    __hash__ = None  # type: ignore[assignment]

    # --- elements -----------------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> "ndarray":
        return compute(_item, self, _index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        there, memory = _index(index), self._host
        call = functools.partial(_silently, memory.__setitem__, _plain(there), _plain(value))
        streams.put(call, owners(self, there, value))

    def fill(self, value: Any) -> None:
        """Every element becomes the value."""
        self[...] = value

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> "ndarray":
        """Converted; without `copy` itself where nothing changes."""
        if not copy and self.dtype == dtype:
            return self
        return compute(lambda x: x.astype(dtype, order), self, kept_order=True)

    def copy(self, order: str = "C") -> "ndarray":
        """Memory of its own."""
        return compute(lambda x: x.copy(order), self, kept_order=True)

    # --- functions as methods, and operators --------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method != "__call__":
            raise NotImplementedError(f"CuPy has no numpy.{ufunc.__name__}.{method}")
        return compute(ufunc, *inputs, **keywords)

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Any, keywords: Any) -> Any:
        return compute(function, *arguments, **keywords)


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)
    return lambda self, *arguments, **keywords: compute(function, self, *arguments, **keywords)


_METHODS = """
    reshape transpose swapaxes squeeze ravel flatten view diagonal repeat sum prod max min mean var std all any
    argmax argmin argsort cumsum clip round dot nonzero
"""
for _name in _METHODS.split():
    setattr(ndarray, _name, _method(_name))


def _operator(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)

    def operate(self: ndarray, *others: Any) -> Any:
        if any(isinstance(other, (ndarray, *SCALARS)) for other in others) or not others:
            return compute(function, self, *others)
        if any(isinstance(other, np.ndarray) for other in others):
            raise TypeError(f"Unsupported type {np.ndarray}")
        return NotImplemented

    return operate


def _in_place(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)

    def operate(self: ndarray, other: Any) -> ndarray:
        streams.put(functools.partial(_silently, function, self._host, _plain(other)), owners(self, other))
        return self

    return operate


_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
_OTHERS = "eq ne lt le gt ge neg pos abs invert"
for _name in _BINARY.split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _operator(f"__r{_name}__"))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in _OTHERS.split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


# --- how functions are computed ---------------------------------------------------------------------------------------


def wrapped(memory: np.ndarray) -> ndarray:
    """An array on the device that is this very memory."""
    return ndarray(None, memory=memory)


def host_memory(array: ndarray) -> np.ndarray:
    """The memory of an array on the device: for the emulation alone."""
    return array._host


def owner_of(address: int) -> ndarray:
    """The array in whose memory an address lies. Raises AssertionError where there is none."""
    for array in list(_owners.values()):
        if array.data.ptr <= address < array.data.ptr + array.nbytes:
            return array
    raise AssertionError(f"no array is at {address:#x}")


def owners(*values: Any) -> Iterator[ndarray]:
    """The arrays whose memory the arrays among `values`, or in tuples and lists of them, are or lie in."""
    for value in values:
        if isinstance(value, ndarray):
            yield value if value.base is None else value.base
        elif isinstance(value, tuple | list):
            yield from owners(*value)


def from_host(array: Any, dtype: Any = None) -> ndarray:
    """A copy on the device; Fortran order stays, any other becomes C. Raises ValueError for an unfit dtype."""
    streams.refuse_during_capture("a copy from the host")
    lies = "F" if isinstance(array, np.ndarray) and array.flags.fnc else "C"
    memory = np.array(array, dtype, order=lies)
    if memory.dtype.kind not in "biufc" or memory.dtype.itemsize > 16 or not memory.dtype.isnative:
        raise ValueError(f"Unsupported dtype {memory.dtype}")
    return wrapped(memory)


def compute(function: Callable[..., Any], *arguments: Any, kept_order: bool = False, **keywords: Any) -> Any:
    """One of NumPy's functions, of arrays on the device.

    Raises TypeError for arrays on the host and for keywords that CuPy's function has not, and NotImplementedError for
    what cuBLAS would do while a stream captures.
    """
    if streams.recording() and function.__name__.strip("_").removeprefix("r") in ON_CUBLAS:
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    if unknown := keywords.keys() & refused(function):
        raise TypeError(f"{function.__name__}() got an unexpected keyword argument {min(unknown)!r}")
    plain, options = [_plain(argument) for argument in arguments], {k: _plain(v) for k, v in keywords.items()}
    out = keywords.get("out")
    call = functools.partial(_silently, function, *plain, **options)
    uses = owners(*arguments, *keywords.values())
    if function in WRITES_TO_ITS_FIRST or function.__name__ == "at":
        streams.put(call, uses)
        return None
    if out is not None:
        streams.put(call, uses)
        return out[0] if isinstance(out, tuple) else out
    result, sources = call(), list(uses)
    if isinstance(result, tuple | list):
        parts = [functools.partial(_part, call, index) for index in range(len(result))]
        return type(result)(_result(*both, sources, kept_order) for both in zip(result, parts, strict=True))
    return _result(result, call, sources, kept_order)


def refused(function: Callable[..., Any]) -> set[str]:
    """The keywords of a NumPy function that CuPy's of that name has not."""
    name = function.__qualname__
    of_its_kind = REFUSED_BY_UFUNCS if isinstance(function, np.ufunc) else REFUSED_BY.get(name, set())
    return (REFUSED | of_its_kind) - ALLOWED.get(name, set())


def _part(call: Callable[[], Any], index: int) -> Any:
    return call()[index]


def _result(result: Any, call: Callable[[], Any], sources: list[ndarray], kept_order: bool) -> Any:
    """A view of the first of `sources`; or memory, filled now, or by every launch of the graph that is captured."""
    if not isinstance(result, np.ndarray | np.generic):
        return result
    if sources and isinstance(result, np.ndarray) and np.may_share_memory(result, sources[0]._host):
        return ndarray(None, memory=result, base=sources[0])
    memory = np.asarray(result, order=None if kept_order else "C")
    if streams.recording():
        _garbage(memory)
        streams.put(lambda: np.copyto(memory, call()), sources)
    return wrapped(memory)


def _silently(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """A GPU warns of nothing."""
    with np.errstate(all="ignore"):
        return function(*arguments, **keywords)


def _item(array: np.ndarray, index: Any) -> Any:
    """As CuPy has it: indices that lie outside wrap around, whatever they are."""
    if isinstance(index, np.ndarray) and index.dtype.kind in "iu" and len(array):
        return array[index % len(array)]
    return array[index]


def _take(array: np.ndarray, indices: Any, axis: int | None = None) -> Any:
    """As `_item`, along an axis."""
    length = array.size if axis is None else array.shape[axis]
    return np.take(array, indices % length if length else indices, axis)


def _take_method(self: ndarray, indices: Any, axis: int | None = None) -> Any:
    return compute(_take, self, indices, axis=axis)


ndarray.take = _take_method


def _plain(value: Any) -> Any:
    """What NumPy computes with in its stead; raises TypeError for an array on the host."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {np.ndarray}")
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    return value


def _index(index: Any) -> Any:
    """An index; parts on the host are copied to the device, masks need the host to count."""
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    if isinstance(index, np.ndarray | list):
        return from_host(index)
    if isinstance(index, ndarray) and index.dtype == bool:
        streams.synchronise("an index of truth values")
    return index


def _garbage(memory: np.ndarray) -> np.ndarray:
    """Filled with NaN, or with the largest whole number."""
    if memory.dtype.kind in "fc":
        memory.fill(np.nan)
    elif memory.dtype.kind in "iu":
        memory.fill(np.iinfo(memory.dtype).max)
    elif memory.dtype.kind == "b":
        memory.fill(True)
    return memory
