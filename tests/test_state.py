"""State that outlives a call: every mutable global, thread-local and cache is listed here, with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gpucnn

PACKAGE = Path(gpucnn.__file__).parent
SAME_EVERY_STEP = "integers from integers, which every training step needs again"
STATE = {
    "backend._allocator": "who makes arrays while a thread captures a step on the CPU",
    "backend._current": "the device of new arrays, as set by set_device",
    "backend._kept": "the pool of unused memory, from which `empty` takes",
    "backend.fill_with_nan": "a debugging switch, read from the environment once",
    "backend.why_no_gpu": "the answer takes a computation on the GPU",
    "config.schema.json_schema": "made from the code alone, slowly",
    "config.overrides._text_options": "found by a walk over the whole schema, for every override again",
    "data.resident.indices": "one epoch's order, which several captured parts of it need; belongs to a Resident",
    "data.table._ends": "derived from the table's other fields, which do not change; belongs to a Table",
    "data.elastic.smoothing": "the matrices that smooth displacements, the same for every image of a size",
    "functional.convolution.check_linear": SAME_EVERY_STEP,
    "functional.convolution.convolution_window": SAME_EVERY_STEP,
    "functional.loss._are_rows": SAME_EVERY_STEP,
    "functional.pooling.pooling_window": SAME_EVERY_STEP,
    "functional.activation.ACTIVATIONS": "the registry of activations, filled while files are imported",
    "generators._drawing": "a captured step's seed, for the kernels called in it; per thread, as each runs its own",
    "generators.generator": "the process's generator, whose state a checkpoint holds",
    "geometry.output_sizes": SAME_EVERY_STEP,
    "geometry.padded_places": SAME_EVERY_STEP,
    "geometry.split": SAME_EVERY_STEP,
    "geometry.unpadded_places": SAME_EVERY_STEP,
    "parallel.communicator._now": "the processes that share the batch under way; per thread, as each runs its own step",
    "parallel.interlude._recording": "who takes the interludes of captured work; per thread, as each captures its own",
    "report.predictions.classification": "of labels and probabilities, which do not change; belongs to Predictions",
    "report.predictions.predicted": "asked for every image that a page describes; belongs to Predictions",
    "runs.saved.pipeline": "that of a run of 0.1.0 takes building its network; belongs to a SavedRun",
    "tensor.function._counter": "numbers Functions in the order they ran, over all threads",
    "tensor.function._mode": "whether operations are recorded; per thread: one may evaluate while another trains",
    "tensor.methods.register.METHODS": "the table of Tensor's methods, filled while the file is imported",
    "tensor.quiet._quiet": "a context where NumPy's warnings are off; per thread: none can be entered twice",
    "training.loss_weights._weights": "the same weights on the device in every step, so that a captured one finds them",
    "threads._blas": "how many threads are inside one_blas_thread, since BLAS's setting is the process's",
    "threads._libraries": "the BLAS libraries that are loaded, found by a slow search; belongs to `_blas`",
    "threads._pool": "the queue of the pool's threads, which start with the first job",
    "threads._pool_lock": "lets one thread start the pool",
    "threads.thread_count": "the environment and the machine, read once",
}
CACHES = ("cache", "lru_cache", "cached_property")
FACTORIES = ("local", "_Mode", "count", "defaultdict", "dict", "list", "set", "SimpleQueue", "Lock")


def found(path: Path) -> Iterator[str]:
    """The names of state in a file: mutable objects at its top level, caches, what functions assign to."""
    tree = ast.parse(path.read_bytes())
    held = dict(pair for node in tree.body for pair in _assigned(node))
    yield from (name for name, value in held.items() if name.islower() and _is_mutable(value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.FunctionDef):
            yield from (name.value.id for name in _subscripted(node) if name.value.id in held)
            if any(_called(decorator) in CACHES for decorator in node.decorator_list):
                yield node.name
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Call) and _called(node.func) in CACHES:
            yield ast.unparse(node.args[0]).rpartition(".")[2]


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a statement assigns to, and what it assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = (target.id for target in targets if isinstance(target, ast.Name))
    yield from ((name, getattr(node, "value", None)) for name in names if not name.startswith("__"))


def _subscripted(function: ast.FunctionDef) -> Iterator[ast.Subscript]:
    """What a function assigns to by name[key] = value."""
    for node in ast.walk(function):
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                yield target


def _called(node: ast.AST) -> str:
    """The last part of a (called) name: `lru_cache` of @functools.lru_cache(maxsize=8)."""
    return ast.unparse(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2]


def _is_mutable(value: ast.AST | None) -> bool:
    made = isinstance(value, ast.Call) and _called(value).partition("[")[0] in FACTORIES
    switch = isinstance(value, ast.Compare)
    return made or switch or isinstance(value, ast.Dict | ast.List | ast.Set)


def test_state_is_listed_with_its_reason() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if "kernels" not in path.relative_to(PACKAGE).parts[:1]]
    names = {
        ".".join((*path.relative_to(PACKAGE).with_suffix("").parts, name)) for path in files for name in found(path)
    }
    assert names == set(STATE)
