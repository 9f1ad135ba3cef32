"""A first configuration for data that were looked at: YAML with a comment on each choice."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from gpucnn.data.survey import Survey

FEW = 500  # images: of fewer a fifth is watched, not a tenth
SMALL_BATCH = 5_000  # images: of fewer 32 make a batch, not 64
NARROWEST = 4  # pixels: maps are halved until they are as small
PLAIN = re.compile(r"[A-Za-z_~/][A-Za-z0-9_./-]*[./_][A-Za-z0-9_./-]*|mnist|folder|npz|csv|digits")  # is text in YAML
COMMENTS = 46  # the column that they begin in
STRETCH = 1.25  # of sides: pictures that are longer keep their proportions


class Choices(NamedTuple):
    """What data alone do not tell."""

    channels: int
    size: tuple[int, int]  # (H, W) of the images that the network sees
    mirrored: bool  # whether training may exchange left and right
    width: int  # channels of the first convolution
    epochs: int = 30


def suggested(found: Survey, minutes: float) -> Choices:
    """What fits the data and about so many minutes of training.

    Pictures in colour are mirrored, unless classes are named by single characters, as digits and letters are.
    """
    channels, height, width = found.shape
    longest = 32 if minutes <= 2 else 64 if minutes <= 30 else 96
    as_they_are = not found.from_pictures or found.same_size and max(height, width) <= longest
    size = (height, width) if as_they_are else _fitted(height, width, longest)
    mirrored = channels == 3 and any(len(name) > 1 for name in found.classes)
    return Choices(channels, size, mirrored, width=16 if minutes <= 30 else 32)


def _fitted(height: int, width: int, longest: int) -> tuple[int, int]:
    """Sides of at most `longest` that are halved well: a square, or in the pictures' proportions if far from one."""
    factor = min(1, longest / max(height, width))
    if max(height, width) <= STRETCH * min(height, width):
        height = width = max(height, width)
    return _whole(height * factor), _whole(width * factor)


def _whole(side: float) -> int:
    """The nearest multiple of 8, at least 8."""
    return max(8 * round(side / 8), 8)


def draft(name: str, file: str, found: Survey, choices: Choices) -> str:
    """The YAML of a configuration called `name` in the file `file`."""
    lines = [
        f"# Made by `gpucnn init` for {found.images:,} images of {len(found.classes)} classes. Train with",
        "#",
        f"#   gpucnn train {file}",
        "#",
        f"# Every option with its default: gpucnn config show {file}. See docs/data.md and docs/recipes.md.",
        f"name: {name}",
        "seed: 0  # the same seed on the same machine gives the same network",
        "data:",
        *(f"  {line}" for line in _data(found, choices)),
        "model:  # input sizes are inferred",
        *(f"  - {layer}" for layer in _model(choices)),
        "optimizer: {name: adam, lr: 0.003}",
        "schedule: {name: cosine, warmup: 0.1}  # rising over a tenth of the run, then falling to 0",
        "train:",
        f"  epochs: {choices.epochs}",
        f"  batch_size: {32 if found.images < SMALL_BATCH else 64}",
        "  early_stop: {patience: 10}  # stop when ten epochs have brought nothing; the best epoch is kept",
    ]
    return "\n".join(map(_aligned, lines)) + "\n"


def _aligned(line: str) -> str:
    """The comment behind a value, in the column of the others."""
    value, mark, comment = line.partition("  # ")
    return f"{value.rstrip():<{COMMENTS}} # {comment}" if mark and value else line


def _data(found: Survey, choices: Choices) -> Iterator[str]:
    height, width = choices.size
    for key, value in found.options.items():
        comment = "  # where there are no test images of their own, so many are held out" if key == "test" else ""
        yield f"{key}: {_text(value)}{comment}"
    if found.from_pictures:
        size = height if height == width else f"[{height}, {width}]"
        yield f"size: {size}  # every picture is brought to {height} x {width} pixels"
        yield f"channels: {choices.channels}  # 3: colour, 1: grey"
    if "validation" in found.parts:
        yield "# the data have validation images of their own, which are watched after each epoch"
    elif found.options["name"] == "mnist":
        yield "validation: 10000  # training images that are watched after each epoch"
    else:
        share = 0.2 if found.images < FEW else 0.1
        yield f"validation: {share}  # of the training images: watched after each epoch, not trained on"
    yield "normalize: standard"
    augment = f"shift: {max(1, round(min(height, width) / 14))}, rotate: 10, flip: {str(choices.mirrored).lower()}"
    yield f"augment: {{{augment}}}  # random changes; flip mirrors, which suits things but not letters"


def _text(value: str | float) -> str:
    """A value in YAML: text in quotes where it needs them."""
    plain = not isinstance(value, str) or PLAIN.fullmatch(value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _model(choices: Choices) -> Iterator[str]:
    """Convolutions, each half as wide and high as the one before and with twice its channels."""
    side, channels = min(choices.size), choices.width
    while True:
        halved = side >= 2 * NARROWEST and channels < 8 * choices.width
        yield f"conv2d: {{out_channels: {channels}, kernel_size: 3, padding: same, bias: false}}"
        yield "batch_norm2d"
        yield "relu"
        if not halved:
            break
        yield "max_pool2d: {kernel_size: 2}"
        side, channels = side // 2, 2 * channels
    yield "global_avg_pool2d"
    yield "flatten"
    yield "dropout: {p: 0.2}"
    yield "linear: {out_features: classes}  # as many as the data have"
