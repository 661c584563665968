"""The app as a visitor sees it: ``python app.py`` and a real headless Chromium.

Every request to another host, console error and page error is a failure. Pictures of the tabs go to
``$GANHUB_SCREENSHOTS`` (they are the README's), otherwise to a temporary folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.app_server import Server
from tests.browser import MARKS, Watched, choose, open_tab, unfold

pytest_plugins = ["tests.app_server", "tests.browser"]
pytestmark = MARKS


class Visit(Watched):
    """One page of the app, its first wall made."""

    def __init__(self, browser: Any, url: str, shots: Path, **options: Any) -> None:
        super().__init__(browser, url, shots, **options)
        self.picture("#generate-wall")

    def tab(self, name: str) -> None:
        open_tab(self.page, name)

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
        choose(self.page, menu, name)

    def style_network(self, name: str) -> None:
        """Choose a style network, and the smallest size: this is about the page, not the painting."""
        self.choose("#style-model", name)
        self.size("96")

    def size(self, pixels: str) -> None:
        box = self.page.locator("#style-size input[type=number]")
        if not box.is_visible():
            self.page.get_by_role("button", name="Manner and size").click()
        box.fill(pixels)

    def says(self, tab: str, text: str) -> None:
        self.page.locator(f"#{tab}-status", has_text=re.compile(text)).wait_for()


@pytest.fixture(scope="module")
def one_visit(browser: Any, server: Server, shots: Path) -> Iterator[Visit]:
    visit = Visit(browser, server.url, shots)
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
    visit.page.locator("#conditional-seed input").fill("123456")  # no model opens with it
    visit.page.locator("#conditional-run").click()
    visit.says("conditional", "one seed, 123456 to|one seed, 123,456 to")
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
    visit.picture("#style-painting")
    known = visit.page.eval_on_selector_all("#style-painting img", "all => all.map(i => i.currentSrc || i.src)")
    visit.style_network("endless")
    visit.page.locator("#style-stop").wait_for(state="hidden")
    visit.page.locator("#style-run").click()
    visit.page.wait_for_function(  # an early look; the photo beside it stays
        """known => [...document.querySelectorAll("#style-painting img")].some(
            i => i.complete && i.naturalWidth && !known.includes(i.currentSrc || i.src))""",
        arg=known, polling=100,
    )  # fmt: skip
    visit.says("style", "Step")
    # By its event: a mouse waits for a quiet frame, which a page full of early looks on a busy machine may not have.
    visit.page.locator("#style-stop").dispatch_event("click")
    visit.says("style", "Stopped")
    assert not visit.page.locator("#style-stop").is_visible()


def test_edit(visit: Visit, tmp_path: Path) -> None:
    """Seed, slider, another seed's colours, a photo of one's own as start, and both downloads."""
    page = visit.page
    visit.tab("Edit")
    visit.picture("#edit-pair")  # the tab has begun by itself
    if not os.environ.get("GANHUB_SCREENSHOTS"):  # the README shows a published model
        visit.choose("#edit-model", "tiny-stylegan2")
    recipe = page.locator("#edit-recipe")
    page.locator("#edit-seed input").fill("5")
    page.locator("#edit-take").click()
    recipe.get_by_text("Seed 5 · as it is").wait_for()
    unfold(page, "Mix with another picture")
    page.locator("#edit-mix").get_by_label("Colours", exact=True).check()
    recipe.get_by_text("colours of seed 1").wait_for()
    visit.picture("#edit-other")
    unfold(page, "More changes")
    visit.picture("#edit-strip")  # what each change does
    page.locator("#edit-change-2 input[type=range]").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    recipe.get_by_text("Change 2 +2.0").wait_for()
    visit.shot("edit")
    # A change that goes takes its slider along; the others keep their amounts.
    page.locator("#edit-changes").get_by_title("Remove 0").click()
    page.wait_for_function("document.querySelector('#edit-change-1').innerText.includes('Change 2')")
    assert page.locator("#edit-change-1 input[type=number]").input_value() == "2"
    assert not page.locator("#edit-change-4").is_visible()
    page.locator("#edit-reset").click()
    recipe.get_by_text("as it is").wait_for()
    assert page.locator("#edit-run").is_disabled(), "there is no photo yet"
    upload = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((80, 60)).save(upload)
    page.locator("#edit-photo input[type=file]").set_input_files(upload)
    visit.picture("#edit-photo")
    page.locator("#edit-steps input[type=number]").fill("20")
    page.locator("#edit-run").click()
    visit.says("edit", "Found in")
    recipe.get_by_text("Photo · as it is").wait_for()
    page.locator("#edit-change-1 input[type=number]").fill("-3")
    recipe.get_by_text("Change 2 -3.0").wait_for()
    for button, suffix in (("#edit-png", ".png"), ("#edit-w", ".safetensors")):
        with page.expect_download() as download:
            page.locator(button).click()
        assert download.value.suggested_filename.endswith(f"photo-edited{suffix}")


def test_a_seed_of_the_wall_goes_to_edit(visit: Visit) -> None:
    """And a model that cannot be edited gets a sentence."""
    page = visit.page
    visit.tab("Generate")
    page.locator("#generate-seed input").fill("40")
    visit.choose("#generate-model", "tiny-stylegan2")
    visit.says("generate", "Seeds 40 to")
    picked = "document.querySelector('#generate-picked-seed textarea, #generate-picked-seed input')?.value"
    page.wait_for_function(f"{picked} == '40'")  # that of the new wall
    page.locator("#generate-wall .thumbnail-item").nth(3).click()
    page.wait_for_function(f"{picked} == '43'")
    page.locator("#generate-edit").click()
    page.locator("#edit-recipe").get_by_text("Seed 43 ·").wait_for()
    assert page.locator("#edit-seed input").input_value() == "43" and page.locator("#edit-take").is_visible()
    visit.tab("Generate")
    visit.choose("#generate-model", "tiny-dcgan")
    page.locator("#generate-edit").click()
    page.get_by_text("tiny-dcgan has no styles to edit").first.wait_for()


def test_one_click_examples(visit: Visit) -> None:
    visit.tab("Generate")
    visit.page.get_by_text("The most typical", exact=True).click()
    visit.says("generate", "Seeds 0 to 15")
    visit.tab("Style")
    if os.environ.get("GANHUB_SCREENSHOTS"):  # the README shows a real painting; the test has no time for one
        visit.choose("#style-model", "gatys")
        visit.size("256")
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
    page.get_by_text("seed must be from 0").first.wait_for()
    visit.tab("Conditional")
    visit.choose("#conditional-model", "tiny-dcgan")
    page.get_by_text("tiny-dcgan knows no classes").first.wait_for()
    visit.tab("Style")
    notes = tmp_path / "notes.png"
    notes.write_text("not a picture")
    visit.style_network("tiny-gatys")
    painting = page.locator("#style-style")
    painting.wait_for()
    if (old := painting.locator("button[aria-label='Remove Image']")).is_visible():  # of another test
        old.click()
    with page.expect_response(re.compile("/upload")):  # what runs before it has arrived is another sentence
        painting.locator("input[type=file]").set_input_files(notes)
    page.wait_for_timeout(1000)
    page.locator("#style-run").click()
    page.get_by_text("is not a picture").first.wait_for()
    assert not page.get_by_text("Traceback").count()


def test_phone_and_dark(browser: Any, server: Server, shots: Path) -> None:
    """Loaded on a telephone, then turned into a dark desktop: no tab is wider than its window."""
    visit = Visit(browser, server.url, shots, viewport={"width": 390, "height": 844})
    for name in ("phone", "dark"):
        if name == "dark":
            visit.page.set_viewport_size({"width": 1360, "height": 900})
            visit.page.emulate_media(color_scheme="dark")
        for tab in ("Interpolate", "Conditional", "Style", "Translate", "Restore", "Edit", "Generate"):
            visit.tab(tab)
            visit.page.wait_for_timeout(300)
            visit.not_wider_than_the_window(tab)
        visit.shot(f"generate-{name}")
    assert visit.page.evaluate("document.body.classList.contains('dark')")
    visit.close()


def test_the_api_page_asks_nobody(visit: Visit) -> None:
    visit.page.get_by_text("Use via API").click()
    visit.page.get_by_text("/generate", exact=False).first.wait_for(
        state="attached"
    )  # beside the tools, where mcp is here
    visit.page.wait_for_timeout(1000)
    # Gradio's panel looks whether MCP and monitoring are on; they are not, and it says so in the console.
    absent = ("/monitoring/summary", "/gradio_api/mcp/schema")
    known = [text for text in visit.troubles if text.startswith("Failed to load") and text.rstrip(")").endswith(absent)]
    visit.troubles[:] = [text for text in visit.troubles if text not in known]
