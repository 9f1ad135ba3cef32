"""What networks, Tensors and runs show of themselves in a notebook: short tables in HTML, all text escaped.

Jupyter asks an object for `_repr_html_`. Networks and Tensors get theirs here, when gpucnn is imported, so that the
files that compute hold no HTML.
"""

import html
from collections.abc import Iterable, Sequence

import numpy as np

from gpucnn import nn
from gpucnn.tensor import Tensor

MOST_ROWS = 40  # of a table
MOST_VALUES = 64  # of a Tensor that is shown value by value
MOST_MEASURED = 10_000_000  # values: of larger Tensors no mean is computed


def table(caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], note: str = "") -> str:
    """A table in HTML; columns whose cells are numbers stand to the right. Longer ones are cut, and say so."""
    listed = [[*row] for row in rows]
    left_out = len(listed) - MOST_ROWS
    if left_out > 0:
        listed[MOST_ROWS:] = [[f"and {left_out:,} more", *[""] * (len(listed[0]) - 1)]]
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in listed)
    top = f"<tr>{''.join(f'<th>{_escaped(name)}</th>' for name in head)}</tr>" if head else ""
    below = f"<div>{_escaped(note)}</div>" if note else ""
    return f"<div><b>{_escaped(caption)}</b><table>{top}{body}</table>{below}</div>"


def _cell(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f'<td style="text-align: {"right" if number else "left"}">{_escaped(value)}</td>'


def _escaped(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return html.escape(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))


def network(net: nn.Module) -> str:
    """The layers of a network, and how many numbers are trained."""
    rows = [
        (name or "(itself)", repr(layer), sum(parameter.size for parameter in layer.parameters()))
        for name, layer in net.named_modules()
        if not any(True for _ in layer.children())
    ]
    parameters = [*net.parameters()]
    count, frozen = (sum(p.size for p in parameters if p.requires_grad is kind) for kind in (True, False))
    mode = "training" if net.training else "evaluation"
    note = f"{count:,} parameters{f', {frozen:,} frozen' if frozen else ''}; in {mode} mode"
    return table(type(net).__name__, ("name", "layer", "parameters"), rows, note)


def tensor(x: Tensor) -> str:
    """A Tensor's shape, type and range; a small one with its values."""
    caption = f"Tensor {x.shape}, {x.dtype}{', requires_grad' if x.requires_grad else ''}"
    if x.ndim <= 2 and 0 < x.size <= MOST_VALUES:
        values = x.numpy()
        return table(caption, (), np.atleast_2d(values).tolist())
    return table(caption, (), _measured(x))


def _measured(x: Tensor) -> list[tuple[str, object]]:
    if not 0 < x.size <= MOST_MEASURED:
        return [("values", x.size)]
    values = x.numpy()
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    rows: list[tuple[str, object]] = [("values", x.size)]
    if finite.size and values.dtype.kind != "b":
        mean = finite.mean(dtype=np.float64).item()
        rows += [("smallest", finite.min().item()), ("mean", mean), ("largest", finite.max().item())]
    if finite.size < values.size:
        rows.append(("not finite", values.size - finite.size))
    return rows


setattr(nn.Module, "_repr_html_", network)  # noqa: B010  (an assignment to a class is an error to mypy)
setattr(Tensor, "_repr_html_", tensor)  # noqa: B010
