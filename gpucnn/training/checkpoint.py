"""States and weights in safetensors files: no pickle, whole or absent, the same bytes for the same content.

A checkpoint is one file. Its arrays are the tensors `model.<name>` and `optimizer.<name>`, and `average.<name>` where
weights are averaged.
Everything else is one JSON text in the file's metadata.

Every file has a checksum in its metadata: SHA-256 of the tensors' bytes and of the header without the checksum. A file
that it does not match is refused. Files without one, such as PyTorch's, are taken as they are.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from gpucnn.errors import CheckpointError
from gpucnn.files import atomic_write
from gpucnn.nn import Module

VALUES_KEY, CHECKSUM_KEY = "gpucnn", "gpucnn.sha256"  # of the metadata
METADATA = "__metadata__"  # safetensors' name for it, in the header
ALIGNMENT, LENGTH = 8, 8  # bytes: a header is padded to multiples of the first; the second is its length field
PIECE = 2**20  # bytes read at a time
MODEL, AVERAGE, OPTIMIZER = "model.", "average.", "optimizer."  # prefixes of a checkpoint's tensors
MAX_HEADER = 16 * 2**20  # bytes: names and shapes of far more tensors than any network here has
DTYPES = {"float32": "F32", "float64": "F64", "int64": "I64"}  # NumPy's names: safetensors'
BF16 = "BF16"
MAX_NAMED = 8  # differences named in one message

Layout = tuple[tuple[int, ...], str]  # shape, safetensors' dtype


@dataclass(frozen=True)
class State:
    """Arrays by name, and values fit for JSON: everything needed to resume."""

    tensors: dict[str, np.ndarray]
    values: dict[str, Any]


def save_state(path: Path | str, state: State, keep: Path | None = None) -> None:
    """Write `state` to `path`, whole or not at all; `keep` becomes the name of the file that was there.

    Raises OSError, for example for a full disk.
    """
    atomic_write(path, _encode(state.tensors, {VALUES_KEY: _to_json(state.values)}), keep)


def load_state(path: Path | str, like: Mapping[str, np.ndarray]) -> State:
    """The state in `path`, whose tensors must have exactly the names, shapes and dtypes of `like`.

    That is checked before any tensor is loaded, so a file takes no more memory than `like`.
    Raises CheckpointError for a file that is damaged, truncated, not of this kind, or of another network.
    """
    with _opened(path) as file:
        text = (file.metadata() or {}).get(VALUES_KEY)
        if text is None:
            raise CheckpointError(f"{path} is no checkpoint of gpucnn: it holds no state beside its tensors")
        values = _from_json(text, path)
        _check_fit(path, _layouts(file), like, _same_dtype)
        return State({name: file.get_tensor(name) for name in like}, values)


def save_weights(path: Path | str, weights: Mapping[str, np.ndarray]) -> None:
    """Write a network's `state_dict()` to `path`, whole or not at all, under the names PyTorch uses."""
    atomic_write(path, _encode(weights, {}))


