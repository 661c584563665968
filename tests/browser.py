"""A headless Chromium for the browser tests, and a page that remembers everything that went wrong on it.

Use the fixtures ``browser`` and ``shots`` (``pytest_plugins = ["tests.browser"]``). Every request to another host,
console error and page error is a failure. Pictures of the page go to ``$GANHUB_SCREENSHOTS``, if it is set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
WAIT = 120_000  # milliseconds; the machine may be busy

MARKS = [
    pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


# Gradio gives what it has just shown its first values once more, in the next frame: what was typed before is lost.
NEXT_FRAMES = "() => new Promise((over) => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(over))))"


def unfold(page: Any, title: str) -> None:
    """Open what is folded, and wait until something can be typed there."""
    page.get_by_text(title, exact=True).click()
    page.evaluate(NEXT_FRAMES)


def open_tab(page: Any, name: str) -> None:
    """Click a tab, in a narrow window in the menu that keeps some of them.

    While the page fills, its tabs are measured anew, which closes the menu: it is then opened again, as one would.
    """
    from playwright.sync_api import TimeoutError as Late

    tab, more = page.get_by_role("tab", name=name, exact=True), page.locator(".overflow-menu")
    for _ in range(WAIT // 3000):
        entry = tab if tab.is_visible() or not more.is_visible() else more.get_by_text(name, exact=True)
        try:
            if entry is not tab and not entry.is_visible():
                more.locator("> button").click(timeout=3000)
            entry.click(timeout=3000)
        except Late:
            continue
        return page.evaluate(NEXT_FRAMES)
    raise AssertionError(f"the tab {name} cannot be clicked")


def choose(page: Any, menu: str, name: str) -> None:
    """Pick a model from a menu as one types."""
    box = page.locator(f"{menu} input")
    box.click()
    box.fill(name)
    box.press("Enter")


class Watched:
    """One page of a browser context of its own."""

    def __init__(self, browser: Any, url: str, shots: Path, *, script: str = "", **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1360, "height": 900}, **options})
        self.context.add_init_script(script)
        self.page, self.troubles, self.shots = self.context.new_page(), [], shots
        self.page.set_default_timeout(WAIT)
        self.page.on("request", lambda request: self._asked(request.url, url))
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.goto(url)

    def _said(self, line: Any) -> None:
        if line.type == "error":
            self.troubles.append(f"{line.text} ({line.location['url']})")

    def _asked(self, address: str, own: str) -> None:
        if not address.startswith((own, "data:", "blob:")):
            self.troubles.append(f"asked another host: {address}")

    def not_wider_than_the_window(self, what: str = "The page") -> None:
        wider = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{what} is {wider} pixels wider than the window"

    def shot(self, name: str) -> None:
        """Wait until all pictures in view are there, and take one of the page where such are wanted."""
        self.page.mouse.move(5, 300)
        self.page.wait_for_timeout(400)
        self.page.wait_for_function(
            "[...document.images].every(i => !i.checkVisibility() || (i.complete && i.naturalWidth)"
            " || i.getBoundingClientRect().top > window.innerHeight)"
        )  # a gallery loads its pictures one after the other
        if os.environ.get("GANHUB_SCREENSHOTS"):
            self.page.screenshot(path=self.shots / f"{name}.png")

    def close(self) -> None:
        self.context.close()
        assert not self.troubles, self.troubles


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = os.environ.get("GANHUB_SCREENSHOTS")
    path = ROOT / folder if folder else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path
