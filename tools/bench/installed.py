"""How much disk a distribution takes, with all that it needs."""

import importlib.util
import json
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement


def installed_bytes(name: str) -> int | None:
    """The bytes of the files of `name` and of what it requires, extras left out; None where it is not installed."""
    try:
        return sum(_size(found) for found in _with_requirements(name, {}).values())
    except PackageNotFoundError:
        return None


def _with_requirements(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """The distribution and all it requires on this machine, each once, added to `found`."""
    known = distribution(name)
    key = known.metadata["Name"].lower().replace("_", "-")
    if key not in found:
        found[key] = known
        for text in known.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                _with_requirements(requirement.name, found)
    return found


def _size(found: Distribution) -> int:
    if _is_editable(found):  # what is installed is a pointer to the source
        spec = importlib.util.find_spec(found.metadata["Name"])
        folders = spec.submodule_search_locations if spec else None
        files = [file for folder in folders or [] for file in Path(folder).rglob("*")]
    else:
        files = [Path(str(file.locate())) for file in found.files or []]
    return sum(file.stat().st_size for file in files if file.is_file())


def _is_editable(found: Distribution) -> bool:
    url = json.loads(found.read_text("direct_url.json") or "{}")
    return bool(url.get("dir_info", {}).get("editable"))
