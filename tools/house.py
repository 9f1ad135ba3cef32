"""The parts of gpucnn in the order in which they import each other, and where that order is shown.

    python tools/house.py

draws docs/architecture.svg and writes the list in docs/architecture.md. A test holds both, and imports, to `BANDS`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
PICTURE, PAGE = ROOT / "docs/architecture.svg", ROOT / "docs/architecture.md"


class Part(NamedTuple):
    """A file or a package of gpucnn."""

    name: str
    says: str


class Band(NamedTuple):
    """Rows of parts, drawn in one colour. A part imports only from rows further down."""

    title: str
    colours: tuple[str, str, str, str]  # fill and line, in light and in dark
    rows: tuple[tuple[Part, ...], ...]


BANDS = (
    Band(
        "Runs",
        ("#fdf3e1", "#d9a441", "#33270f", "#b98a32"),
        (
            (
                Part(
                    "cli",
                    "the commands: init, train, sweep, eval, predict, report, draw, export, filter, info, …",
                ),
            ),
            (Part("course", "the lessons of docs/course: their programs run, their exercises checked"),),
            (Part("sweep", "many runs of one configuration: what is tried, the workers, a page that ranks them"),),
            (Part("export", "a network for other places: ONNX, a page, a C header; networks from ONNX"),),
            (Part("live", "the report of a run, served while it trains"),),
            (Part("draw", "a page to draw digits on, which shows the network's prediction"),),
            (Part("sklearn", "CNNClassifier: a network as a scikit-learn estimator"),),
            (Part("loggers", "what TensorBoard, CSV files and MLflow are told of a training"),),
            (Part("report", "a page on a run, or several; pictures of networks and runs"),),
            (Part("explain", "why a network answers as it does, what its layers compute, how far to believe it"),),
            (Part("runs", "run folders: their files, training in one, opening one again"),),
            (Part("config", "one YAML file: read, checked, and built; every fault with its place"),),
            (Part("training", "the loop: steps, captured steps, evaluation, losses, checkpoints"),),
            (
                Part("data", "sources, splits, augmentation, batches"),
                Part("metrics", "accuracy, confusion matrix, precision, recall, F1"),
            ),
            (Part("notebook", "what networks, Tensors and runs show of themselves in a notebook"),),
        ),
    ),
    Band(
        "Networks",
        ("#e3f1fb", "#5a9fd0", "#10283a", "#4a8cbb"),
        (
            (
                Part("nn", "layers, by PyTorch's names"),
                Part("optim", "SGD, Adam, RMSprop, Muon; schedules"),
                Part("filters", "blur, sharpen: fixed kernels"),
            ),
            (Part("functional", "the operations: conv2d, pooling, losses, …"),),
        ),
    ),
    Band(
        "Tape",
        ("#e2f4ee", "#3fa58a", "#0f2c25", "#36917a"),
        ((Part("tensor", "Tensor and Function: arrays that record how they were computed; gradients"),),),
    ),
    Band(
        "Arrays",
        ("#f1eafa", "#9778c4", "#271d38", "#8a6cb8"),
        (
            (Part("kernels", "arrays in, arrays out, no tape: one set each for NumPy, C and CUDA"),),
            (
                Part("generators", "random numbers"),
                Part("threads", "a pool of threads"),
                Part("geometry", "sizes, padding, fields"),
            ),
            (Part("parallel", "processes that train together: MPI and NCCL"),),
            (Part("backend", "the device that computes, NumPy or CuPy; the only module that imports CuPy"),),
        ),
    ),
    Band(
        "Foundation",
        ("#eef0f2", "#9aa5b1", "#1c2128", "#6b7783"),
        (
            (
                Part("errors", "exception types"),
                Part("files", "files complete or absent"),
                Part("garbage", "garbage sought later"),
                Part("version", "the version of gpucnn"),
            ),
        ),
    ),
)
ROWS = [[part.name for part in row] for band in BANDS for row in band.rows]  # from the top down

LEFT, WIDTH, GAP, HEIGHT = 128, 684, 8, 48  # pixels: of the boxes
TOP, BETWEEN = 62, 18  # above the first box, and between bands
STYLE = """\
    text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933; }
    .name { font: bold 14.5px ui-monospace, SFMono-Regular, Consolas, "DejaVu Sans Mono", monospace; }
    .says, .note { fill: #47525d; font-size: 12.5px; }
    .band { font-weight: bold; font-size: 14px; }
    .head { font-weight: bold; font-size: 17px; }
    .card { fill: #ffffff; stroke: #c9d1d9; }
    .arrow { fill: none; stroke: #6b7783; stroke-width: 2; }"""
DARK = """\
      text { fill: #e6edf3; }
      .says, .note { fill: #b4bec9; }
      .card { fill: #0d1117; stroke: #3d444d; }
      .arrow { stroke: #9aa5b1; }"""


def picture() -> str:
    """docs/architecture.svg: a box for each part, the importing above the imported."""
    body, y = [], TOP
    for band in BANDS:
        body.append(f'  <g class="{band.title.lower()}">')
        height = len(band.rows) * (HEIGHT + GAP) - GAP
        body.append(f'    <text class="band" x="28" y="{y + height // 2 + 5}">{band.title}</text>')
        for row in band.rows:
            body += _row(row, y)
            y += HEIGHT + GAP
        body.append("  </g>")
        y += BETWEEN - GAP
    bottom = y - BETWEEN
    light = [f"    .{b.title.lower()} rect {{ fill: {b.colours[0]}; stroke: {b.colours[1]}; }}" for b in BANDS]
    dark = [f"      .{b.title.lower()} rect {{ fill: {b.colours[2]}; stroke: {b.colours[3]}; }}" for b in BANDS]
    size = (880, bottom + 28)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" '
        f'height="{size[1]}" role="img" aria-labelledby="title desc">',
        '  <title id="title">The architecture of gpucnn</title>',
        '  <desc id="desc">The packages and files of gpucnn, from the command line at the top to NumPy and CuPy at the '
        "bottom. Each imports only from those below it.</desc>",
        "  <style>",
        STYLE,
        *light,
        "    @media (prefers-color-scheme: dark) {",
        DARK,
        *dark,
        "    }",
        "  </style>",
        f'  <rect class="card" x="0.5" y="0.5" width="{size[0] - 1}" height="{size[1] - 1}" rx="12"/>',
        '  <text class="head" x="28" y="38">gpucnn</text>',
        f'  <text class="note" x="{LEFT}" y="38">each imports only from those below it; a test holds that</text>',
    ]
    arrow = f'  <path class="arrow" d="M846 {TOP} V{bottom} M839 {bottom - 9} L846 {bottom} L853 {bottom - 9}"/>'
    return "\n".join([*head, *body, arrow, "</svg>"]) + "\n"


def _row(parts: tuple[Part, ...], y: int) -> Iterator[str]:
    width = (WIDTH - GAP * (len(parts) - 1)) // len(parts)
    for number, part in enumerate(parts):
        x = LEFT + number * (width + GAP)
        yield f'    <rect id="{part.name}" x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="7"/>'
        yield f'    <text class="name" x="{x + 14}" y="{y + 20}">{part.name}</text>'
        yield f'    <text class="says" x="{x + 14}" y="{y + 38}">{escape(part.says)}</text>'


def page(text: str) -> str:
    """docs/architecture.md with the parts listed in the order of import, the first importing from none."""
    names = [name for row in reversed(ROWS) for name in row]
    half = len(names) // 2
    listed = f"`{' '.join(names[:half])}\n{' '.join(names[half:])}`"
    changed, found = re.subn(r"`errors files [^`]*`", listed, text)
    if found != 1:
        raise SystemExit(f"{PAGE}: expected one list that begins with `errors files`; found {found}")
    return changed


if __name__ == "__main__":
    PICTURE.write_text(picture())
    PAGE.write_text(page(PAGE.read_text()))
