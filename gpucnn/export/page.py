"""A trained network as one page, in which it computes itself: `gpucnn draw`'s page, with the network behind it."""

import base64
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from gpucnn.draw import Reader
from gpucnn.errors import InputError
from gpucnn.explain.layers import layer_facts
from gpucnn.export import steps as s
from gpucnn.export.entry import Entry
from gpucnn.geometry import Window
from gpucnn.report.page import in_page
from gpucnn.runs.classifier import Classifier

SCRIPTS = ("images", "steps", "network")  # in the order in which they stand in the page's script
ON_A_PAGE = ("relu", "leaky_relu", "sigmoid", "scaled_tanh")  # the activations that the scripts know
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
STYLE, SOURCE, DRAWING = (
    '<link rel="stylesheet" href="/draw.css">',
    '<script src="/server.js"></script>',
    '<script type="module" src="/draw.js"></script>',
)


def network_page(classifier: Classifier, title: str) -> str:
    """The page's HTML, which needs no other file and no network.

    Raises DataError where the network takes no pictures, InputError for softmax along the axis of images and for layers
    that are only in ONNX, such as gelu.
    """
    page = {**Reader(classifier).describe(), "title": title, "explains": None}  # gradients are not in the page
    steps = s.steps_of(classifier.net, classifier.pipeline.image_shape)
    weights = _Weights()
    entry = Entry.of(classifier.pipeline, classifier.normalizer, bytes_only=True)
    facts = {
        "page": page,
        "entry": {
            "gain": entry.gain,
            "offset": entry.offset,
            "levels": entry.levels,
            "shift": {"begin": weights.add(entry.shift), "length": entry.shift.size},
            "scale": {"begin": weights.add(entry.scale), "length": entry.scale.size},
        },
        "background": classifier.pipeline.background,
        "invert": classifier.pipeline.invert,
        "outputs": classifier.pipeline.outputs,
        "steps": [_step(step, weights) for step in steps],
        "shown": _shown(classifier, steps),
        "weights": weights.text(),
    }
    data = in_page(facts)
    network = "\n".join(_part("gpucnn.export", f"{name}.js") for name in SCRIPTS)
    inlined = {
        STYLE: f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<style>\n{_drawn("draw.css")}</style>',
        SOURCE: f'<script type="application/json" id="network">{data}</script>\n<script>\n{network}</script>',
        DRAWING: f'<script type="module">\n{_drawn("draw.js")}</script>',
    }
    html = _drawn("draw.html")
    for place, content in inlined.items():
        before, _, after = html.partition(place)
        html = before + content + after
    return html


class _Weights:
    """All weights in a row."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.count = 0

    def add(self, array: np.ndarray) -> int:
        """Append an array; returns where it begins."""
        begin, self.count = self.count, self.count + array.size
        self.arrays.append(array.astype("<f4").ravel())
        return begin

    def text(self) -> str:
        """The base64 of all, float32, little-endian."""
        return base64.b64encode(np.concatenate(self.arrays).tobytes()).decode()


def _step(step: s.Step, weights: _Weights) -> dict[str, Any]:
    """A step as the page's script takes it; it knows each of its operations by a function of that name."""
    facts: dict[str, Any] = {"sources": step.sources, "given": step.given, "shape": step.shape}
    match step:
        case s.Convolution() | s.Linear():
            facts["operation"] = "linear"
            facts["weight"] = weights.add(step.weight)
            facts["bias"] = None if step.bias is None else weights.add(step.bias)
            if isinstance(step, s.Convolution):
                facts |= {"operation": "convolution", "window": _window(step, step.window), "groups": step.groups}
        case s.MaxPool():
            facts |= {"operation": "max_pool", "window": _window(step, step.window)}
        case s.AveragePool():
            facts |= {"operation": "average_pool", "window": _window(step, step.window), "counted": step.counted}
        case s.Pad():
            facts |= {"operation": "pad", "sides": step.sides, "mode": step.mode}
        case s.Normalise():
            parts = {"factor": weights.add(step.factor), "summand": weights.add(step.summand)}
            facts |= {"operation": "normalise", **parts}
        case s.Activation() if step.function in ON_A_PAGE:
            facts |= {"operation": step.function, "numbers": step.numbers}
        case s.Softmax() if step.axis > 0:
            facts |= {"operation": "softmax", "axis": step.axis, "log": step.log}
        case s.Flatten() | s.Add():
            facts["operation"] = type(step).__name__.lower()
        case s.Softmax():
            raise InputError(
                f"layer {step.layer} ({step.kind}) cannot be in a page, which shows one picture at a time: its dim is "
                "that of pictures"
            )
        case _:
            raise InputError(
                f"layer {step.layer} ({step.kind}) cannot be in a page; gpucnn export --onnx has all layers"
            )
    return facts


def _window(step: s.Step, window: Window) -> dict[str, Any]:
    before = [side[0] for side in window.padding]
    moves = {"kernel": window.kernel, "stride": window.stride, "dilation": window.dilation}
    return {"input": step.given[1:], "before": before, **moves}


def _shown(classifier: Classifier, steps: Sequence[s.Step]) -> list[int]:
    """For each layer that the page shows, the number of the value that it gives; dropout's is the one before."""
    last, shown = {step.layer: number for number, step in enumerate(steps, 1)}, [0]
    for facts in layer_facts(classifier.net, classifier.pipeline.image_shape):
        shown.append(last.get(facts.name, shown[-1]))
    return shown[1:]


def _drawn(name: str) -> str:
    """A file of `gpucnn draw`'s page."""
    return _part("gpucnn.draw", name)


def _part(package: str, name: str) -> str:
    return resources.files(package).joinpath("page", name).read_text(encoding="utf-8")
