"""The font of formulas: STIX Two Math (Open Font License) out of the package ziamath, with the letters that they need.

A font for formulas has a table that says how brackets, roots and sums grow; without one they stay small. Not every
system has such a font.
"""

import io
from importlib.metadata import distribution

from fontTools import subset, ttLib

PATH = "assets/math.ttf"
RANGES = (
    (0x20, 0x7E),  # ASCII
    (0xA0, 0xD7),
    (0x2C6, 0x2DD),  # accents
    (0x300, 0x338),
    (0x391, 0x3F6),  # Greek
    (0x2010, 0x2057),  # dashes, primes
    (0x2102, 0x213F),
    (0x2190, 0x21D4),  # arrows
    (0x2200, 0x22C5),  # operators
    (0x2308, 0x23E1),  # brackets and their pieces
    (0x1D434, 0x1D467),  # italic
    (0x1D5A0, 0x1D5D3),  # without serifs
    (0x1D6E2, 0x1D71B),  # italic Greek
)


def font() -> bytes:
    """The font's file, a fraction of the whole."""
    whole = ttLib.TTFont(distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf"))
    subsetter = subset.Subsetter(subset.Options(layout_features=["ssty", "dtls", "flac"]))
    subsetter.populate(unicodes=[number for first, last in RANGES for number in range(first, last + 1)])
    subsetter.subset(whole)
    file = io.BytesIO()
    whole.save(file)
    return file.getvalue()
