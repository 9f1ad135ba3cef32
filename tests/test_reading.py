"""What a reader must hold in mind: functions and files of a training step, lines of the core and of the spine."""

import ast
import io
import os
import subprocess
import sys
import tokenize
from pathlib import Path

import gpucnn

PACKAGE = Path(gpucnn.__file__).parent
CORE = (
    "errors.py", "backend.py", "geometry.py", "kernels/*.py", "kernels/numpy/*.py", "tensor/*.py",
    "functional/*.py", "nn/*.py", "optim/*.py", "training/trainer.py", "training/step.py",
    "training/losses.py", "training/state.py",
)  # fmt: skip
BREADTH = (  # PyTorch's many names, each a few lines of the core's operations; no step runs through them
    "tensor/methods/*.py", "tensor/absent.py", "tensor/exchange.py", "functional/more_losses.py", "nn/losses.py",
    "nn/others.py",
)  # fmt: skip
SPINE = (  # in the order in which docs/architecture.md names them
    "tensor/function.py", "functional/convolution.py", "functional/loss.py", "kernels/numpy/conv.py",
    "kernels/numpy/gemm.py", "kernels/numpy/softmax.py", "nn/module.py", "nn/containers.py", "optim/flat.py",
    "optim/optimizers.py", "training/step.py",
)  # fmt: skip

# One step written by hand, as in docs/usage.md, on the NumPy kernels; it has run before, so that tables are filled.
STEP = """
import os, sys
import numpy as np
import gpucnn
from gpucnn import Tensor, nn, optim, functional as F

root = os.path.dirname(gpucnn.__file__) + os.sep
conv, linear = nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.Linear(6 * 14 * 14, 10)
net = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), linear)
optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
images, labels = np.zeros((64, 1, 28, 28), np.float32), np.zeros(64, np.int64)

def step():
    optimizer.zero_grad()
    F.cross_entropy(net(Tensor(images)), labels).backward()
    optimizer.step()

for _ in range(3):
    step()
seen, files = set(), [""]

def called(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(root):
        seen.add((code.co_filename, code.co_qualname))
        if code.co_filename != files[-1]:
            files.append(code.co_filename)

sys.setprofile(called)
step()
sys.setprofile(None)
print(len(seen), len({file for file, _ in seen}), len(files) - 1)
"""


def lines_of_code(path: Path) -> int:
    """Lines that hold code: not blank, no comment alone, no docstring."""
    source = path.read_text()
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            docstrings.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in nothing]
    code = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    return len(code - docstrings)


def test_a_training_step_runs_through_few_functions_and_files() -> None:
    environment = {**os.environ, "GPUCNN_KERNELS": "numpy", "GPUCNN_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    run = subprocess.run([sys.executable, "-c", STEP], env=environment, capture_output=True, text=True, check=True)
    functions, files, moves = map(int, run.stdout.split())
    assert functions <= 85 and files <= 14 and moves <= 130, (functions, files, moves)


def test_the_core_stays_short() -> None:
    """3,800 lines, 770 of PyTorch's in-place changes, views, hooks, state dictionaries and saving.

    And 45 of arithmetic, counting and memory by kernels, so that a step on the CPU can be captured.

    90 more are of processes that share a batch: synchronised batch normalisation, and when a gradient is complete.

    95 more are of labels: classes with weights, those that are ignored, and labels that are no classes.

    180 more are of RMSprop and Muon, whose products are of kernels, so that they are captured.

    30 more are of averages of weights and accumulated gradients, as far as the trainer knows them.

    25 more are of images that are distorted and erased by kernels.

    875 more are layers of later networks: activations 200, normalisation of each image 210, maps of any size 290,
    transposed convolution 175, branches 75.

    58 more are kernels of losses and of later activations, and Functions that run between a captured step's kernels.

    40 more are pooling of whole maps of one and three axes.

    A later layer, schedule, optimizer or kernel may add about 40 lines of its own; its commit raises this limit.
    """
    core = {path for pattern in CORE for path in PACKAGE.glob(pattern)} - {PACKAGE / name for name in BREADTH}
    assert sum(map(lines_of_code, core)) <= 6079


def test_the_spine_is_read_in_an_afternoon() -> None:
    page = (PACKAGE.parent / "docs/architecture.md").read_text()
    places = [page.find(f"`{name}`") for name in SPINE]
    assert -1 not in places and places == sorted(places)
    assert sum(lines_of_code(PACKAGE / name) for name in SPINE) <= 1300
