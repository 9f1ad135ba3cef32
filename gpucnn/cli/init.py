"""`gpucnn init`: write a first configuration, after a look at the data, or after a few questions."""

import argparse
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from gpucnn import functional as F
from gpucnn.cli.device import choose_device
from gpucnn.config.build import build_network, build_optimizer
from gpucnn.config.check import check
from gpucnn.config.draft import Choices, draft, suggested
from gpucnn.config.schema import FOLDER_NAME, Checked
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.data.survey import Survey, survey
from gpucnn.errors import InputError
from gpucnn.tensor import Tensor

MINUTES = 5.0  # of training, where none are asked for
MOST_EPOCHS, TIMED_STEPS = 100, 3
MNIST = Survey(
    {"name": "mnist", "fallback": "digits"}, (1, 28, 28), True, False, tuple("0123456789"), 60_000, frozenset({"test"})
)

T = TypeVar("T")


def run(arguments: argparse.Namespace) -> None:
    """Look at the data, or ask, and write the file. Raises InputError where it exists, or where nobody can be asked."""
    if arguments.data is not None:
        where, name, found, minutes = arguments.data, *_look(arguments.data), arguments.minutes or MINUTES
        target = _new(arguments.out or f"{name}.yaml")
        print(described(where, found))
        choices = suggested(found, minutes)
    elif sys.stdin.isatty():
        where, (name, found) = _ask("Your images: a folder, a .csv or a .npz (nothing: MNIST's digits)", "", _place)
        print(described(where or "MNIST", found))
        minutes = arguments.minutes or _ask("Minutes that training may take", f"{MINUTES:g}", _minutes)
        choices = _asked(found, suggested(found, minutes))
        target = _ask("File to write", arguments.out or f"{name}.yaml", _new)
    else:
        raise InputError(
            "init asks its questions on a terminal, and there is none; name your data instead: gpucnn init FOLDER, "
            "gpucnn init FILE.csv or gpucnn init FILE.npz"
        )
    seconds = _seconds_per_epoch(draft(name, target.name, found, choices), found, choices)
    choices = choices._replace(epochs=min(max(int(60 * minutes / seconds), 1), MOST_EPOCHS))
    with target.open("x", encoding="utf-8") as file:  # x: never over another file
        file.write(draft(name, str(target), found, choices))
    print(f"{target} is written: {choices.epochs} epochs of about {_about(seconds)} here. Train with\n")
    print(f"  gpucnn train {target}")


def described(where: object, found: Survey) -> str:
    """What was found, in a line."""
    channels, height, width = found.shape
    kind = ("grey" if channels == 1 else "colour") if channels in (1, 3) else f"{channels}-channel"
    about = "" if found.same_size else "about "
    shown = ", ".join(found.classes[:8]) + (", ..." if len(found.classes) > 8 else "")
    return (
        f"{where}: {found.images:,} {kind} images of {about}{height} x {width} pixels, {len(found.classes)} classes "
        f"({shown})"
    )


def _look(path: str) -> tuple[str, Survey]:
    """The name of a configuration for data, and what they hold. Raises InputError."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            "the path holds bytes that are not UTF-8; a configuration is text in UTF-8: rename it"
        ) from None
    place = Path(path).expanduser()
    return _fit(place.resolve().name.partition(".")[0]), survey(place)


def _fit(name: str) -> str:
    """A name that a run's folder may have, as like `name` as that allows."""
    fit = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:64]
    return fit if FOLDER_NAME.fullmatch(fit) else "my_data"


def _new(path: str) -> Path:
    """A file that may be written. Raises InputError where there is one, or no folder for it."""
    target = Path(path).expanduser()
    if target.exists():
        raise InputError(f"{target} exists, and nothing is written over; name another with --out, or remove it")
    if not target.parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.parent}; make it, or name another file with --out")
    return target


def _seconds_per_epoch(text: str, found: Survey, choices: Choices) -> float:
    """How long an epoch takes on this device: the time of a step on random images, times the steps.

    Raises ConfigError where the configuration is at odds with the data.
    """
    checked: Checked = check(read_yaml(text, "the configuration"))
    choose_device(None, checked.config)
    batch, channels = checked.config.train.batch_size, choices.channels
    net = build_network(checked, (channels, *choices.size), len(found.classes))
    optimizer = build_optimizer(checked.config, net.parameters())
    rng = np.random.default_rng(0)
    images = Tensor(rng.standard_normal((batch, channels, *choices.size), np.float32))
    labels = rng.integers(len(found.classes), size=batch)

    def step() -> float:
        began = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()  # waits for a GPU
        return time.perf_counter() - began

    step()  # which fills tables, and compiles
    return min(step() for _ in range(TIMED_STEPS)) * math.ceil(found.images / batch)


def _about(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


# --- questions ------------------------------------------------------------------------------------------------------


def _asked(found: Survey, choices: Choices) -> Choices:
    """The choices, each asked about where the data leave it open."""
    if found.from_pictures:
        kind = _ask("Grey or colour", "grey" if choices.channels == 1 else "colour", _colours)
        height, width = choices.size
        size = _ask("Pixels of a side, or HEIGHTxWIDTH", str(height) if height == width else f"{height}x{width}", _size)
        choices = choices._replace(channels=kind, size=size, mirrored=choices.mirrored and kind == 3)
    mirrored = _ask("May images be mirrored in training (things: yes; letters: no)", _word(choices.mirrored), _yes)
    return choices._replace(mirrored=mirrored)


def _ask(question: str, default: str, read: Callable[[str], T]) -> T:
    """The answer as `read` understands it; asked again where that raises InputError. Nothing stands for the default."""
    while True:
        try:
            answer = input(f"{question} [{default}]: " if default else f"{question}: ").strip() or default
        except EOFError:
            raise InputError("the questions were broken off, and nothing is written") from None
        try:
            return read(answer)
        except InputError as error:
            print(error)


def _place(answer: str) -> tuple[str, tuple[str, Survey]]:
    return answer, _look(answer) if answer else ("mnist", MNIST)


def _minutes(answer: str) -> float:
    minutes = float(answer) if re.fullmatch(r"\d{1,6}(\.\d*)?", answer) else 0
    if minutes <= 0:
        raise InputError(f"{answer}: expected a number of minutes above 0, such as 5")
    return minutes


def _colours(answer: str) -> int:
    known = {"grey": 1, "gray": 1, "g": 1, "1": 1, "colour": 3, "color": 3, "c": 3, "3": 3}
    if answer.lower() not in known:
        raise InputError(f"{answer}: expected grey or colour")
    return known[answer.lower()]


def _size(answer: str) -> tuple[int, int]:
    numbers = [int(side) for side in re.findall(r"\d{1,4}", answer)]
    if not re.fullmatch(r"\s*\d{1,4}\s*([x×, ]\s*\d{1,4}\s*)?", answer) or min(numbers) < 4:
        raise InputError(f"{answer}: expected pixels, from 4: a number, such as 32, or height and width, such as 32x48")
    return numbers[0], numbers[-1]


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


def _yes(answer: str) -> bool:
    if answer.lower() not in ("y", "yes", "n", "no"):
        raise InputError(f"{answer}: expected yes or no")
    return answer.lower().startswith("y")
