"""A browser for the tests of pages; skipped with a reason where Playwright or a browser is missing."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, driven by Playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install playwright)")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)} is on the PATH")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_file(browser) -> Iterator[Callable[..., Any]]:
    """Opens an HTML file with the network off: open_file(path, width, scheme, more options of a context).

    Whatever a page says in its console, asks of the network, or throws, fails the test.
    """
    contexts, said = [], []

    def open_it(path: Path, width: int = 1280, scheme: str = "light", **options: Any) -> Any:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True, **options)
        contexts.append(context)
        known = (path.resolve().as_uri(), "data:,")  # itself, and an icon that is none
        page = context.new_page()
        page.on("console", lambda message: said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url) if request.url not in known else None)
        page.goto(path.resolve().as_uri())
        page.wait_for_selector("main section")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert said == []
