"""A browser for the tests of pages; skipped with a reason where Playwright or a browser is missing."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_ICON = "data:,"  # an icon that is none


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
def open_address(browser) -> Iterator[Callable[..., Any]]:
    """Opens a page: open_address(address, own, width, scheme, more options of a context).

    Whatever a page says in its console, throws, or asks of an address that own(address) does not know, fails the test.
    """
    contexts, said = [], []

    def open_it(
        address: str, own: Callable[[str], bool], width: int = 1280, scheme: str = "light", **options: Any
    ) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: None if own(request.url) else said.append(request.url))
        page.goto(address)
        page.wait_for_selector("main section")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def open_file(open_address) -> Callable[..., Any]:
    """Opens an HTML file with the network off: open_file(path, width, scheme, more options of a context)."""

    def open_it(path: Path, *look: Any, **options: Any) -> Any:
        address = path.resolve().as_uri()
        return open_address(address, {address, NO_ICON}.__contains__, *look, offline=True, **options)

    return open_it
