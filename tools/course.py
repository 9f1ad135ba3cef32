"""What the lessons of docs/course print, and their pictures.

    python tools/course.py [NUMBER...]

runs the programs of those lessons, or of all, and writes what they print, and their pictures, into docs/course. Edit
the pages, not what stands in their blocks marked as output. A test holds that both are up to date; figures under
"Output on one machine", times above all, may be others there.
"""

import contextlib
import io
import os
import re
import sys
from pathlib import Path

import gpucnn
from gpucnn.course import pages

EXACT, ABOUT = "Output", "Output on one machine"  # titles of blocks of output
NUMBER = re.compile(r"\d+(\.\d+)?")


def again(path: Path) -> str:
    """The page with what its program prints now; pictures are written into the current folder."""
    names: dict[str, object] = {"__name__": path.stem}
    printed = ""

    def block(found: re.Match[str]) -> str:
        nonlocal printed
        whole, title = found[0], found["title"]
        if found["language"] == "python":
            if printed:
                raise ValueError(f"{path.name}: no block of output follows the one that prints {printed[:60]!r}")
            written = io.StringIO()
            with contextlib.redirect_stdout(written):
                pages.execute(found["text"], path.name, names)
            printed = written.getvalue()
        elif title in (EXACT, ABOUT):
            whole, printed = f'```{found["language"]} title="{title}"\n{printed}```', ""
        return whole

    text = pages.PATTERN.sub(block, path.read_text(encoding="utf-8"))
    if printed:
        raise ValueError(f"{path.name}: no block of output follows the one that prints {printed[:60]!r}")
    return text


def without_times(text: str) -> str:
    """A page without the figures of its outputs that depend on the machine."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"\s+", " ", NUMBER.sub("#", found[0])) if found["title"] == ABOUT else found[0]

    return pages.PATTERN.sub(blank, text)


def main() -> None:
    gpucnn.set_device("cpu")
    numbers = [int(word) for word in sys.argv[1:]] or range(1, len(pages.pages()) + 1)
    for number in numbers:
        path = pages.page(number)
        os.chdir(path.parent)
        path.write_text(again(path), encoding="utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
