"""Which wheels of a folder this Python lacks: a path a line. Needs nothing but pip.

    python tools/check/missing_wheels.py FOLDER

A wheel is lacking where its package is not installed, or in a version that pyproject.toml excludes.
"""

import importlib.metadata
import sys
import tomllib
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def missing(folder: Path) -> list[Path]:
    """The wheels of `folder` whose packages are absent, or present in a version that the project excludes."""
    accepted = {canonicalize_name(each.name): each.specifier for each in _requirements()}
    found = []
    for wheel in sorted(folder.glob("*.whl")):
        name, *_ = parse_wheel_filename(wheel.name)
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found.append(wheel)
            continue
        if name in accepted and installed not in accepted[name]:
            found.append(wheel)
    return found


def _requirements() -> list[Requirement]:
    project = tomllib.loads(PROJECT.read_text())["project"]
    return [Requirement(line) for line in [*project["dependencies"], *project["optional-dependencies"]["test"]]]


if __name__ == "__main__":
    for path in missing(Path(sys.argv[1])):
        print(path)
