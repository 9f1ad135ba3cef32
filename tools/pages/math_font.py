"""The font of formulas: STIX Two Math (Open Font License) out of the package ziamath, with the letters that they need.

A font for formulas has a table that says how brackets, roots and sums grow; without one they stay small. Not every
system has such a font.
"""

import io
from importlib.metadata import distribution

from fontTools import subset, ttLib

PATH = "assets/math.ttf"
RANGES = (
    (0x20, 0x17F),  # Latin letters
    (0x2B0, 0x36F),  # accents
    (0x391, 0x3F6),  # Greek
    (0x2010, 0x20FF),  # dashes, primes
    (0x2190, 0x22FF),  # arrows, operators
    (0x2308, 0x23E1),  # brackets and their pieces
    (0x27E6, 0x27EF),
    (0x1D400, 0x1D467),  # bold and italic
    (0x1D5A0, 0x1D5D3),  # without serifs
    (0x1D6A8, 0x1D71B),  # Greek, bold and italic
)


def font() -> bytes:
    """The font's file, a tenth of the whole."""
    whole = ttLib.TTFont(distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf"))
    subsetter = subset.Subsetter(subset.Options(layout_features=["ssty", "dtls", "flac"]))
    subsetter.populate(unicodes=[number for first, last in RANGES for number in range(first, last + 1)])
    subsetter.subset(whole)
    file = io.BytesIO()
    whole.save(file)
    return file.getvalue()
