"""Small pictures of lessons as SVG: arrays as shades, arrays as numbers in cells, and curves.

What is drawn is rounded, so that the same program makes the same file everywhere.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

SHADES = 15  # steps from the darkest to the lightest
GAP, TITLE, FONT = 14, 20, 13  # pixels: between tiles, the line of a title, its letters
CELL = 34  # pixels: a number's
COLOURS = ("#1f6fb2", "#d1701c", "#2b8a5a", "#8a4fb0", "#b03048", "#7a6a30")
Rows = tuple[int, int]  # first, and one past the last
Mark = tuple[Rows, Rows]


def shades(path: str | Path, tiles: Mapping[str, np.ndarray], columns: int = 4, side: int = 112) -> None:
    """Draw arrays (H, W) in a grid, `side` pixels the longer side of each, its title above.

    The smallest value of a tile is black and the largest white; where values are negative, 0 is white, what is above
    orange and what is below blue.
    """
    parts = []
    for number, (title, values) in enumerate(tiles.items()):
        row, column = divmod(number, columns)
        x, y = GAP + column * (side + GAP), row * (side + GAP + TITLE) + TITLE
        parts.append(_text(x, y - 5, title))
        parts.append(f'<g transform="translate({x} {y}) scale({_number(side / max(values.shape))})">')
        parts += [*_runs(np.asarray(values, np.float64)), "</g>"]
        wide, high = (_number(side * length / max(values.shape)) for length in values.shape[::-1])
        parts.append(f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" fill="none" stroke="#c9d1d9"/>')
    rows = -(-len(tiles) // columns)
    _write(path, GAP + min(columns, len(tiles)) * (side + GAP), rows * (side + GAP + TITLE), parts, "crispEdges")


def cells(path: str | Path, tables: Mapping[str, np.ndarray], marks: Mapping[str, Mark] | None = None) -> None:
    """Draw arrays (H, W) side by side as numbers in cells; `marks` frames rows and columns of some, by title."""
    parts, left, bottom = [], GAP, 0
    for title, table in tables.items():
        rows, columns = table.shape
        parts.append(_text(left, TITLE - 5, title))
        for (row, column), value in np.ndenumerate(table):
            x, y = left + column * CELL, TITLE + row * CELL
            parts.append(f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="none" stroke="#9aa5b1"/>')
            parts.append(_text(x + CELL / 2, y + CELL / 2 + 4.5, f"{value:.3g}", 'text-anchor="middle"'))
        if marks and title in marks:
            (top, end), (first, last) = marks[title]
            place = f'x="{left + first * CELL}" y="{TITLE + top * CELL}"'
            size = f'width="{(last - first) * CELL}" height="{(end - top) * CELL}"'
            parts.append(f'<rect {place} {size} fill="{COLOURS[1]}" fill-opacity="0.2" stroke="{COLOURS[1]}"/>')
        bottom = max(bottom, TITLE + rows * CELL)
        left += max(columns * CELL, 7 * len(title)) + 2 * GAP
    _write(path, left, bottom + GAP, parts)


def curves(
    path: str | Path,
    lines: Mapping[str, Sequence[float] | np.ndarray],
    x: str,
    y: str,
    first: float = 1,
    step: float = 1,
) -> None:
    """Draw lines of values over the numbers `first`, `first` + `step`, ...; `x` and `y` say what the axes are."""
    width, height, left, top = 420, 220, 46, 26
    known = [value for line in lines.values() for value in line if math.isfinite(value)]
    ticks = _ticks(min(0.0, *known), max(known))
    low, high = ticks[0], ticks[-1]
    longest = max(map(len, lines.values()))
    ends = [(left, first), (left + width, first + step * (longest - 1))]
    below = top + height + 18
    parts = [f'<path d="M{left} {top}v{height}h{width}" fill="none" stroke="#6b7783"/>', _text(left, 15, y)]
    parts += [
        _text(left - 6, top + height * (high - tick) / (high - low) + 4, f"{tick:g}", 'text-anchor="end"')
        for tick in ticks
    ]
    parts += [_text(place, below, f"{value:g}", 'text-anchor="middle"') for place, value in ends]
    parts.append(_text(left + width / 2, below, x, 'text-anchor="middle"'))
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{_number(left + width * place / max(longest - 1, 1))},{_number(top + height * (high - v) / (high - low))}"
            for place, v in enumerate(line)
            if math.isfinite(v)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(left + width + 12, top + 14 + 18 * number, name, f'style="fill: {colour}"'))
    _write(path, left + width + 24 + 8 * max(map(len, lines)), below + 10, parts)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, four to eight of them, from below the lowest value to above the highest."""
    rough = (high - low) / 5 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    apart = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [apart * place for place in range(math.floor(low / apart + 1e-6), math.ceil(high / apart - 1e-6) + 1)]


def _runs(values: np.ndarray) -> list[str]:
    """A path for each shade, of the runs of neighbours that have it."""
    steps, palette = _stepped(values)
    paths: dict[int, list[str]] = {}
    for row, line in enumerate(steps.tolist()):
        starts = [0, *(place for place in range(1, len(line)) if line[place] != line[place - 1]), len(line)]
        for start, end in zip(starts, starts[1:], strict=False):
            paths.setdefault(line[start], []).append(f"M{start} {row}.5h{end - start}")
    return [f'<path d="{"".join(runs)}" stroke="{palette[step]}"/>' for step, runs in sorted(paths.items())]


def _stepped(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The shade of each value, and the colours of the shades. A tie is broken upward, however it was rounded."""
    low, high = float(values.min()), float(values.max())
    if low < 0:
        reach = max(-low, high)
        return np.floor((values / reach + 1) / 2 * (2 * SHADES) + 0.5 + 1e-6).astype(int), _blue_to_orange()
    steps = np.floor((values - low) / ((high - low) or 1.0) * SHADES + 0.5 + 1e-6).astype(int)
    return steps, [_colour(step / SHADES, (0, 0, 0), (255, 255, 255)) for step in range(SHADES + 1)]


def _blue_to_orange() -> list[str]:
    blue, white, orange = (31, 111, 178), (255, 255, 255), (209, 112, 28)
    below = [_colour(step / SHADES, blue, white) for step in range(SHADES)]
    return below + [_colour(step / SHADES, white, orange) for step in range(SHADES + 1)]


def _colour(share: float, low: Sequence[int], high: Sequence[int]) -> str:
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(low, high, strict=True))


def _text(x: float, y: float, words: str, options: str = "") -> str:
    return f'<text x="{_number(x)}" y="{_number(y)}" {options}>{escape(words)}</text>'


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _write(path: str | Path, width: float, height: float, parts: list[str], rendering: str = "auto") -> None:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_number(width)} {_number(height)}" '
        f'width="{_number(width)}" height="{_number(height)}" shape-rendering="{rendering}">'
    )
    style = f'<style>text {{ font: {FONT}px system-ui, "DejaVu Sans", sans-serif; fill: #1f2933; }}</style>'
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    Path(path).write_text("\n".join([head, style, ground, *parts, "</svg>\n"]), encoding="utf-8")
