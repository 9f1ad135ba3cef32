"""Who runs it on a GPU: each library in each of its forms, once in each precision of multiplication."""

from dataclasses import dataclass

TRAINING, INFERENCE = "training", "inference"
PRECISIONS = {"float32": "float32, TF32 forbidden", "tf32": "TF32 allowed"}
OURS, PYTORCH, JAX = "gpucnn", "PyTorch", "JAX"
MODULES = {OURS: "bench.gpu.with_gpucnn", PYTORCH: "bench.gpu.with_torch", JAX: "bench.gpu.with_jax"}  # that compute


@dataclass(frozen=True)
class Contestant:
    """A library in one form. `kinds` are the steps that it takes."""

    form: str
    title: str
    library: str
    precision: str
    kinds: tuple[str, ...] = (TRAINING, INFERENCE)

    @property
    def name(self) -> str:
        """The name that figures are stored under."""
        return f"{self.form}-{self.precision}"


FORMS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "gpucnn-eager": ("gpucnn, eager", OURS, (TRAINING, INFERENCE)),
    "gpucnn-captured": ("gpucnn, captured", OURS, (TRAINING, INFERENCE)),
    "gpucnn-loader": ("gpucnn, captured, with gather and metrics", OURS, (TRAINING,)),
    "torch-eager": ("PyTorch, eager", PYTORCH, (TRAINING, INFERENCE)),
    "torch-graph": ("PyTorch, CUDA graph", PYTORCH, (TRAINING, INFERENCE)),
    "torch-graph-channels-last": ("PyTorch, CUDA graph, channels-last", PYTORCH, (TRAINING, INFERENCE)),
    "torch-compiled": ("PyTorch, compiled, reduce-overhead", PYTORCH, (TRAINING, INFERENCE)),
    "jax": ("JAX, jit", JAX, (TRAINING, INFERENCE)),
}
CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant(form, title, library, precision, kinds)
        for precision in PRECISIONS
        for form, (title, library, kinds) in FORMS.items()
    )
}
