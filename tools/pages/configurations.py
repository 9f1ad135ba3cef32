"""The page of the configurations that come with gpucnn."""

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "configs"
PATH = "reference/configurations.md"
HEAD = """# Configurations that ship

`gpucnn train NAME` takes any of these by its name. The first lines of each say what it shows.
To change one, write it into a file: `gpucnn config show NAME > mine.yaml`, then `gpucnn train mine.yaml`.
"""


def page() -> str:
    """The page, in Markdown."""
    files = sorted(FOLDER.glob("*.yaml"))
    return "\n".join([HEAD, *(f"## {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8')}```\n" for path in files)])
