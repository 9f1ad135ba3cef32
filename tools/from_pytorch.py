"""Write docs/from_pytorch.md: the programs of docs/from_pytorch/ side by side, and what PyTorch's names are here.

    python tools/from_pytorch.py

Each program is a file with the functions `ours` and `theirs`; a test runs both and compares what they return.
"""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
if importlib.util.find_spec("gpucnn") is None:
    sys.path.insert(0, str(ROOT))

import gpucnn  # noqa: E402
from gpucnn import Tensor, nn, optim  # noqa: E402
from gpucnn.tensor.absent import ABSENT  # noqa: E402

PAGE, PROGRAMS = ROOT / "docs" / "from_pytorch.md", ROOT / "docs" / "from_pytorch"

# PyTorch's most used names, by the place where it has them.
NAMES = {
    "Tensor": (
        "abs add all any amax argmax argmin backward bool chunk clamp clone contiguous copy_ cpu cuda cumsum data "
        "detach device dim div dtype eq exp expand fill_ flatten float gather grad item log long masked_fill "
        "matmul max mean min mul norm numel numpy permute pow prod repeat requires_grad requires_grad_ reshape "
        "scatter_ shape sigmoid size softmax sort split sqrt squeeze std sub sum T t to tolist topk transpose "
        "unbind unsqueeze var view zero_"
    ),
    "torch": (
        "arange as_tensor cat compile einsum exp eye from_numpy full linspace load log manual_seed matmul max "
        "maximum mean no_grad ones ones_like rand randint randn randperm save stack sum tensor where zeros "
        "zeros_like"
    ),
    "nn": (
        "AdaptiveAvgPool2d AvgPool2d BCEWithLogitsLoss BatchNorm1d BatchNorm2d Conv1d Conv2d Conv3d "
        "ConvTranspose2d CrossEntropyLoss Dropout Dropout2d Embedding Flatten GELU GRU GroupNorm Identity L1Loss "
        "LSTM LayerNorm LeakyReLU Linear LogSoftmax MSELoss MaxPool2d Module ModuleDict ModuleList "
        "MultiheadAttention NLLLoss Parameter ParameterList ReLU Sequential Sigmoid SiLU Softmax Tanh Upsample "
        "ZeroPad2d"
    ),
    "functional": (
        "adaptive_avg_pool2d avg_pool2d batch_norm binary_cross_entropy_with_logits conv1d conv2d conv3d "
        "cross_entropy dropout embedding gelu interpolate l1_loss layer_norm leaky_relu linear log_softmax "
        "max_pool2d mse_loss nll_loss normalize pad relu sigmoid silu smooth_l1_loss softmax tanh"
    ),
    "Module": (
        "add_module apply astype buffers children cpu cuda double eval float forward load_state_dict modules "
        "named_buffers named_children named_modules named_parameters parameters register_buffer "
        "register_forward_hook register_forward_pre_hook register_full_backward_hook register_parameter "
        "requires_grad_ state_dict to train zero_grad"
    ),
    "Optimizer": ("add_param_group load_state_dict param_groups register_step_post_hook state_dict step zero_grad"),
    "optim": ("SGD Adam AdamW RMSprop Muon LBFGS lr_scheduler clip_grad_norm_ clip_grad_value_"),
}
# What is here and means something else, or takes other arguments.
OTHER = {
    "Tensor": {
        "data": "the same; what is written there is noticed by a backward that needs it",
        "device": "a text, cpu or cuda:0",
        "dtype": "NumPy's",
        "grad": "a Tensor in memory that the next backward uses again: copy what you keep",
        "numpy": "a copy, also of a Tensor with a gradient",
        "shape": "a tuple",
        "size": "the number of elements; size() and size(dim) as PyTorch's",
        "to": "takes a dtype of NumPy, or a device, which becomes the current one",
        "max": "max(dim) takes no tuple: amax(dims)",
        "reshape": "a change in place of a reshape of a transposed Tensor raises",
        "view": "as reshape; a dtype is not taken",
    },
    "torch": {
        "as_tensor": "copies",
        "from_numpy": "copies",
        "load": "opens a run's folder; a file: gpucnn.load_into(net, path)",
        "save": "gpucnn.save(net, path): a network, an optimizer or a Trainer, in safetensors",
        "einsum": "one letter for each axis, each once in an operand",
        "manual_seed": "another generator: other numbers of a seed",
    },
    "nn": {
        "CrossEntropyLoss": "options by name: reduction, label_smoothing",
        "Module": "super().__init__() is not needed; lists and dicts of modules are found",
        "Conv2d": "no padding_mode: ReflectionPad2d before it; init names the initial weights",
        "Softmax": "dim is 1 by default",
        "LogSoftmax": "dim is 1 by default",
    },
    "functional": {
        "cross_entropy": "no weight and ignore_index; reduction and label_smoothing",
        "softmax": "dim is 1 by default",
        "log_softmax": "dim is 1 by default",
        "pad": 'mode "zeros", "replicate" or "reflect"',
    },
    "Module": {
        "astype": 'instead of to(dtype): "float32" or "float64"',
        "state_dict": "arrays of NumPy, live ones by named_state()",
        "to": "a device, which becomes the current one",
    },
    "Optimizer": {"zero_grad": "always to None", "step": "takes no closure"},
    "optim": {
        "SGD": "options behind momentum by name; no dampening",
        "clip_grad_norm_": "is in nn.utils in PyTorch",
        "clip_grad_value_": "is in nn.utils in PyTorch",
    },
}
PLACES = {
    "Tensor": (Tensor, "Tensor"),
    "torch": (gpucnn, "gpucnn (torch)"),
    "nn": (nn, "nn"),
    "functional": (gpucnn.functional, "functional"),
    "Module": (nn.Module, "nn.Module"),
    "Optimizer": (optim.SGD, "Optimizer"),
    "optim": (optim, "optim"),
}
LATER = {"grad", "requires_grad", "param_groups", "shape", "dtype", "data"}  # attributes of instances


