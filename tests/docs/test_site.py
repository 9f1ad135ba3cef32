"""The site builds without a warning, every link in it leads somewhere, and nothing in it comes from elsewhere."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from gpucnn.config.schema import json_schema

ROOT = Path(__file__).parents[2]
NEEDED = ("material", "mkdocstrings", "latex2mathml", "ziamath")
RESOURCES = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href"}  # what a browser fetches


class Page(HTMLParser):
    """The links, the resources and the anchors of a page of HTML."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in RESOURCES and given.get(RESOURCES[tag]) and given.get("rel") != "canonical":
            self.resources.append(given[RESOURCES[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, and its pages by their paths."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"what builds the site is not installed: {', '.join(missing)} (pip install 'gpucnn[docs]')")
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder, {path: Page(path) for path in folder.rglob("*.html")}


def test_every_link_leads_somewhere(site):
    folder, pages = site
    broken = [
        f"{path.relative_to(folder)}: {link}"
        for path, page in pages.items()
        if path.name != "404.html"  # it is shown at any address
        for link in (*page.links, *page.resources)
        if not leads_somewhere(path, link, pages)
    ]
    assert len(pages) > 60 and sum(len(page.links) for page in pages.values()) > 3000
    assert broken == []


def leads_somewhere(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme in ("http", "https", "mailto", "data")
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].anchors


def test_a_broken_link_is_noticed(site):
    folder, pages = site
    start = folder / "start.html"
    assert leads_somewhere(start, "course/index.html#the-course", pages)
    assert leads_somewhere(start, "#install", pages) and leads_somewhere(start, ".", pages)
    for link in ("nowhere.html", "#nowhere", "course/index.html#nowhere", "../start.html"):
        assert not leads_somewhere(start, link, pages)


def test_nothing_is_fetched_from_elsewhere(site):
    folder, pages = site
    assert [link for page in pages.values() for link in page.resources if urlsplit(link).netloc] == []
    for path in folder.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", path.read_text(encoding="utf-8")), path
    assert (folder / "assets/math.ttf").stat().st_size < 600_000


def test_formulas_are_drawn(site):
    folder, pages = site
    texts = {path: path.read_text(encoding="utf-8") for path in pages}
    assert sum(text.count("<math ") for text in texts.values()) > 200
    for path, text in texts.items():
        assert "arithmatex" not in text, path
    for lesson in ("02-size", "06-pooling"):
        text = texts[folder / f"course/{lesson}.html"]
        assert not re.search(r"\\[a-z]+|\$[^$]+\$", re.sub(r"<(pre|code|script)\b.*?</\1>", "", text, flags=re.S))


def test_pages_that_are_made_say_what_the_code_has(site):
    folder, pages = site
    options = (folder / "reference/options.html").read_text(encoding="utf-8")
    for name in json_schema()["$defs"]["Train"]["properties"]:
        assert f"<code>{name}</code>" in options
    assert {"model-conv2d", "optimizer-muon", "dataaugment"} <= pages[folder / "reference/options.html"].anchors
    assert {"gpucnn-train", "gpucnn-config-schema"} <= pages[folder / "reference/commands.html"].anchors
    nn = pages[folder / "reference/gpucnn.nn.html"].anchors
    assert {"gpucnn.nn.layers.Conv2d", "gpucnn.nn.ReLU", "gpucnn.nn.module.Module"} <= nn
    assert {"gpucnn.exp", "gpucnn.tensor.tensor.Tensor"} <= pages[folder / "reference/gpucnn.tensor.html"].anchors
    index = json.loads((folder / "search/search_index.json").read_text(encoding="utf-8"))
    assert len(index["docs"]) > 500


def test_every_page_is_in_the_navigation():
    def files(node):
        if isinstance(node, str):
            return {node}
        return set().union(*map(files, node.values() if isinstance(node, dict) else node))

    named = files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    there = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert there <= named
    made = {name for name in named - there if name.startswith("reference/")}
    assert named - there - made == {"contributing.md", "changelog.md"}
