"""Formulas of built pages as MathML, which browsers draw by themselves: no script is needed.

The Markdown extension pymdownx.arithmatex leaves a formula's LaTeX in an element of the class `arithmatex`.
"""

import html
import re

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.S)


def with_formulas(page: str) -> str:
    """A page's HTML with its formulas drawn."""
    return FORMULA.sub(_drawn, page)


def _drawn(found: re.Match[str]) -> str:
    block = found[1] == "div"
    latex = html.unescape(found[2])
    drawn = convert(" ".join(latex.split()), display="block" if block else "inline")
    return f'<div class="formula">{drawn}</div>' if block else drawn
