"""Which C sources a module was compiled from. setup.py runs this file alone, so it imports nothing of gpucnn."""

import hashlib
from pathlib import Path

SOURCE = Path(__file__).parent / "source"


def fingerprint() -> str | None:
    """A hash of the names and contents of the C sources; None where there are none, as in an installed package."""
    files = sorted(path for path in SOURCE.glob("*") if path.suffix in (".c", ".h"))
    if not files:
        return None
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    return f"sources_{digest.hexdigest()[:16]}"  # an identifier in C
