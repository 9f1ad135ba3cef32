"""An ONNX file as a network of gpucnn's layers.

The graph is followed from its result back to its input. Where two values are added and one of them is the other's
input, what lies between is a residual block; where values that come from a common one are added, or their channels
joined, what lies between are branches.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.errors import InputError, ShapeError
from gpucnn.export.onnx import LOWEST, PIPELINE, library
from gpucnn.geometry import Sides

SCALED = (np.float32(2 / 3), np.float32(1.7159))  # of nn.ScaledTanh: slope and amplitude
IDENTITIES = ("Identity", "Dropout")
MERGES = ("Add", "Concat")
RESIZE = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
MAX_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVERAGE_POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
GLOBAL_MAX_POOLS = {1: nn.GlobalMaxPool1d, 2: nn.GlobalMaxPool2d, 3: nn.GlobalMaxPool3d}
GLOBAL_AVERAGE_POOLS = {1: nn.GlobalAvgPool1d, 2: nn.GlobalAvgPool2d, 3: nn.GlobalAvgPool3d}


class ApartError(InputError):
    """A value that another does not lead to."""


def from_onnx(path: Path | str) -> nn.Sequential:
    """The network in an ONNX file, in evaluation mode, with its weights.

    Of a file that gpucnn exported with a run's pipeline, the network alone: its input is normalised. Raises InputError
    for a file that is damaged, has several inputs or results, or has operators of other layers, which are named.
    """
    onnx = library("onnx")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except OSError:
        raise
    except Exception as error:  # protobuf's own exceptions, and the checker's
        raise InputError(f"{path} is not a valid ONNX model: {str(error).splitlines()[0]}") from None
    reader = _Reader(onnx, onnx.shape_inference.infer_shapes(model).graph, str(path))
    return nn.Sequential(*reader.network()).eval()


class _Node:
    """A node of the graph: its operator, inputs and attributes."""

    def __init__(self, onnx: Any, node: Any) -> None:
        self.operator, self.name = node.op_type, node.name
        self.inputs = list(node.input)
        self.options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    def __str__(self) -> str:
        return f"{self.operator} ({self.name})" if self.name else self.operator


class _Reader:
    """Reads a graph from its result to its input."""

    def __init__(self, onnx: Any, graph: Any, where: str) -> None:
        self.where = where
        self.taken: dict[str, tuple[str, nn.Layer | None]] = {}  # by value, what it is made of: see `_made`
        self.constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
        inputs = [each.name for each in graph.input if each.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise InputError(f"{where} has {len(inputs)} inputs and {len(graph.output)} results; expected one of each")
        self.begin, self.end = inputs[0], graph.output[0].name
        self.sizes = {
            each.name: [size.dim_value for size in each.type.tensor_type.shape.dim]
            for each in (*graph.input, *graph.value_info)
        }
        self.makers: dict[str, _Node] = {}
        for each in graph.node:
            node = _Node(onnx, each)
            if node.operator == "Constant" and "value" in node.options:
                self.constants[each.output[0]] = onnx.numpy_helper.to_array(node.options["value"])
            else:
                self.makers[each.output[0]] = node
        unknown = sorted({node.operator for node in self.makers.values() if not self._known(node)})
        if unknown:
            raise InputError(
                f"{where} has operators that are no layer here: {', '.join(unknown)}; these are read: "
                f"{', '.join(sorted((*LAYERS, *IDENTITIES, *MERGES, 'Mul')))}"
            )

    def network(self) -> list[nn.Layer]:
        """The layers from the graph's input to its result. Raises InputError."""
        return self._chain(self.end, self.begin)

    @staticmethod
    def _known(node: _Node) -> bool:
        return node.operator in (*LAYERS, *IDENTITIES, *MERGES, "Mul") or node.name.startswith(PIPELINE)

    def _chain(self, value: str, begin: str) -> list[nn.Layer]:
        """The layers from `begin` to `value`. Raises ApartError where it does not lead there."""
        layers: list[nn.Layer] = []
        while value != begin:
            if value not in self.makers:
                raise ApartError(f"{self.where}: {value} does not come from {begin}, so these are no layers in a row")
            value, layer = self._made(value)
            layers += [] if layer is None else [layer]
        return layers[::-1]

    def _made(self, value: str) -> tuple[str, nn.Layer | None]:
        """The value before a value, and the layer between them; None for nodes that change nothing."""
        if value not in self.taken:
            node = self.makers[value]
            if node.name.startswith(PIPELINE) or node.operator in IDENTITIES:
                self.taken[value] = next(name for name in node.inputs if name not in self.constants), None
            elif node.operator in MERGES:
                self.taken[value] = self._merged(node)
            else:
                self.taken[value] = self._layer(node)
        return self.taken[value]

    def _merged(self, node: _Node) -> tuple[str, nn.Layer]:
        """A residual block or branches, and the value that they begin at."""
        if set(node.inputs) & self.constants.keys():
            raise InputError(f"{self.where}: {node} adds a constant, which is no layer here")
        if node.operator == "Concat" and node.options["axis"] != 1:
            raise self.refuse(node, "joins along another axis than the channels'")
        ways = [self._way(value) for value in node.inputs]
        begin = next(value for value in ways[0] if all(value in way for way in ways))
        paths = [self._chain(value, begin) for value in node.inputs]
        if node.operator == "Concat":
            return begin, nn.Branches(*(nn.Sequential(*path) for path in paths), merge="concat")
        if begin in node.inputs:
            return begin, nn.Residual(*paths[node.inputs.index(begin) - 1])
        return begin, nn.Branches(*(nn.Sequential(*path) for path in paths), merge="sum")

    def _way(self, value: str) -> list[str]:
        """The values between a value and the graph's input, backwards, both included."""
        way = [value]
        while way[-1] != self.begin:
            if way[-1] not in self.makers:
                raise ApartError(f"{self.where}: {value} does not come from {self.begin}, so these are no layers")
            way.append(self._made(way[-1])[0])
        return way

    def _layer(self, node: _Node) -> tuple[str, nn.Layer]:
        """The layer of a node and of those before it that belong to it, and the value that it reads."""
        value = node.inputs[0]
        if node.operator == "Mul":
            return self._product(node)
        before = self.makers.get(value)
        if before is not None and before.operator == "Pad" and node.operator in ("MaxPool", "AveragePool"):
            folded = self._padded_pool(node, before)
            if folded is not None:
                return before.inputs[0], folded
        return value, LAYERS[node.operator](self, node)

    def array(self, node: _Node, number: int) -> np.ndarray | None:
        """The constant that is an input of a node, or None. Raises InputError where it is computed."""
        if number >= len(node.inputs) or not node.inputs[number]:
            return None
        if node.inputs[number] not in self.constants:
            raise InputError(f"{self.where}: input {number} of {node} is not a constant, so it is no layer here")
        return self.constants[node.inputs[number]]

    def refuse(self, node: _Node, why: str) -> InputError:
        """An error about a node."""
        return InputError(f"{self.where}: {node} {why}, which no layer here does")

    def _product(self, node: _Node) -> tuple[str, nn.Layer]:
        """The activation whose last node multiplies: SiLU, or a scaled function of a scaled value."""
        inner, factor = self._times_constant(node)
        if factor is None:
            for value, other in (node.inputs, node.inputs[::-1]):
                if (sigmoid := self.makers.get(other)) and sigmoid.operator == "Sigmoid" and sigmoid.inputs[0] == value:
                    return value, nn.SiLU()
            raise self.refuse(node, "multiplies")
        function = self.makers.get(inner)
        before = self.makers.get(function.inputs[0]) if function is not None else None
        if function is not None and before is not None and before.operator == "Mul":
            value, slope = self._times_constant(before)
            if function.operator == "Tanh" and (slope, factor) == SCALED:
                return value, nn.ScaledTanh()
            if function.operator == "Softplus" and slope is not None and np.isclose(slope * factor, 1):
                softplus: Any = nn.Softplus
                return value, softplus(float(slope))
        raise self.refuse(node, "multiplies")

    def _times_constant(self, node: _Node) -> tuple[str, Any]:
        """A product's value and its constant, None unless it is one number."""
        value, constant = sorted(node.inputs, key=lambda name: name in self.constants)
        array = self.constants.get(constant)
        return value, array.reshape(()) if array is not None and array.size == 1 else None

    def _padded_pool(self, node: _Node, pad: _Node) -> nn.Layer | None:
        """Pooling over an input with a border: as one layer, where the border is what padding does, else None."""
        mode, value, sides = self.border(pad)
        sizes = self.sizes.get(pad.inputs[0], ())
        if mode != "constant" or any(map(any, sides[:2])) or len(sizes) != len(sides):
            return None
        inner = _sides(node, len(sides) - 2)
        total = tuple((a + c, b + d) for (a, b), (c, d) in zip(sides[2:], inner, strict=True))
        kernel, one = tuple(node.options["kernel_shape"]), (1,) * len(total)
        stride, dilation = (tuple(node.options.get(name, one)) for name in ("strides", "dilations"))
        if node.operator == "MaxPool" and value in (LOWEST, -np.inf):
            layer: Any = MAX_POOLS[len(kernel)](kernel, stride, total, dilation)
        elif node.operator == "AveragePool" and value == 0 and not node.options.get("count_include_pad", 0):
            layer = AVERAGE_POOLS[len(kernel)](kernel, stride, sides[2:], ceil_mode=any(map(any, inner)))
        else:
            return None
        try:
            return layer if layer.window(tuple(sizes[1:])).padding == total else None
        except ShapeError:
            return None

    def border(self, node: _Node) -> tuple[str, float, Sides]:
        """A Pad's mode, its number, and (before, after) of every axis."""
        mode = node.options.get("mode", b"constant").decode()
        pads, number = self.array(node, 1), self.array(node, 2)
        if pads is None or self.array(node, 3) is not None:
            raise self.refuse(node, "does not pad every axis by constants")
        before, after = pads.reshape(2, -1).tolist()
        return mode, 0.0 if number is None else number.item(), tuple(zip(before, after, strict=True))


