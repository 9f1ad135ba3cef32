"""Who runs it: each library, in each of its forms."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Contestant:
    """A library in one form. `module` of this package computes in it; `environment` is set for its process.

    For the estimate: the seconds of a process that are not steps, and those that its first one takes beyond them.
    """

    name: str
    title: str
    module: str
    form: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    start_seconds: float = 0.5
    once_seconds: float = 0.0
    trains: bool = True  # else it knows inference alone


OURS, PYTORCH = "with_gpucnn", "with_torch"
_NUMPY, _ONE, _ONE_OMP = {"GPUCNN_KERNELS": "numpy"}, {"GPUCNN_THREADS": "1"}, {"OMP_NUM_THREADS": "1"}

CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("gpucnn", "gpucnn", OURS),
        Contestant("gpucnn-1", "gpucnn, 1 thread", OURS, environment=_ONE),
        Contestant("gpucnn-by-hand", "gpucnn, by hand", OURS, "by-hand"),
        Contestant("gpucnn-numpy", "gpucnn, NumPy", OURS, environment=_NUMPY),
        Contestant("gpucnn-numpy-1", "gpucnn, NumPy, 1 thread", OURS, environment=_NUMPY | _ONE),
        Contestant("torch", "PyTorch, eager", PYTORCH, "eager", start_seconds=2),
        Contestant("torch-channels-last", "PyTorch, channels-last", PYTORCH, "channels-last", start_seconds=2),
        Contestant("torch-compiled", "PyTorch, compiled", PYTORCH, "compiled", start_seconds=6, once_seconds=15),
        Contestant("torch-1", "PyTorch, eager, 1 thread", PYTORCH, "eager", _ONE_OMP, start_seconds=2),
        Contestant("jax", "JAX, jit", "with_jax", start_seconds=4),
        Contestant("onnxruntime", "ONNX Runtime", "with_onnxruntime", start_seconds=4, trains=False),
        Contestant("openvino", "OpenVINO, float32", "with_openvino", start_seconds=5, trains=False),
    )
}
# Left out of a contestant's process: the choice is the contestant's own.
CHOSEN_HERE = ("GPUCNN_KERNELS", "GPUCNN_THREADS", "GPUCNN_DEBUG_MEMORY", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ON_THE_CPU = {"GPUCNN_DEVICE": "cpu", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
