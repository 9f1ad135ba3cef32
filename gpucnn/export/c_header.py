"""A trained network as one C99 header: weights, and a function from a picture's bytes to probabilities."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import NamedTuple

import numpy as np

from gpucnn.data.pipeline import Outputs
from gpucnn.errors import InputError
from gpucnn.export import steps as s
from gpucnn.export.entry import Entry
from gpucnn.export.quantised import Quantised
from gpucnn.geometry import Sizes, Window
from gpucnn.version import __version__

# What is in the folder c, in the order of the header; a function's file may need those before it.
PARTS = (
    "window", "conv", "conv_int8", "linear", "linear_int8", "quantise", "max_pool", "average_pool",
    "pad", "normalise", "relu", "leaky_relu", "sigmoid", "scaled_tanh", "softmax", "exp", "copy", "add",
)  # fmt: skip
SLIDING = ("conv", "conv_int8", "max_pool", "average_pool")  # these need the first
MODES = {"zeros": 0, "replicate": 1, "reflect": 2}
WIDTH = 118  # characters of a line
IN_PLACE = (s.Normalise, s.Activation, s.Softmax)  # may write over what they read


class About(NamedTuple):
    """What the comment at the top says. accuracy: of the test images before and after 8 bits, where known."""

    title: str
    classes: Sequence[str]
    accuracy: tuple[float, float] | None = None


def c_header(
    steps: Sequence[s.Step], entry: Entry, outputs: Outputs, about: About, layers: Mapping[str, Quantised] | None = None
) -> str:
    """The header's text; with `layers`, by the names of layers, their weights are in 8 bits.

    Raises InputError for weights that are not finite, for softmax along the axis of images, and for other layers
    that are only in ONNX, such as gelu.
    """
    writer = _Writer(steps, entry, layers or {})
    body = writer.body(outputs)
    used = {*writer.used, *(["window"] if set(SLIDING) & set(writer.used) else [])}
    functions = [_part(name) for name in PARTS if name in used]
    top = _comment(writer, entry, about)
    names = ", ".join(map(_text, about.classes))
    defines = [
        f"#define GPUCNN_BYTES {math.prod(entry.shape)}", f"#define GPUCNN_CLASSES {len(about.classes)}",
    ]  # fmt: skip
    told = [
        "static inline const char *gpucnn_class_name(int number)",
        "{",
        f"    static const char *const names[GPUCNN_CLASSES] = {{{names}}};",
        "    return number >= 0 && number < GPUCNN_CLASSES ? names[number] : 0;",
        "}",
    ]
    includes = ["#include <float.h>", "#include <math.h>", "#include <stdint.h>"]
    pieces = [
        top, "#ifndef GPUCNN_H\n#define GPUCNN_H", "\n".join(includes), "\n".join(defines), "\n".join(told),
        *functions, "\n".join(writer.constants), body, "#endif",
    ]  # fmt: skip
    return "\n\n".join(piece.strip("\n") for piece in pieces) + "\n"


class _Writer:
    """The calls of all steps, the constants that they read, and the places of values in one array of floats."""

    def __init__(self, steps: Sequence[s.Step], entry: Entry, layers: Mapping[str, Quantised]) -> None:
        self.steps, self.entry, self.layers = steps, entry, layers
        self.used: list[str] = []
        self.constants: list[str] = []
        self.weight_bytes = 0
        self.places, self.floats = _places(steps, entry.shape)
        quantised = [math.prod(step.given) for step in steps if step.layer in layers and hasattr(step, "weight")]
        self.bytes = max(quantised, default=0)

    @property
    def memory(self) -> int:
        """Bytes beside the weights, without the stack."""
        return 4 * self.floats + self.bytes

    def body(self, outputs: Outputs) -> str:
        """gpucnn_predict, with the array that it computes in."""
        arrays = [f"static float gpucnn_memory[{self.floats}];"]
        if self.bytes:
            arrays.append(f"static int8_t gpucnn_levels[{self.bytes}];")
        lines = [
            *self._read(),
            *(line for number, step in enumerate(self.steps, 1) for line in self._step(number, step)),
        ]
        last, classes = self._at(len(self.steps)), "GPUCNN_CLASSES"
        if outputs == "logits":
            lines.append(self._call("softmax", last, "probabilities", 1, classes, 1, 0))
        else:
            lines.append(
                self._call("exp" if outputs == "log_probabilities" else "copy", last, "probabilities", classes)
            )
        head = (
            "/* The probabilities, GPUCNN_CLASSES floats, of a picture of GPUCNN_BYTES bytes; returns the likeliest\n"
            "   class. Not for two threads at a time: they would share its memory. */\n"
            "static inline int gpucnn_predict(const uint8_t *picture, float *probabilities)\n{\n    int best = 0;"
        )
        end = (
            "    for (int i = 1; i < GPUCNN_CLASSES; i++)\n        if (probabilities[i] > probabilities[best])\n"
            "            best = i;\n    return best;\n}"
        )
        return "\n".join([*arrays, "", head, *lines, end])

    def _read(self) -> list[str]:
        """The loop that makes the network's input of the picture."""
        entry, at = self.entry, self._at(0)
        count, plane = math.prod(entry.shape), math.prod(entry.shape[1:])
        value = "(float)picture[i]"
        if entry.gain != 1:
            value += f" * {_number(entry.gain)}"
        if entry.offset:
            value += f" + {_number(entry.offset)}"
        if entry.levels:
            value = f"rintf({value})"
        if entry.mirror is not None:
            value = f"{_number(entry.mirror)} - {value if entry.levels else f'({value})'}"
        parts = []
        for name, array in (("shift", entry.shift), ("scale", entry.scale)):
            place = "i" if array.size == count > 1 else f"i / {plane}"
            parts.append(
                _number(array.item())
                if array.size == 1
                else f"{self._constant(f'entry_{name}', array.ravel())}[{place}]"
            )
        value = f"({value} - {parts[0]}) * {parts[1]}"
        return ["    for (int i = 0; i < GPUCNN_BYTES; i++)", f"        ({at})[i] = {value};"]

    def _step(self, number: int, step: s.Step) -> Iterator[str]:
        x, y, count = self._at(step.sources[0]), self._at(number), math.prod(step.shape)
        if isinstance(step, s.Convolution | s.Linear):
            yield from self._weighted(number, step, x, y)
        elif isinstance(step, s.MaxPool):
            yield self._call("max_pool", x, y, step.shape[0], self._window(number, step, step.window))
        elif isinstance(step, s.AveragePool):
            counted = (((0, 0),) * 3 + step.counted)[-3:]
            text = ", ".join(f"{{{before}, {after}}}" for before, after in counted)
            self.constants.append(f"static const int gpucnn_counted{number}[3][2] = {{{text}}};")
            window = self._window(number, step, step.window)
            yield self._call("average_pool", x, y, step.shape[0], window, f"gpucnn_counted{number}")
        elif isinstance(step, s.Pad):
            (top, _), (left, _) = step.sides
            yield self._call("pad", x, y, *step.given, *step.shape[1:], top, left, MODES[step.mode])
        elif isinstance(step, s.Normalise):
            factor, summand = (
                self._constant(f"{name}{number}", array)
                for name, array in (("factor", step.factor), ("summand", step.summand))
            )
            yield self._call("normalise", x, y, factor, summand, step.shape[0], count // step.shape[0])
        elif isinstance(step, s.Activation) and step.function in PARTS:
            yield self._call(step.function, x, y, count, *map(_number, step.numbers))
        elif isinstance(step, s.Softmax):
            if step.axis == 0:
                raise InputError(
                    f"layer {step.layer} ({step.kind}): dim 0 is that of pictures, and here is one at a time"
                )
            outer, inner = math.prod(step.shape[: step.axis - 1]), math.prod(step.shape[step.axis :])
            yield self._call("softmax", x, y, outer, step.shape[step.axis - 1], inner, int(step.log))
        elif isinstance(step, s.Add):
            yield self._call("add", x, self._at(step.sources[1]), y, count)
        elif not isinstance(step, s.Flatten):  # which changes nothing in memory
            raise InputError(
                f"layer {step.layer} ({step.kind}) cannot be in a C header; gpucnn export --onnx has all layers"
            )

    def _weighted(self, number: int, step: s.Convolution | s.Linear, x: str, y: str) -> Iterator[str]:
        """A convolution or a linear layer, in floats or in 8 bits."""
        kind, sizes = "linear", [math.prod(step.given), step.shape[0]]
        if isinstance(step, s.Convolution):
            kind, sizes = "conv", [step.given[0], step.shape[0], step.groups]
        bias = "0" if step.bias is None else self._constant(f"bias{number}", step.bias)
        end = sizes if isinstance(step, s.Linear) else [*sizes, self._window(number, step, step.window)]
        if step.layer not in self.layers:
            yield self._call(kind, x, y, self._constant(f"weight{number}", step.weight), bias, *end)
            return
        layer = self.layers[step.layer]
        weight = self._constant(f"weight{number}", layer.weight)
        scale = self._constant(f"scale{number}", layer.scale * np.float32(layer.step))
        yield self._call("quantise", x, "gpucnn_levels", math.prod(step.given), _number(layer.step), layer.zero)
        yield self._call(f"{kind}_int8", "gpucnn_levels", y, weight, scale, bias, layer.zero, *end)

    def _window(self, number: int, step: s.Step, window: Window) -> str:
        before = tuple(side[0] for side in window.padding)
        parts = (step.given[1:], step.shape[1:], window.kernel, window.stride, before, window.dilation)
        fills = (1, 1, 1, 1, 0, 1)
        text = ", ".join(
            "{" + ", ".join(map(str, ((fill,) * 3 + part)[-3:])) + "}" for part, fill in zip(parts, fills, strict=True)
        )
        self.constants.append(f"static const gpucnn_window gpucnn_window{number} = {{{text}}};")
        return f"&gpucnn_window{number}"

    def _constant(self, name: str, array: np.ndarray) -> str:
        kind, numbers = ("int8_t", map(str, array.ravel())) if array.dtype == np.int8 else ("float", _numbers(array))
        self.weight_bytes += array.size * (1 if kind == "int8_t" else 4)
        text = _lines(f"static const {kind} gpucnn_{name}[{array.size}] = {{", numbers)
        self.constants.append(f"{text}}};")
        return f"gpucnn_{name}"

    def _call(self, function: str, *arguments: object) -> str:
        self.used.append(function)
        return f"    gpucnn_{function}({', '.join(map(str, arguments))});"

    def _at(self, value: int) -> str:
        return f"gpucnn_memory + {self.places[value]}"


def _places(steps: Sequence[s.Step], shape: Sizes) -> tuple[list[int], int]:
    """Where each value begins in one array of floats, and how long it is: values share places, but not while needed."""
    sizes = [math.prod(shape), *(math.prod(step.shape) for step in steps)]
    last = list(range(len(sizes)))  # the step that reads a value last
    for number, step in enumerate(steps, 1):
        for source in step.sources:
            last[source] = number
    same = {number: number for number in range(len(sizes))}  # values that are written over another
    for number, step in enumerate(steps, 1):
        source = same[step.sources[0]]
        if isinstance(step, s.Flatten) or (isinstance(step, IN_PLACE) and last[source] <= number):
            same[number] = source
            last[source] = max(last[source], last[number])
    last[same[len(steps)]] = len(sizes)  # the result is read at the end
    places: dict[int, int] = {}
    for number, size in enumerate(sizes):
        if same[number] != number:
            continue
        taken = sorted((places[other], sizes[other]) for other in places if last[other] >= number)
        place = 0
        for begin, length in taken:
            if place + size <= begin:
                break
            place = max(place, begin + length)
        places[number] = place
    return [places[same[number]] for number in range(len(sizes))], max(places[n] + sizes[n] for n in places)


def _comment(writer: _Writer, entry: Entry, about: About) -> str:
    title = re.sub(r"[^-.,\w ]", " ", about.title)  # nothing that has a meaning in a comment
    lines = [
        f"{title}: a network exported by gpucnn {__version__}.",
        f"Picture: {' x '.join(map(str, entry.shape))} bytes (channels, then rows), from {entry.given.low:g}, black, "
        f"to {entry.given.high:g}, white.",
        f"Memory: {writer.memory:,} bytes beside the weights, and less than 1,000 of stack; weights: "
        f"{writer.weight_bytes:,} bytes.",
        "Needs C99 and its mathematical functions (-lm); nothing is allocated.",
    ]
    if about.accuracy is not None:
        before, after = about.accuracy
        lines.append(f"Weights in 8 bits: accuracy on the test images {before:.2%} before, {after:.2%} after.")
    return "/* " + "\n   ".join(lines) + " */"


def _part(name: str) -> str:
    return resources.files("gpucnn.export").joinpath("c", f"{name}.h").read_text(encoding="utf-8")


def _text(name: str) -> str:
    """A text as C writes it, in UTF-8; bytes in octal, so that nothing in it has a meaning."""
    plain = {ord(each) for each in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.,:;()+*/=<>!#&'"}
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in name.encode()) + '"'


def _number(value: float) -> str:
    """A float32 as C writes it, exactly."""
    if not math.isfinite(value):
        raise InputError("the network's weights are not finite; train it again, with a lower learning rate")
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _numbers(array: np.ndarray) -> Iterator[str]:
    return map(_number, np.asarray(array, np.float32).ravel().tolist())


def _lines(begin: str, words: Iterator[str]) -> str:
    """Words, with commas, on lines that are not too long."""
    lines, line = [begin], "   "
    for word in words:
        if len(line) + len(word) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return "\n".join([*lines, line, ""])