def _sides(node: _Node, axes: int) -> Sides:
    """(before, after) of every axis of a window. Raises InputError for padding that depends on the input's size."""
    if node.options.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise InputError(f"{node} has auto_pad, which depends on the input's size; export it with explicit padding")
    pads = list(node.options.get("pads", (0,) * (2 * axes)))
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


def _with_weights(layer: Any, weight: np.ndarray, bias: np.ndarray | None) -> nn.Layer:
    layer.load_state_dict(
        {"weight": weight.astype(np.float32), **({} if bias is None else {"bias": bias.astype(np.float32)})}
    )
    return layer


def _convolution(reader: _Reader, node: _Node) -> nn.Layer:
    weight, bias = reader.array(node, 1), reader.array(node, 2)
    assert weight is not None  # the checker holds that it is given
    axes, groups = weight.ndim - 2, node.options.get("group", 1)
    if axes not in CONVOLUTIONS:
        raise reader.refuse(node, f"has {axes} axes")
    one = (1,) * axes
    stride, dilation = (tuple(node.options.get(name, one)) for name in ("strides", "dilations"))
    moves = stride, _sides(node, axes), dilation
    inputs, kernel = weight.shape[1] * groups, weight.shape[2:]
    layer = CONVOLUTIONS[axes](inputs, weight.shape[0], kernel, *moves, groups=groups, bias=bias is not None)
    return _with_weights(layer, weight, bias)