def status(place: str, name: str) -> tuple[str, str]:
    """Whether a name of PyTorch is "the same", "other" or "absent" here; and how, or what to use."""
    if name in ABSENT.get(place, {}):
        return "absent", ABSENT[place][name]
    if name in OTHER.get(place, {}):
        return "other", OTHER[place][name]
    return "the same", ""


def present(place: str, name: str) -> bool:
    """Whether gpucnn has the name."""
    if place == "torch" and name in gpucnn.__all__:
        return True
    return name in LATER or name in dir(PLACES[place][0])


def table(place: str) -> str:
    """The table of one place."""
    names = NAMES[place].split()
    same = [name for name in names if status(place, name)[0] == "the same"]
    rows = [
        f"| `{name}` | {state} | {how} |"
        for name in names
        for state, how in [status(place, name)]
        if state != "the same"
    ]
    title = f"### {PLACES[place][1]}\n\nThe same: {', '.join(f'`{name}`' for name in same)}.\n"
    return title + ("\n| | | |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else "")


def program(name: str) -> ModuleType:
    """The module of one program."""
    spec = importlib.util.spec_from_file_location(f"from_pytorch_{name}", PROGRAMS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names() -> list[str]:
    """The programs, in order."""
    return sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem[0].isdigit())


def sides(name: str) -> str:
    """One program: its title, and both functions."""
    text = (PROGRAMS / f"{name}.py").read_text()
    tree = ast.parse(text)
    parts = {node.name: ast.get_source_segment(text, node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    title = (ast.get_docstring(tree) or "").rstrip(".")
    blocks = [
        f"{head}\n\n```python\n{parts[side]}\n```\n" for head, side in (("gpucnn", "ours"), ("PyTorch", "theirs"))
    ]
    return f"### {title}\n\n" + "\n".join(blocks)


def page() -> str:
    """The whole page."""
    head = (
        "# From PyTorch\n\n<!-- written by tools/from_pytorch.py -->\n\n"
        "gpucnn has PyTorch's names, argument order, layouts of weights and meanings. Where it has something else, it "
        "raises an error that says what to use. The programs below run in both and give the same numbers: losses of 20 "
        "steps agree to 1e-6 in float32, to 1e-10 in float64.\n\n"
        "What lies in memory is batch-last, (C, H, W, N). It is seen in `Tensor.memory` alone; shapes, indices, `data` "
        "and `numpy()` are (N, C, H, W). A Function of your own gets arrays of NumPy or CuPy. NumPy's functions refuse "
        "Tensors, since arrays have no gradient: write `gpucnn.exp(x)` or `x.numpy()`.\n\n## Ten programs\n\n"
    )
    tables = "\n".join(table(place) for place in NAMES)
    return head + "\n".join(map(sides, names())) + "\n## What is here\n\n" + tables


if __name__ == "__main__":
    PAGE.write_text(page())
