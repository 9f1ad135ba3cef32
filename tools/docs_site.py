"""What MkDocs does beside the pages of docs/: pages made from the code, links to files of the repository, formulas.

mkdocs.yml names this file as its hook. For another builder of sites

    python tools/docs_site.py pages          # writes the pages that are made into docs/
    python tools/docs_site.py formulas SITE  # draws the formulas in the pages of a site that is built

do the same in two steps.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from pages import api, commands, configurations, copied, math_font, options  # noqa: E402
from pages.formulas import with_formulas  # noqa: E402


def made() -> dict[str, str]:
    """The Markdown of the pages that are made, by their paths in the docs."""
    named = {module.PATH: module.page() for module in (options, commands, configurations)}
    return named | api.pages() | copied.pages()


def on_files(files: Any, config: Any) -> Any:
    """MkDocs: add the pages that are made."""
    from mkdocs.structure.files import File

    contents: dict[str, str | bytes] = {**made(), math_font.PATH: math_font.font()}
    for path, content in contents.items():
        file = files.get_file_from_path(path)
        if file is not None:
            files.remove(file)  # written by the command below
        files.append(File.generated(config, path, content=content))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """MkDocs: draw the formulas of a page."""
    return with_formulas(html)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("pages")
    steps.add_parser("formulas").add_argument("site", type=Path)
    parsed = parser.parse_args()
    if parsed.step == "pages":
        for name, text in made().items():
            path = ROOT / "docs" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (ROOT / "docs/assets").mkdir(exist_ok=True)
        (ROOT / "docs" / math_font.PATH).write_bytes(math_font.font())
    else:
        for path in parsed.site.rglob("*.html"):
            path.write_text(with_formulas(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
