"""The app as a visitor sees it: ``python app.py`` and a real headless Chromium.

Every request to another host, console error and page error is a failure. Pictures of the tabs go to
``$GANHUB_SCREENSHOTS`` (they are the README's), otherwise to a temporary folder.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganhub.models import get_architecture

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
WAIT = 120_000  # milliseconds; the machine may be busy

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``python app.py`` with tiny models beside the published ones."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("conditional-gan", "dcgan", "gatys"):
        get_architecture(name).tiny().save_pretrained(folder / f"tiny-{name}")
    gatys = get_architecture("gatys")
    gatys(gatys.Config(steps=50_000, sizes=1, preview_every=1)).save_pretrained(folder / "endless")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GANHUB_MODELS": str(folder), "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            assert process.poll() is None, "app.py ended"
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """One page, and everything that went wrong on it."""

    def __init__(self, browser: Any, url: str, shots: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1360, "height": 900}, **options})
        self.page, self.troubles, self.shots = self.context.new_page(), [], shots
        self.page.set_default_timeout(WAIT)
        self.page.on("request", lambda request: self._asked(request.url, url))
        self.page.on("console", lambda line: self.troubles.append(line.text) if line.type == "error" else None)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.goto(url)
        self.picture("#generate-wall")

    def _asked(self, address: str, own: str) -> None:
        if not address.startswith((own, "data:", "blob:")):
            self.troubles.append(f"asked another host: {address}")

    def tab(self, name: str) -> None:
        tab, more = self.page.get_by_role("tab", name=name, exact=True), self.page.locator(".overflow-menu")
        if not tab.is_visible() and more.is_visible():  # a narrow window keeps some tabs in a menu
            more.locator("> button").click()
            tab = more.get_by_text(name, exact=True)
        tab.click()

    def picture(self, box: str, other_than: str | None = None, tag: str = "img") -> str:
        """Address of the first picture in a box, once it is loaded and another one than before."""
        self.page.wait_for_function(
            """([box, tag, before]) => {
                const found = document.querySelector(`${box} ${tag}`);
                const loaded = found && (tag === "img" ? found.complete && found.naturalWidth : found.readyState > 1);
                return loaded && (found.currentSrc || found.src) !== before;
            }""",
            arg=[box, tag, other_than],
            polling=100,
        )
        return self.page.eval_on_selector(f"{box} {tag}", "found => found.currentSrc || found.src")

    def choose(self, menu: str, name: str) -> None:
        box = self.page.locator(f"{menu} input")
        box.click()
        box.fill(name)
        box.press("Enter")

    def style_network(self, name: str) -> None:
        """Choose a style network, and the smallest size: this is about the page, not the painting."""
        self.choose("#style-model", name)
        self.page.locator("#style-size input[type=number]").fill("96")

    def says(self, tab: str, text: str) -> None:
        self.page.locator(f"#{tab}-status", has_text=re.compile(text)).wait_for()

    def shot(self, name: str) -> None:
        self.page.mouse.move(5, 300)
        self.page.wait_for_timeout(400)
        self.page.screenshot(path=self.shots / f"{name}.png")

    def close(self) -> None:
        self.context.close()
        assert not self.troubles, self.troubles


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = os.environ.get("GANHUB_SCREENSHOTS")
    path = ROOT / folder if folder else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="module")
def one_visit(browser: Any, url: str, shots: Path) -> Iterator[Visit]:
    visit = Visit(browser, url, shots)
    yield visit
    visit.close()


@pytest.fixture
def visit(one_visit: Visit) -> Iterator[Visit]:
    """The same page for all tests, as loading it is the dear part; each test answers for its own troubles."""
    yield one_visit
    troubles, one_visit.troubles = one_visit.troubles, []
    assert not troubles


def test_generate(visit: Visit) -> None:
    page = visit.page
    visit.tab("Generate")
    first = visit.picture("#generate-wall")
    page.locator("#generate-seed input").fill("100")
    page.locator("#generate-run").click()
    visit.says("generate", "Seeds 100 to")
    assert visit.picture("#generate-wall", first) != first
    page.locator("#generate-wall .thumbnail-item").nth(5).click()
    page.wait_for_function(
        "document.querySelector('#generate-picked-seed textarea, #generate-picked-seed input')?.value == '105'"
    )
    visit.picture("#generate-picked")
    visit.shot("generate")
    page.locator("#generate-send").click()
    page.wait_for_function(
        "document.querySelector('#interpolate-seeds textarea, #interpolate-seeds input')?.value.endsWith('105')"
    )
    assert page.locator("#interpolate-run").is_visible()


def test_interpolate(visit: Visit) -> None:
    visit.tab("Interpolate")
    first = visit.picture("#interpolate-strip")
    visit.page.locator("#interpolate-corners .thumbnail-item").nth(7).click()
    visit.page.wait_for_function(
        "document.querySelector('#interpolate-seeds textarea, #interpolate-seeds input')?.value.endsWith(', 7')"
    )
    visit.page.locator("#interpolate-run").click()
    visit.says("interpolate", "to seed 7")
    visit.picture("#interpolate-strip", first)
    visit.picture("#interpolate-film", tag="video")
    visit.shot("interpolate")


def test_conditional(visit: Visit) -> None:
    visit.tab("Conditional")
    first = visit.picture("#conditional-rows")
    visit.shot("conditional")
    visit.page.locator("#conditional-seed input").fill("40")
    visit.page.locator("#conditional-run").click()
    visit.says("conditional", "one seed, 40 to")
    visit.picture("#conditional-rows", first)


def test_style(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    visit.tab("Style")
    first = visit.picture("#style-painting")
    visit.style_network("tiny-gatys")
    upload = tmp_path / "see-through.png"
    Image.new("RGBA", (80, 60), (200, 60, 20, 128)).save(upload)
    before = visit.picture("#style-content")
    page.locator("#style-content button[aria-label='Remove Image']").click()
    page.locator("#style-content input[type=file]").set_input_files(upload)
    visit.picture("#style-content", before)
    page.locator("#style-run").click()
    visit.says("style", "Painted in")
    visit.picture("#style-painting", first)


def test_style_can_be_stopped(visit: Visit) -> None:
    visit.tab("Style")
    first = visit.picture("#style-painting")
    visit.style_network("endless")
    assert not visit.page.locator("#style-stop").is_visible()
    visit.page.locator("#style-run").click()
    visit.picture("#style-painting", first)  # an early look
    visit.says("style", "Step")
    visit.page.locator("#style-stop").click()
    visit.says("style", "Stopped")
    assert not visit.page.locator("#style-stop").is_visible()


def test_one_click_examples(visit: Visit) -> None:
    visit.tab("Generate")
    visit.page.get_by_text("The most typical", exact=True).click()
    visit.says("generate", "Seeds 0 to 15")
    visit.tab("Style")
    if os.environ.get("GANHUB_SCREENSHOTS"):  # the README shows a real painting; the test has no time for one
        visit.choose("#style-model", "gatys")
        visit.page.locator("#style-size input[type=number]").fill("256")
    else:
        visit.style_network("tiny-gatys")
    visit.page.locator("#style-examples button").nth(1).click()
    visit.says("style", "Painted in")
    visit.shot("style")


def test_bad_input_gives_a_sentence(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    visit.tab("Generate")
    page.locator("#generate-seed input").fill("-5")
    page.locator("#generate-run").click()
    page.get_by_text("First seed must be from 0").wait_for()
    visit.tab("Style")
    notes = tmp_path / "notes.png"
    notes.write_text("not a picture")
    page.locator("#style-style button[aria-label='Remove Image']").click()
    page.locator("#style-style input[type=file]").set_input_files(notes)
    page.wait_for_timeout(1000)
    page.locator("#style-run").click()
    page.get_by_text(re.compile("is not a picture|There is no style picture yet")).first.wait_for()
    assert not page.get_by_text("Traceback").count()


@pytest.mark.parametrize(
    ("name", "options"),
    [("dark", {"color_scheme": "dark"}), ("phone", {"viewport": {"width": 390, "height": 844}})],
)
def test_dark_and_phone(browser: Any, url: str, shots: Path, name: str, options: dict[str, Any]) -> None:
    visit = Visit(browser, url, shots, **options)
    for tab in ("Generate", "Interpolate", "Conditional", "Style"):
        if tab != "Generate":
            visit.tab(tab)
        visit.page.wait_for_timeout(300)
        wider = visit.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{tab} is {wider} pixels wider than the window"
        if tab == "Generate":
            visit.shot(f"generate-{name}")
    visit.close()


def test_the_api_page_asks_nobody(visit: Visit) -> None:
    visit.page.get_by_text("Use via API").click()
    visit.page.get_by_text("/generate", exact=False).first.wait_for()
    visit.page.wait_for_timeout(1000)
    # Gradio's panel looks whether MCP and monitoring are on; they are not, and it says so in the console.
    visit.troubles[:] = [text for text in visit.troubles if not text.startswith("Failed to load resource")]
