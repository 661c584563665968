"""The tabs as a visitor meets them, in a real Chromium: a picture above the fold, buttons that go somewhere, axe-core.

axe-core (MPL-2.0, for tests alone): ``npm install --prefix tests``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganhub.app.tabs import generate
from tests.app_server import Server
from tests.browser import MARKS, Watched, choose, open_tab

pytest_plugins = ["tests.app_server", "tests.browser"]
pytestmark = MARKS
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"desktop": (1360, 900), "tablet": (820, 1180), "phone": (390, 844)}
BOXES = {
    "Generate": "#generate-wall", "Style": "#style-painting", "Interpolate": "#interpolate-strip",
    "Translate": "#translate-made", "Restore": "#restore-made", "Conditional": "#conditional-rows",
}  # fmt: skip

EVERY = BOXES | {
    "Evolve": "#evolve-wall", "Edit": "#edit-pair", "Real or generated?": "#quiz-stage", "About": "#about-models",
}  # fmt: skip
SHIFTS = """window.shift = 0; new PerformanceObserver((list) => { for (const one of list.getEntries())
  if (!one.hadRecentInput) window.shift += one.value; }).observe({type: "layout-shift", buffered: true});"""
SERIOUS = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter(({impact}) => ["serious", "critical"].includes(impact))
  .flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html.slice(0, 150)}`))"""


def picture(page: Any, box: str, other_than: str | None = None) -> str:
    """Address of the last picture in a box (the result of a pair), once it is loaded and another one than before."""
    page.wait_for_function(
        """([box, before]) => {
            const one = [...document.querySelectorAll(`${box} img`)].at(-1);
            return one && one.complete && one.naturalWidth && one.src !== before;
        }""",
        arg=[box, other_than],
        polling=100,
    )
    return page.eval_on_selector_all(f"{box} img", "all => all.at(-1).src")


def value(page: Any, box: str) -> str:
    return page.locator(f"{box} input, {box} textarea").first.input_value()


@pytest.fixture(scope="module")
def visit(browser: Any, server: Server, shots: Path) -> Iterator[Watched]:
    visit = Watched(browser, server.url, shots)
    picture(visit.page, "#generate-wall")
    yield visit
    visit.close()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_page_holds_still_while_it_opens(browser: Any, server: Server, shots: Path, size: tuple[int, int]) -> None:
    visit = Watched(
        browser, server.url, shots, script=SHIFTS, viewport=dict(zip(("width", "height"), size, strict=True))
    )
    picture(visit.page, "#generate-wall")
    picture(visit.page, "#generate-picked")
    visit.page.wait_for_timeout(1000)
    assert visit.page.evaluate("window.shift") < 0.1
    visit.close()


def test_the_page_holds_still_when_the_wall_comes_late(browser: Any, server: Server, shots: Path) -> None:
    """Gradio loads each kind of component by itself, in no fixed order; on a phone all lie in one column."""
    phone = dict(zip(("width", "height"), SIZES["phone"], strict=True))
    visit, late = Watched(browser, server.url, shots, script=SHIFTS, viewport=phone), []
    visit.page.route(re.compile(r"/assets/Gallery-.*\.js"), lambda route: late.append(route))
    visit.page.reload(wait_until="commit")
    for one in ("#generate-run", "#generate-seed", "#generate-send"):
        visit.page.locator(one).wait_for()
    visit.page.wait_for_timeout(500)
    assert late and not visit.page.locator("#generate-wall").count()
    for route in late:
        route.continue_()
    picture(visit.page, "#generate-wall")
    picture(visit.page, "#generate-picked")
    assert visit.page.evaluate("window.shift") < 0.1
    visit.close()


def test_every_tab_has_its_picture_above_the_fold(browser: Any, server: Server, shots: Path) -> None:
    """By itself, without a scroll; and no tab is wider than the window."""
    visit = Watched(browser, server.url, shots)
    page = visit.page
    for name, box in BOXES.items():
        page.set_viewport_size(dict(zip(("width", "height"), SIZES["phone"], strict=True)))
        open_tab(page, name)
        picture(page, box)
        for size, (width, height) in reversed(SIZES.items()):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(300)
            page.evaluate("window.scrollTo(0, 0)")
            place = page.locator(box).bounding_box()
            assert place["y"] + min(place["height"], 200) <= height, f"{name}: its picture begins at {place['y']}"
            visit.not_wider_than_the_window(f"{name}, {size}:")
            visit.shot(f"{name.lower()}-{size}")
    visit.close()


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not here: run  npm install --prefix tests")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, server: Server, shots: Path, scheme: str) -> None:
    visit = Watched(browser, server.url, shots, script=AXE.read_text("utf-8"), color_scheme=scheme)
    page, wrong = visit.page, []
    for name, box in EVERY.items():
        open_tab(page, name)
        page.locator(f"{box} img").first.wait_for()
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            wrong += [f"{name}, {size}: {one}" for one in page.evaluate(SERIOUS)]
        page.set_viewport_size(dict(zip(("width", "height"), SIZES["desktop"], strict=True)))
    visit.close()
    assert not wrong, "\n".join(wrong)


