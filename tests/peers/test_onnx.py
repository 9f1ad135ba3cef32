"""ONNX's own test cases, of the operators that gpucnn has: the package builds or brings inputs and outputs."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX is not installed, whose test cases these are")

from tests.peers.onnx_nodes import TRANSLATIONS, LacksError, run  # noqa: E402 (only where ONNX is)

pytestmark = pytest.mark.usefixtures("device")

# How many of an operator's cases run, and why the others do not
NODES = {
    "Conv": (6, {}),
    "MaxPool": (18, {"integers": 1}),
    "AveragePool": (14, {"dilated average pooling": 6}),
    "GlobalAveragePool": (2, {}),
    "GlobalMaxPool": (2, {}),
    "BatchNormalization": (4, {}),
    "ConvTranspose": (9, {"padding that differs by side": 2}),
    "Resize": (
        9,
        {
            "another rule of the nearest": 5,
            "corners of sizes that are fractions": 1,
            "cubic interpolation": 11,
            "other places of the outputs": 6,
            "a single output at the first pixel": 1,
            "antialiasing, and sizes that keep their proportion": 6,
        },
    ),
    "LayerNormalization": (19, {}),
    "GroupNormalization": (2, {}),
    "InstanceNormalization": (2, {}),
    "Gemm": (11, {}),
    "MatMul": (7, {}),
    "Pad": (3, {"integers": 3}),
    "Flatten": (9, {}),
    "Dropout": (8, {"another generator's random numbers": 4}),
    "SoftmaxCrossEntropyLoss": (10, {"weights of classes": 16, "labels that are ignored": 8}),
    "Momentum": (3, {}),
    "Softmax": (7, {}),
    "LogSoftmax": (7, {}),
    "Relu": (1, {}),
    "LeakyRelu": (3, {}),
    "Sigmoid": (2, {}),
    "Gelu": (4, {}),
    "Elu": (3, {}),
    "HardSwish": (1, {}),
    "Softplus": (2, {}),
    "PRelu": (0, {"a slope for each place": 1, "slopes along the last axis": 1}),
    "Tanh": (2, {}),
    "Clip": (9, {"integers": 3}),
    "Add": (2, {"integers": 6}),
    "Sub": (3, {"integers": 6}),
    "Mul": (3, {"integers": 6}),
    "Div": (3, {"integers": 7}),
    "Pow": (8, {"integers": 4}),
    "Neg": (2, {}),
    "Exp": (2, {}),
    "Log": (2, {}),
    "Sqrt": (2, {}),
    "Abs": (1, {}),
    "ReduceSum": (10, {"reductions of nothing": 2}),
    "ReduceMean": (8, {}),
    "ReduceMax": (8, {"integers": 2, "reductions of nothing": 1}),
    "Reshape": (10, {}),
    "Squeeze": (2, {}),
    "Unsqueeze": (7, {}),
    "Transpose": (7, {}),
    "Concat": (12, {}),
}


@pytest.fixture(scope="module")
def node_cases() -> dict[str, list]:
    """Cases of a single node each, by operator."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ONNX divides by zero on purpose while it builds them
        cases = load_model_tests(kind="node")
    found: dict[str, list] = {}
    for case in cases:
        if len(case.model.graph.node) == 1:
            found.setdefault(case.model.graph.node[0].op_type, []).append(case)
    return found


def agrees(case, graph, inputs, outputs) -> None:
    """The outputs that gpucnn gives are the case's, at its own tolerances."""
    with np.errstate(invalid="ignore"):  # a root of a negative number is meant to be none
        results = run(graph, inputs)
    for found, expected in zip(results, outputs, strict=True):
        if found is not None:
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype), case.name
            np.testing.assert_allclose(found, expected, case.rtol, case.atol, err_msg=case.name)


def test_every_translation_is_judged():
    assert set(NODES) == set(TRANSLATIONS)


@pytest.mark.parametrize("operator", NODES)
def test_nodes(node_cases, operator):
    ran, lacking = 0, Counter()
    for case in node_cases[operator]:
        for inputs, outputs in case.data_sets:
            try:
                agrees(case, case.model.graph, inputs, outputs)
                ran += 1
            except LacksError as reason:
                lacking[str(reason)] += 1
    assert (ran, dict(lacking)) == NODES[operator]


def saved(folder: Path, kind: str) -> list[np.ndarray]:
    """The arrays of a case on disk, in their order."""
    import onnx
    from onnx import numpy_helper

    files = sorted(folder.glob(f"test_data_set_0/{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes())) for path in files]


@pytest.mark.parametrize(("kind", "enough"), [("pytorch-converted", 64), ("pytorch-operator", 22)])
def test_networks_converted_from_pytorch(kind, enough):
    import onnx
    from onnx.backend.test.loader import load_model_tests

    ran, lacking = 0, []
    for case in load_model_tests(kind=kind):
        folder = Path(case.model_dir)
        try:
            graph = onnx.load(folder / "model.onnx").graph
            agrees(case, graph, saved(folder, "input"), saved(folder, "output"))
            ran += 1
        except LacksError as reason:
            lacking.append(f"{case.name}: {reason}")
    assert ran >= enough, lacking
