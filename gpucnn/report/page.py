"""Writing reports: a self-contained page, and pictures."""

import html
import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucnn.files import atomic_write
from gpucnn.garbage import uncollected
from gpucnn.report.confusion import plot_confusion
from gpucnn.report.curves import plot_curves
from gpucnn.report.facts import comparison_facts, report_facts
from gpucnn.report.feature_maps import plot_feature_maps
from gpucnn.report.history import read_confusion
from gpucnn.report.inside import first_of_classes
from gpucnn.report.kernels import convolutions, plot_kernels
from gpucnn.report.subject import Subject

if TYPE_CHECKING:
    from gpucnn.report.canvas import Picture

PAGE, COMPARISON = "report.html", "comparison.html"
CURVES, CONFUSION, KERNELS, FEATURE_MAPS = "curves.png", "confusion.png", "kernels.png", "feature_maps.png"
# In the order in which they stand in the page's one script: each uses those before it.
SCRIPTS = (
    "tools", "theme", "architecture", "curves", "health", "images", "predictions", "scores", "answers", "belief",
    "space", "dataset", "tiles", "kernels", "forming", "likes", "maps", "comparison", "sweep", "assembly",
)  # fmt: skip
# What the parser of HTML looks for inside a script, and two that end lines in old ones: JSON can say them otherwise.
ESCAPED = {each: f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


def write_report(subject: Subject, page: Path | None = None) -> Path:
    """Write report.html and its pictures into the run's folder, each whole or absent; returns the page's path.

    `page` is where to write the page instead. Pictures: curves.png, confusion.png and feature_maps.png where there are
    test images, kernels.png where there are convolutions. Raises InputError where no epoch is done, CheckpointError
    where the run's files are damaged, OSError where the folder cannot be written.
    """
    page = page or subject.folder.path / PAGE
    with uncollected():
        facts = report_facts(subject)
        for name, plot in _pictures(subject).items():
            atomic_write(subject.folder.path / name, plot().png())
    atomic_write(page, render(facts))
    return page


def write_comparison(subjects: Sequence[Subject], differing: Sequence[tuple[str, Sequence[str]]], page: Path) -> Path:
    """Write one page on several runs; `differing` are the options in which they differ.

    Raises as `write_report`, and InputError for more runs than distinct colours.
    """
    atomic_write(page, render(comparison_facts(subjects, differing)))
    return page


def render(facts: dict[str, Any]) -> bytes:
    """The page on `facts`: HTML that contains its style, script and data."""
    parts = {
        "title": html.escape(facts["title"]),
        "style": part("report.css"),
        "script": script(),
        "facts": in_page(facts),
    }
    return filled(part("report.html"), parts).encode()


def script() -> str:
    """The script of a page, which draws what its element `facts` tells."""
    return "\n".join(part(f"{name}.js") for name in SCRIPTS)


def in_page(facts: dict[str, Any]) -> str:
    """Facts in JSON that may stand in an element of a page."""
    text = json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for each, otherwise in ESCAPED.items():
        text = text.replace(each, otherwise)  # which takes a tenth of the time of str.translate
    return text


def filled(template: str, parts: dict[str, str]) -> str:
    """A page with its parts in the places @@name@@ of the template."""
    pieces = template.split("@@")  # text, name, text, name, ..., text
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def part(name: str) -> str:
    """A file of the page, as text."""
    return resources.files("gpucnn.report").joinpath("page", name).read_text(encoding="utf-8")


def _pictures(subject: Subject) -> dict[str, Callable[[], "Picture"]]:
    """The pictures of a run by name, and the functions that draw them."""
    path, test = subject.folder.path, subject.test
    pictures: dict[str, Callable[[], Picture]] = {CURVES: lambda: plot_curves(path)}
    if subject.folder.finished and read_confusion(subject.folder) is not None:
        pictures[CONFUSION] = lambda: plot_confusion(path)
    if convolutions(subject.net):
        pictures[KERNELS] = lambda: plot_kernels(subject.net)
    if test is not None:
        image = subject.normalizer.apply(test.images[first_of_classes(test.strata)[:1]])[0]
        pictures[FEATURE_MAPS] = lambda: plot_feature_maps(subject.net, image)
    return pictures
