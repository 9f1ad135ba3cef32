"""A trained network as an ONNX model, with the run's pipeline in front of it and probabilities behind.

Only what runtimes agree on is written: windows of pooling are whole and their padding is below the kernel's size; any
other padding becomes a Pad of its own.
"""

import importlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpucnn.data.pipeline import Outputs
from gpucnn.errors import InputError
from gpucnn.export import steps as s
from gpucnn.export.entry import Entry
from gpucnn.geometry import Sides, Window
from gpucnn.version import __version__

OPSET = 17  # of the models that need no newer one
IR_VERSIONS = {17: 8, 18: 8, 20: 9, 21: 10}  # the format's version that came with an opset
PIPELINE = "pipeline/"  # begins the names of nodes that are no layers
LOWEST = float(np.finfo(np.float32).min)
EXACT = 15.0  # softplus(x) is x to 1e-6 from here on
BATCH = "N"  # the name of the axis whose length is open


def library(name: str) -> Any:
    """The module `name` of the library onnx. Raises InputError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(f"{name.partition('.')[0]} is not installed; pip install 'gpucnn[onnx]'") from None


def onnx_model(
    steps: Sequence[s.Step], shape: tuple[int, ...], outputs: Outputs, names: Sequence[str], entry: Entry | None
) -> bytes:
    """The model of a network's steps, for images of `shape`, checked by ONNX's own checker.

    With an `entry` the input is `pictures`, numbers as in files, and the output `probabilities` (N, classes), of a
    class per pixel (N, classes, H, W), or pictures as `outputs`; without
    it `inputs`, normalised, float32, and what the network itself gives, `outputs`. Raises InputError where the library
    onnx is not installed.
    """
    writer = _Writer(library("onnx"))
    source, target = ("inputs", "outputs") if entry is None else ("pictures", "probabilities")
    target = "outputs" if outputs == "pictures" else target
    value = source if entry is None else writer.entry(source, entry)
    values = [value]
    for step in steps:
        values.append(writer.step(step, [values[number] for number in step.sources]))
    writer.behind(values[-1], target, None if entry is None else outputs)
    result = steps[-1].shape if steps else shape
    dtype = "float32" if entry is None else entry.dtype
    meaning = f"float32 of the network's own input, normalised; outputs: {outputs}"
    if entry is not None:
        meaning = f"{dtype} from {entry.given.low:g}, black, to {entry.given.high:g}, white, not normalised"
    metadata = {"classes": json.dumps(list(names), ensure_ascii=False), "input": meaning, "outputs": outputs}
    return writer.model((source, dtype, shape), (target, result), metadata)


class _Writer:
    """Collects nodes and constants; a value is the name of a tensor."""

    def __init__(self, onnx: Any) -> None:
        self.onnx, self.opset = onnx, OPSET
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.writes: dict[type[s.Step], Any] = {
            s.Convolution: self._convolution, s.Linear: self._linear, s.MaxPool: self._max_pool,
            s.AveragePool: self._average_pool, s.Pad: self._pad, s.Normalise: self._normalise,
            s.Activation: self._activation, s.Softmax: self._softmax, s.Flatten: self._flatten, s.Add: self._add,
            s.PReLU: self._prelu, s.GroupNorm: self._group_norm, s.LayerNorm: self._layer_norm,
            s.Resize: self._resize, s.TransposedConvolution: self._transposed_convolution,
            s.Concatenate: self._concatenate,
        }  # fmt: skip

    def step(self, step: s.Step, inputs: list[str]) -> str:
        """Write a step that reads the values `inputs`; returns the value that it gives."""
        return self.writes[type(step)](step, inputs)

    def entry(self, value: str, entry: Entry) -> str:
        """Write what turns numbers as in files into the network's input."""
        name, axes = f"{PIPELINE}entry", (1,) * (len(entry.shape) + 1)
        if entry.dtype != "float32":
            value = self.node("Cast", name, [value], to=self.onnx.TensorProto.FLOAT)
        for operator, number in (("Mul", entry.gain), ("Add", entry.offset)):
            if number != (operator == "Mul"):
                value = self.node(operator, name, [value, self.constant(name, np.full(axes, number))])
        if entry.levels:
            value = self.node("Round", name, [value])
        if entry.mirror is not None:
            value = self.node("Sub", name, [self.constant(name, np.full(axes, entry.mirror)), value])
        value = self.node("Sub", name, [value, self.constant(name, entry.shift[None])])
        return self.node("Mul", name, [value, self.constant(name, entry.scale[None])])

    def behind(self, value: str, target: str, outputs: Outputs | None) -> None:
        """Write what makes the value `target` of the network's result: probabilities, unless `outputs` is None."""
        softmax = ("Softmax", {"axis": 1})
        operators = {"logits": softmax, "pixel_logits": softmax, "log_probabilities": ("Exp", {})}
        operator, options = operators.get(outputs or "", ("Identity", {}))
        self.nodes.append(self.onnx.helper.make_node(operator, [value], [target], f"{PIPELINE}{target}", **options))

    def node(self, operator: str, name: str, inputs: Iterable[str], since: int = OPSET, **options: Any) -> str:
        """Write one node; returns the value that it gives, named after the layer and how many were before it.

        since: the opset that brought the operator.
        """
        self.opset = max(self.opset, since)
        value = f"{name}/{operator.lower()}{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [value], value, **options))
        return value

    def constant(self, name: str, array: np.ndarray, dtype: str = "float32") -> str:
        """A constant as a value."""
        value = f"{name}/constant{len(self.constants)}"
        self.constants[value] = self.onnx.numpy_helper.from_array(np.asarray(array, dtype, order="C"), value)
        return value

    def weight(self, step: s.Step, name: str, array: np.ndarray) -> str:
        """A weight as a value, named as in the network's state dictionary."""
        return self.constant(f"{step.layer}.{name}", array)

    def model(
        self, given: tuple[str, str, tuple[int, ...]], result: tuple[str, tuple[int, ...]], metadata: Any
    ) -> bytes:
        """The checked model, as the bytes of its file."""
        helper, kinds = self.onnx.helper, {"float32": "FLOAT", "uint8": "UINT8"}
        name, dtype, shape = given
        kind = getattr(self.onnx.TensorProto, kinds[dtype])
        inputs = [helper.make_tensor_value_info(name, kind, [BATCH, *shape], metadata["input"])]
        outputs = [helper.make_tensor_value_info(result[0], self.onnx.TensorProto.FLOAT, [BATCH, *result[1]])]
        graph = helper.make_graph(self.nodes, "network", inputs, outputs, list(self.constants.values()))
        opsets, version = [helper.make_opsetid("", self.opset)], IR_VERSIONS[self.opset]
        model = helper.make_model(
            graph, producer_name="gpucnn", producer_version=__version__, opset_imports=opsets, ir_version=version
        )
        helper.set_model_props(model, metadata)
        self.onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()

    # --- a method for each kind of step ---------------------------------------------------------------------------

    def _convolution(self, step: s.Convolution, inputs: list[str]) -> str:
        weight, window = _widened(step.weight, step.window)
        weights = [self.weight(step, "weight", weight)]
        weights += [] if step.bias is None else [self.weight(step, "bias", step.bias)]
        moves = {"kernel_shape": window.kernel, **_moves(window)}
        return self.node("Conv", step.layer, [*inputs, *weights], group=step.groups, **moves)

    def _transposed_convolution(self, step: s.TransposedConvolution, inputs: list[str]) -> str:
        weights = [self.weight(step, "weight", step.weight)]
        weights += [] if step.bias is None else [self.weight(step, "bias", step.bias)]
        moves: dict[str, Any] = {"kernel_shape": step.window.kernel, "output_padding": step.more, **_moves(step.window)}
        return self.node("ConvTranspose", step.layer, [*inputs, *weights], group=step.groups, **moves)

    def _linear(self, step: s.Linear, inputs: list[str]) -> str:
        weights = [self.weight(step, "weight", step.weight)]
        weights += [] if step.bias is None else [self.weight(step, "bias", step.bias)]
        return self.node("Gemm", step.layer, [*inputs, *weights], transB=1)

    def _max_pool(self, step: s.MaxPool, inputs: list[str]) -> str:
        window = step.window
        if _whole(step.given[1:], window):
            return self.node("GlobalMaxPool", step.layer, inputs)
        if any(max(sides) >= kernel for sides, kernel in zip(window.padding, window.kernel, strict=True)):
            inputs = [self._border(step.layer, inputs[0], window.padding, LOWEST)]
            window = window._replace(padding=((0, 0),) * len(window.kernel))
        return self.node("MaxPool", step.layer, inputs, kernel_shape=window.kernel, **_moves(window))

    def _average_pool(self, step: s.AveragePool, inputs: list[str]) -> str:
        """Padding that counts and padding that does not cannot be told apart in one node: then the first is a Pad."""
        window, counted = step.window, step.counted
        if _whole(step.given[1:], window):
            return self.node("GlobalAveragePool", step.layer, inputs)
        if any(map(any, counted)) and counted != window.padding:
            inputs = [self._border(step.layer, inputs[0], counted, 0.0)]
            rest = tuple((b - c, a - d) for (b, a), (c, d) in zip(window.padding, counted, strict=True))
            window, counted = window._replace(padding=rest), ((0, 0),) * len(rest)
        moves: dict[str, Any] = {"strides": window.stride, "pads": _pads(window.padding)}
        include = int(counted == window.padding)
        return self.node(
            "AveragePool", step.layer, inputs, kernel_shape=window.kernel, count_include_pad=include, **moves
        )

    def _resize(self, step: s.Resize, inputs: list[str]) -> str:
        """By factors, where some were given: the ratio of sizes, which ONNX takes else, may be another."""
        options: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
        if step.linear:
            place = "align_corners" if step.align_corners else "half_pixel"
            options = {"mode": "linear", "coordinate_transformation_mode": place}
        else:
            options["nearest_mode"] = "floor"
        sizes = step.shape[1:]
        if None in step.factors or step.align_corners:
            wanted = ["", "", self.constant(step.layer, np.array(sizes), "int64")]
        else:
            wanted = ["", self.constant(step.layer, np.array(step.factors))]
        axes = range(2, 2 + len(sizes))
        return self.node("Resize", step.layer, [*inputs, *wanted], since=18, axes=axes, **options)

    def _pad(self, step: s.Pad, inputs: list[str]) -> str:
        if step.mode == "zeros":
            return self._border(step.layer, inputs[0], step.sides, 0.0)
        mode = {"replicate": "edge", "reflect": "reflect"}[step.mode]
        pads = self.constant(step.layer, np.array(_pads(((0, 0), (0, 0), *step.sides))), "int64")
        return self.node("Pad", step.layer, [*inputs, pads], mode=mode)

    def _border(self, name: str, value: str, sides: Sides, number: float) -> str:
        """A border of one number around the axes that follow images and channels."""
        pads = self.constant(name, np.array(_pads(((0, 0), (0, 0), *sides))), "int64")
        return self.node("Pad", name, [value, pads, self.constant(name, np.array(number))], mode="constant")

    def _normalise(self, step: s.Normalise, inputs: list[str]) -> str:
        parts = {"weight": step.weight, "bias": step.bias, "running_mean": step.mean, "running_var": step.variance}
        weights = [self.weight(step, name, array) for name, array in parts.items()]
        return self.node("BatchNormalization", step.layer, [*inputs, *weights], epsilon=step.eps)

    def _affine(self, step: s.GroupNorm | s.LayerNorm) -> list[str]:
        return [self.weight(step, "weight", step.weight), self.weight(step, "bias", step.bias)]

    def _group_norm(self, step: s.GroupNorm, inputs: list[str]) -> str:
        values = [*inputs, *self._affine(step)]
        if step.groups == step.shape[0] and len(step.shape) > 1:
            return self.node("InstanceNormalization", step.layer, values, epsilon=step.eps)
        options: dict[str, Any] = {"num_groups": step.groups, "epsilon": step.eps}
        return self.node("GroupNormalization", step.layer, values, since=21, **options)

    def _layer_norm(self, step: s.LayerNorm, inputs: list[str]) -> str:
        options: dict[str, Any] = {"axis": -step.weight.ndim, "epsilon": step.eps}
        return self.node("LayerNormalization", step.layer, [*inputs, *self._affine(step)], **options)

    def _activation(self, step: s.Activation, inputs: list[str]) -> str:
        match step.function:
            case "leaky_relu" | "elu":
                operator = {"leaky_relu": "LeakyRelu", "elu": "Elu"}[step.function]
                return self.node(operator, step.layer, inputs, alpha=step.numbers[0])
            case "gelu" | "gelu_tanh":
                approximate = "none" if step.function == "gelu" else "tanh"
                return self.node("Gelu", step.layer, inputs, since=20, approximate=approximate)
            case "silu":
                return self.node("Mul", step.layer, [*inputs, self.node("Sigmoid", step.layer, inputs)])
            case "scaled_tanh":
                amplitude, slope = step.numbers
                return self._scaled("Tanh", step.layer, inputs, slope, amplitude)
            case "softplus":
                beta, threshold = step.numbers
                if threshold < EXACT:
                    raise InputError(
                        f"layer {step.layer} ({step.kind}) cannot be exported as ONNX: its threshold is {threshold:g}, "
                        f"and ONNX knows none; give at least {EXACT:g}"
                    )
                return self._scaled("Softplus", step.layer, inputs, beta, 1 / beta)
        operators = {"relu": "Relu", "sigmoid": "Sigmoid", "hardswish": "HardSwish"}
        return self.node(operators[step.function], step.layer, inputs)

    def _scaled(self, operator: str, name: str, inputs: list[str], inner: float, outer: float) -> str:
        """outer · operator(inner · x); factors of 1 are left out."""
        if inner != 1:
            inputs = [self.node("Mul", name, [*inputs, self.constant(name, np.array(inner))])]
        value = self.node(operator, name, inputs)
        return value if outer == 1 else self.node("Mul", name, [value, self.constant(name, np.array(outer))])

    def _prelu(self, step: s.PReLU, inputs: list[str]) -> str:
        weight = step.weight.reshape(-1, *(1,) * (len(step.shape) - 1))  # (C,) -> (C, 1, 1): ONNX broadcasts it
        return self.node("PRelu", step.layer, [*inputs, self.weight(step, "weight", weight)])

    def _softmax(self, step: s.Softmax, inputs: list[str]) -> str:
        return self.node("LogSoftmax" if step.log else "Softmax", step.layer, inputs, axis=step.axis)

    def _flatten(self, step: s.Flatten, inputs: list[str]) -> str:
        return self.node("Flatten", step.layer, inputs, axis=1)

    def _concatenate(self, step: s.Concatenate, inputs: list[str]) -> str:
        return self.node("Concat", step.layer, inputs, axis=1)

    def _add(self, step: s.Add, inputs: list[str]) -> str:
        return self.node("Add", step.layer, inputs)