def _transposed_convolution(reader: _Reader, node: _Node) -> nn.Layer:
    weight, bias = reader.array(node, 1), reader.array(node, 2)
    assert weight is not None  # the checker holds that it is given
    axes, groups = weight.ndim - 2, node.options.get("group", 1)
    sides = _sides(node, axes)
    if axes not in TRANSPOSED or "output_shape" in node.options or any(before != after for before, after in sides):
        raise reader.refuse(node, "has an output_shape, or padding that differs by side")
    stride, dilation = (tuple(node.options.get(name, (1,) * axes)) for name in ("strides", "dilations"))
    more, padding = tuple(node.options.get("output_padding", (0,) * axes)), tuple(side for side, _ in sides)
    given = weight.shape[0], weight.shape[1] * groups, weight.shape[2:], stride, padding, more, groups
    return _with_weights(TRANSPOSED[axes](*given, bias=bias is not None, dilation=dilation), weight, bias)


def _linear(reader: _Reader, node: _Node) -> nn.Layer:
    weight, bias = reader.array(node, 1), reader.array(node, 2)
    plain = all(node.options.get(name, 1) == 1 for name in ("alpha", "beta")) and not node.options.get("transA", 0)
    if weight is None or weight.ndim != 2 or not plain:
        raise reader.refuse(node, "scales or transposes its input")
    weight = weight if node.operator == "Gemm" and node.options.get("transB", 0) else weight.T  # (O, F)
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), weight.shape[:1])
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return _with_weights(layer, np.ascontiguousarray(weight), bias)