def read_weights(path: Path | str, like: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights in `path`, a weights file or a checkpoint, for a network whose `state_dict()` is `like`.

    Names and shapes must be the network's; floating numbers may be of any precision in the file, PyTorch's float16 and
    bfloat16 too, which is read as float32. Raises CheckpointError for a file that is damaged, truncated, not of this
    kind, or of another network.
    """
    with _opened(path) as file:
        prefix = _prefix(file)
        layouts = {name: layout for name, layout in _layouts(file).items() if name.startswith(prefix)}
        _check_fit(path, layouts, {prefix + name: array for name, array in like.items()}, like_dtype)
        return {name: _tensor(path, file, prefix + name) for name in like}


def weight_layouts(path: Path | str) -> dict[str, Layout]:
    """The shape and safetensors' dtype of each of a network's tensors in `path`, a weights file or a checkpoint.

    Raises CheckpointError for a file that is damaged, cut short or of another kind.
    """
    with _opened(path) as file:
        prefix = _prefix(file)
        layouts = _layouts(file).items()
        return {name.removeprefix(prefix): layout for name, layout in layouts if name.startswith(prefix)}


def read_some_weights(path: Path | str, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of a network's tensors in `path`; see `weight_layouts` for their names. Raises CheckpointError."""
    with _opened(path) as file:
        return {name: _tensor(path, file, _prefix(file) + name) for name in names}


def load_weights(path: Path | str, net: Module) -> None:
    """Copy the weights in `path`, a weights file or a checkpoint, into `net`. Raises as `read_weights` does."""
    net.load_state_dict(read_weights(path, net.state_dict()))


def check_tensors(what: str, tensors: Mapping[str, np.ndarray], like: Mapping[str, np.ndarray]) -> None:
    """Raise CheckpointError unless `tensors`, those of `what`, have exactly the names, shapes and dtypes of `like`."""
    layouts = {name: (array.shape, DTYPES.get(array.dtype.name, array.dtype.name)) for name, array in tensors.items()}
    _check_fit(what, layouts, like, _same_dtype)


def read_tensors(path: Path | str, max_bytes: int = 2**28) -> dict[str, np.ndarray]:
    """All tensors of a file of at most `max_bytes`, whatever their names and shapes.

    Raises CheckpointError for a file that is damaged, cut short, larger or of another kind.
    """
    with _opened(path) as file:
        if (size := Path(path).stat().st_size) > max_bytes:
            raise CheckpointError(f"{path} has {size} bytes; expected at most {max_bytes}")
        unknown = {dtype for _, dtype in _layouts(file).values()} - set(DTYPES.values())
        if unknown:
            raise CheckpointError(f"{path} holds {min(unknown)} numbers; expected {', '.join(DTYPES.values())}")
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the file is no mapping


def _encode(tensors: Mapping[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """The file's bytes, the checksum among them.

    Arrays are copied to C order, since safetensors 0.8.0 writes others wrongly. The header's keys are sorted here:
    safetensors keeps metadata in an unordered map, and equal states are to make equal files.
    """
    contiguous = {name: np.array(array, order="C") for name, array in tensors.items()}
    content = memoryview(safetensors.numpy.save(contiguous, metadata))
    end = LENGTH + int.from_bytes(content[:LENGTH], "little")
    layouts, body = json.loads(bytes(content[LENGTH:end])), content[end:]
    layouts.pop(METADATA, None)
    digest = _digest(layouts, metadata)
    digest.update(body)
    text = _to_json({**layouts, METADATA: {**metadata, CHECKSUM_KEY: digest.hexdigest()}}).encode()
    text = text.ljust(-(-len(text) // ALIGNMENT) * ALIGNMENT)
    return b"".join([len(text).to_bytes(LENGTH, "little"), text, body])


def _digest(layouts: Mapping[str, Any], metadata: Mapping[str, str]) -> "hashlib._Hash":
    """The checksum of a header, whatever its spacing and order; the caller adds the tensors' bytes."""
    return hashlib.sha256(_to_json({"tensors": layouts, "metadata": metadata}).encode())


def _check_sum(path: Path, size: int) -> None:
    """Raise CheckpointError if `path`, whose header has `size` bytes, has a checksum that does not match."""
    with path.open("rb") as file:
        file.seek(LENGTH)
        layouts = _layouts_in(file.read(size), path)
        metadata = layouts.pop(METADATA, {})
        expected = metadata.pop(CHECKSUM_KEY, None)
        if expected is None:
            return
        digest = _digest(layouts, metadata)
        while piece := file.read(PIECE):
            digest.update(piece)
    if digest.hexdigest() != expected:
        raise CheckpointError(
            f"{path} is damaged: its bytes do not match its checksum, so it was changed after it was saved; "
            "give another copy"
        )


def _layouts_in(text: bytes, path: Path) -> dict[str, Any]:
    """A header, which safetensors has already taken for one."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: its header is no JSON ({error}); give another copy") from None


def _to_json(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _from_json(text: str, path: Path | str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: the state beside its tensors is no JSON ({error})") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is damaged: the state beside its tensors is no JSON object")
    return values


@contextlib.contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    """The safetensors file `path`, checked against its length and its checksum; its tensors are not loaded yet."""
    path = Path(path)
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise CheckpointError(f"{path} {what}; expected a safetensors file that gpucnn or another program saved")
    with path.open("rb") as start:
        header = int.from_bytes(start.read(LENGTH), "little")
    if header > MAX_HEADER:
        raise CheckpointError(f"{path} is no safetensors file: its header would take {header} bytes; give another copy")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            _check_sum(path, header)
            yield file
    except safetensors.SafetensorError as error:
        reason = str(error).removeprefix("Error while deserializing header: ")
        raise CheckpointError(
            f"{path} is damaged, cut short or no safetensors file ({reason}); give another copy"
        ) from None


def _prefix(file: Any) -> str:
    """What the names of a network's tensors in an open file begin with: of averaged weights, where there are some."""
    if VALUES_KEY not in (file.metadata() or {}):
        return ""
    return AVERAGE if any(name.startswith(AVERAGE) for name in file.keys()) else MODEL  # noqa: SIM118 - no mapping


def _layouts(file: Any) -> dict[str, Layout]:
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - the file is no mapping
    return {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}


def _tensor(path: Path | str, file: Any, name: str) -> np.ndarray:
    """A tensor of an open file; bfloat16, which NumPy lacks, as float32, of which it is the upper half."""
    if file.get_slice(name).get_dtype() != BF16:
        return file.get_tensor(name)
    with Path(path).open("rb") as raw:
        header = int.from_bytes(raw.read(LENGTH), "little")
        layout = _layouts_in(raw.read(header), Path(path))[name]
        start, stop = layout["data_offsets"]
        raw.seek(LENGTH + header + start)
        halves = np.frombuffer(raw.read(stop - start), "<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(layout["shape"])


def _same_dtype(dtype: np.dtype) -> tuple[str, ...]:
    return (DTYPES[dtype.name],)


def like_dtype(dtype: np.dtype) -> tuple[str, ...]:
    """The dtypes of safetensors that become `dtype`."""
    return ("F32", "F64", "F16", BF16) if dtype.kind == "f" else (DTYPES[dtype.name],)


def _check_fit(
    what: Path | str,
    layouts: Mapping[str, Layout],
    like: Mapping[str, np.ndarray],
    accepted: Callable[[np.dtype], tuple[str, ...]],
) -> None:
    """Raise CheckpointError that names every difference between the file's tensors and `like`."""
    faults = [f"{name} is missing" for name in like if name not in layouts]
    faults += [f"{name!r:.80} {shape} is not expected" for name, (shape, _) in layouts.items() if name not in like]
    for name in [name for name in like if name in layouts]:
        shape, dtype = layouts[name]
        if shape != like[name].shape:
            faults.append(f"{name} has shape {shape}, expected {like[name].shape}")
        elif dtype not in (dtypes := accepted(like[name].dtype)):
            faults.append(f"{name} is {dtype}, expected {' or '.join(dtypes)}")
    if faults:
        more = f"; and {len(faults) - MAX_NAMED} more" if len(faults) > MAX_NAMED else ""
        raise CheckpointError(
            f"{what} does not fit this network: {'; '.join(faults[:MAX_NAMED])}{more}. "
            "Give the configuration that it was trained with, or another file"
        )