def _widened(weight: np.ndarray, window: Window) -> tuple[np.ndarray, Window]:
    """The same convolution; a kernel of one tap that strides over padding gets a second, 0: OpenVINO misreads it."""
    if set(window.kernel) != {1} or set(window.stride) == {1} or not window.padded:
        return weight, window
    before, after = window.padding[-1]
    weight = np.concatenate([weight, np.zeros_like(weight)], axis=-1)
    kernel, padding = (*window.kernel[:-1], 2), (*window.padding[:-1], (before, after + window.dilation[-1]))
    return weight, window._replace(kernel=kernel, padding=padding)


def _moves(window: Window) -> dict[str, Any]:
    return {"strides": window.stride, "pads": _pads(window.padding), "dilations": window.dilation}


def _pads(sides: Sides) -> list[int]:
    """ONNX's order: what is before every axis, then what is after."""
    return [before for before, _ in sides] + [after for _, after in sides]


def _whole(sizes: tuple[int, ...], window: Window) -> bool:
    """Whether a window covers the whole map, once, as the global layers' does; but not along one axis.

    There OpenVINO 2026.4 gives wrong numbers where a scale of each channel follows a global layer.
    """
    return len(sizes) > 1 and window.kernel == sizes and not window.padded and set(window.stride) == {1}
