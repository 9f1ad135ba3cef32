"""Pages of the site that stand at the root of the repository, where people look for them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
LINK = re.compile(r"\]\(docs/([^)]+)\)")


def pages() -> dict[str, str]:
    """The Markdown of each page, by its path in the docs."""
    return {path: LINK.sub(r"](\1)", (ROOT / name).read_text(encoding="utf-8")) for path, name in FILES.items()}