def _pool(layers: dict[int, Any]) -> Callable[[_Reader, _Node], nn.Layer]:
    def make(reader: _Reader, node: _Node) -> nn.Layer:
        kernel = tuple(node.options["kernel_shape"])
        if len(kernel) not in layers:
            raise reader.refuse(node, f"has {len(kernel)} axes")
        one = (1,) * len(kernel)
        dilation = tuple(node.options.get("dilations", one))
        options: dict[str, Any] = {"ceil_mode": bool(node.options.get("ceil_mode", 0))}
        if layers is MAX_POOLS:
            options["dilation"] = dilation
        else:
            options["count_include_pad"] = bool(node.options.get("count_include_pad", 0))
        if layers is AVERAGE_POOLS and dilation != one:
            raise reader.refuse(node, "averages with gaps")
        return layers[len(kernel)](
            kernel, tuple(node.options.get("strides", one)), _sides(node, len(kernel)), **options
        )

    return make


def _global_pool(layers: dict[int, Any]) -> Callable[[_Reader, _Node], nn.Layer]:
    def make(reader: _Reader, node: _Node) -> nn.Layer:
        axes = len(reader.sizes.get(node.inputs[0], ())) - 2
        if axes not in layers:
            raise reader.refuse(node, "pools maps that are not known to have one to three axes")
        return layers[axes]()

    return make


def _batch_norm(reader: _Reader, node: _Node) -> nn.Layer:
    weight, bias, mean, variance = (np.asarray(reader.array(node, number), np.float32) for number in range(1, 5))
    layer = nn.BatchNorm(len(weight), node.options.get("epsilon", 1e-5))
    tracked = np.zeros((), np.int64)
    state = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": variance}
    layer.load_state_dict({**state, "num_batches_tracked": tracked})
    return layer


def _group_norm(reader: _Reader, node: _Node) -> nn.Layer:
    weight, bias = (np.asarray(reader.array(node, number)) for number in (1, 2))
    eps, kind = node.options.get("epsilon", 1e-5), node.operator
    if kind == "InstanceNormalization":
        return _with_weights(nn.InstanceNorm(len(weight), eps, affine=True), weight, bias)
    return _with_weights(nn.GroupNorm(node.options["num_groups"], len(weight), eps), weight, bias)


def _layer_norm(reader: _Reader, node: _Node) -> nn.Layer:
    weight, bias = reader.array(node, 1), reader.array(node, 2)
    assert weight is not None  # the checker holds that it is given
    axis = node.options.get("axis", -1)
    if axis not in (-weight.ndim, len(reader.sizes.get(node.inputs[0], ())) - weight.ndim) or 1 in weight.shape:
        raise reader.refuse(node, "has weights of another shape than the axes that it normalises")
    layer = nn.LayerNorm(weight.shape, node.options.get("epsilon", 1e-5), bias=bias is not None)
    return _with_weights(layer, weight, bias)


def _flatten(reader: _Reader, node: _Node) -> nn.Layer:
    if node.operator == "Flatten" and node.options.get("axis", 1) == 1:
        return nn.Flatten()
    shape = None if node.operator == "Flatten" else reader.array(node, 1)
    if shape is not None and len(shape) == 2 and (shape[1] == -1 or shape[0] in (0, -1)):
        return nn.Flatten()
    raise reader.refuse(node, "reshapes, but not to (images, numbers)")