def test_surprise_me_draws_new_seeds_unless_the_seed_is_kept(visit: Watched) -> None:
    page = visit.page
    open_tab(page, "Generate")
    first, seed = picture(page, "#generate-wall"), value(page, "#generate-seed")
    page.locator("#generate-surprise").click()
    picture(page, "#generate-wall", first)
    page.locator("#generate-status", has_text=f"Seeds {value(page, '#generate-seed')} to").wait_for()
    new = value(page, "#generate-seed")
    assert new != seed
    page.locator("#generate-lock input").check()
    page.locator("#generate-surprise").click()
    page.locator("#generate-status", has_text="The same seeds give the same pictures").wait_for()
    assert value(page, "#generate-seed") == new
    page.locator("#generate-lock input").uncheck()
    assert 0 <= int(new) < generate.NEW_SEEDS


def test_a_picture_of_conditional_goes_on_with_model_and_class(visit: Watched) -> None:
    page = visit.page
    open_tab(page, "Conditional")
    picture(page, "#conditional-rows")
    choose(page, "#conditional-model", "tiny-conditional-gan")
    page.locator("#conditional-rows .thumbnail-item").nth(8).locator("text=cross").wait_for(state="attached")
    page.locator("#conditional-rows .thumbnail-item").nth(9).click()
    second = str(int(value(page, "#conditional-seed")) + 1)
    picked = "document.querySelector('#conditional-picked-seed textarea, #conditional-picked-seed input')"
    page.wait_for_function(f"{picked}?.value == '{second}'")
    picture(page, "#conditional-picked")
    page.locator("#conditional-send").click()
    page.locator("#interpolate-status", has_text=f"to seed {second}").wait_for()
    assert value(page, "#interpolate-model") == "tiny-conditional-gan"
    assert value(page, "#interpolate-class") == "cross" and value(page, "#interpolate-seeds").endswith(f", {second}")


def test_the_photo_in_every_style_follows_an_upload(visit: Watched, tmp_path: Path) -> None:
    page = visit.page
    open_tab(page, "Style")
    choose(page, "#style-model", "tiny-fast-style")
    page.locator("#style-looks", has_text="dots").wait_for()
    page.wait_for_function("document.querySelectorAll('#style-looks img').length == 2", polling=100)
    before, painted = picture(page, "#style-looks"), picture(page, "#style-painting")
    upload = tmp_path / "mine.png"
    Image.linear_gradient("L").convert("RGB").resize((96, 96)).save(upload)
    page.locator("#style-content button[aria-label='Remove Image']").click()
    page.locator("#style-content input[type=file]").set_input_files(upload)
    picture(page, "#style-looks", before)
    page.locator("#style-looks .thumbnail-item").nth(1).click()
    picture(page, "#style-painting", painted)
    page.locator("#style-status", has_text="Painted in").wait_for()
    assert value(page, "#style-name") == "waves"


def test_an_example_lies_on_the_canvas_and_another_model_takes_its_own(visit: Watched) -> None:
    page = visit.page
    open_tab(page, "Translate")
    first = picture(page, "#translate-made")
    page.locator("#translate-sketches button").nth(2).click()
    drawn = picture(page, "#translate-made", first)
    page.locator("#translate-run").click()
    drawn = picture(page, "#translate-made", drawn)
    assert not page.get_by_text("The canvas is empty").count()
    page.locator("#translate-idea").click()
    drawn = picture(page, "#translate-made", drawn)
    assert page.locator("#translate-sketches").is_visible() and not page.locator("#translate-photos").is_visible()
    choose(page, "#translate-model", "cut-monet")
    picture(page, "#translate-made", drawn)
    page.locator("#translate-photos").wait_for()
    assert not page.locator("#translate-sketches").is_visible()


def test_a_photo_of_mine_is_restored(visit: Watched, tmp_path: Path) -> None:
    page = visit.page
    open_tab(page, "Restore")
    page.locator("#restore-status", has_text=" pixels, in ").wait_for()
    before = picture(page, "#restore-made")
    upload = tmp_path / "old.png"
    Image.linear_gradient("L").resize((64, 48)).save(upload)
    with page.expect_file_chooser() as chooser:
        page.locator("#restore-upload").click()
    chooser.value.set_files(upload)
    picture(page, "#restore-made", before)
    page.locator("#restore-status", has_text=r" pixels, in ").wait_for()
    assert "256 x 192" in page.locator("#restore-status").inner_text()


def test_an_error_says_what_kind_it_is(visit: Watched) -> None:
    page = visit.page
    open_tab(page, "Generate")
    page.locator("#generate-seed input").fill("-5")
    page.locator("#generate-run").click()
    toast = page.locator("[data-testid=toast-body]").filter(has_text="seed must be from 0")
    toast.get_by_text("That did not work").wait_for()
    assert "Error" not in toast.inner_text()
    page.locator("#generate-seed input").fill("0")