def _resize(reader: _Reader, node: _Node) -> nn.Layer:
    words = {name: node.options.get(name, b"").decode() for name in RESIZE}
    found = tuple(words[name] or default for name, default in RESIZE.items())
    factors, sizes = reader.array(node, 2), reader.array(node, 3)
    given = factors if sizes is None else sizes
    axes = len(given) if given is not None else 0
    if "axes" in node.options:
        whole = tuple(node.options["axes"]) == tuple(range(2, 2 + axes))
    else:
        kept = [1, 1] if sizes is None else list(reader.sizes.get(node.inputs[0], ()))[:2]
        whole, axes = given is not None and list(given[:2]) == kept, axes - 2
    mode = "nearest" if found == ("nearest", "asymmetric", "floor") else None
    if found[0] == "linear" and found[1] in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        mode = ("linear", "bilinear", "trilinear")[axes - 1]
    if mode is None or not whole or any(node.options.get(name) for name in ("antialias", "exclude_outside")):
        raise reader.refuse(node, f"resizes by {' and '.join(filter(None, found))}")
    corners = None if mode == "nearest" else found[1] == "align_corners"
    numbers = tuple(np.asarray(given).tolist()[-axes:])
    if found[1] == "pytorch_half_pixel" and 1 in numbers:
        raise reader.refuse(node, "takes the first pixel for a single one")
    if corners and sizes is None and any(factor % 1 for factor in numbers):
        raise reader.refuse(node, "keeps corners of sizes that are fractions")
    upsample: Any = nn.Upsample
    return upsample(*((None, numbers) if sizes is None else (numbers, None)), mode, corners)


def _pad(reader: _Reader, node: _Node) -> nn.Layer:
    mode, number, sides = reader.border(node)
    kinds = {"constant": nn.ZeroPad2d, "edge": nn.ReplicationPad2d, "reflect": nn.ReflectionPad2d}
    if len(sides) != 4 or any(map(any, sides[:2])) or mode not in kinds or (mode == "constant" and number != 0):
        raise reader.refuse(node, "pads other axes than height and width, or by another rule than those of layers")
    (top, bottom), (left, right) = sides[2:]
    return kinds[mode]((left, right, top, bottom))


def _softmax(kind: Any) -> Callable[[_Reader, _Node], nn.Layer]:
    return lambda reader, node: kind(node.options.get("axis", -1))


def _with_alpha(kind: Any, default: float) -> Callable[[_Reader, _Node], nn.Layer]:
    return lambda reader, node: kind(node.options.get("alpha", default))


def _gelu(reader: _Reader, node: _Node) -> nn.Layer:
    kind: Any = nn.GELU
    return kind(node.options.get("approximate", b"none").decode())


def _prelu(reader: _Reader, node: _Node) -> nn.Layer:
    slope = reader.array(node, 1)
    if slope is None or slope.size not in slope.shape[:1] + (1,):
        raise reader.refuse(node, "has slopes for more than channels")
    return _with_weights(nn.PReLU(slope.size), slope.reshape(-1), None)


def _plain(kind: type[nn.Layer]) -> Callable[[_Reader, _Node], nn.Layer]:
    return lambda reader, node: kind()


LAYERS: dict[str, Callable[[_Reader, _Node], nn.Layer]] = {
    "AveragePool": _pool(AVERAGE_POOLS),
    "BatchNormalization": _batch_norm,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Elu": _with_alpha(nn.ELU, 1.0),
    "Flatten": _flatten,
    "Gelu": _gelu,
    "Gemm": _linear,
    "GlobalAveragePool": _global_pool(GLOBAL_AVERAGE_POOLS),
    "GlobalMaxPool": _global_pool(GLOBAL_MAX_POOLS),
    "GroupNormalization": _group_norm,
    "HardSwish": _plain(nn.Hardswish),
    "InstanceNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _with_alpha(nn.LeakyReLU, 0.01),
    "LogSoftmax": _softmax(nn.LogSoftmax),
    "MatMul": _linear,
    "MaxPool": _pool(MAX_POOLS),
    "PRelu": _prelu,
    "Pad": _pad,
    "Relu": _plain(nn.ReLU),
    "Reshape": _flatten,
    "Resize": _resize,
    "Sigmoid": _plain(nn.Sigmoid),
    "Softmax": _softmax(nn.Softmax),
    "Softplus": _plain(nn.Softplus),
    "Tanh": _plain(nn.Tanh),
}
