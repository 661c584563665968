"""The tray, undo, links and downloads as visitors use them: ``python app.py`` and a real headless Chromium."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from ganhub.creation import Creation, Edit, Generate, Interpolate, Style
from ganhub.creation.permalink import from_code, to_code
from tests.app_server import Server
from tests.browser import MARKS
from tests.tray_visit import MODEL, WALL, Visit

pytest_plugins = ["tests.app_server", "tests.browser", "tests.tray_visit"]
pytestmark = MARKS


def test_nothing_is_lost(visit: Visit) -> None:
    """Walls and a picked picture, Back, undo and redo, star, note, delete, then a reload keeps all of it."""
    page, picked = visit.page, Generate(model=MODEL, seed=102, count=1)
    visit.counts(0)
    assert "c=" not in page.url  # what the page opens with is nobody's result
    visit.wall(WALL)
    page.locator("#generate-wall .thumbnail-item").nth(2).click()
    visit.shows(picked)
    later = Generate(model=MODEL, seed=300, count=4)
    visit.wall(later)
    visit.counts(len(visit.kept()))
    titles = [entry["title"] for entry in visit.kept()]
    assert titles[:3] == [f"{MODEL}, seeds 300 to 303", f"{MODEL}, seed 102", f"{MODEL}, seeds 100 to 103"]
    assert all(len(entry["thumb"]) <= 4096 for entry in visit.kept())

    page.go_back()
    visit.shows(picked)
    page.wait_for_function("document.querySelector('#generate-seed input').value === '102'")
    page.go_forward()
    visit.shows(later)
    visit.press("undo")
    visit.shows(picked)
    page.locator("#tray-title").click()  # the keyboard is in no field
    page.keyboard.press("Control+z")
    visit.shows(WALL)
    page.keyboard.press("Control+Shift+z")
    visit.shows(picked)
    assert [entry["title"] for entry in visit.kept()] == titles  # seen again, not kept again

    visit.card(1).click()
    visit.press("star")
    page.locator("#tray [data-note]").fill("<b>knight</b>")
    page.keyboard.press("Tab")
    visit.card(0).focus()
    page.keyboard.press("Delete")
    visit.counts(len(titles) - 1)
    page.locator("#tray-title").click()
    page.keyboard.press("Control+z")
    visit.counts(len(titles))
    visit.reload()
    visit.shows(picked)
    visit.counts(len(titles))
    assert visit.seed() == "102" and page.locator("#generate-run").is_visible()
    assert [(entry["star"], entry["note"]) for entry in visit.kept()[:2]] == [(False, ""), (True, "<b>knight</b>")]
    assert page.locator(".tray-star").count() == 1 and not page.locator(".tray b").count()
    visit.press("starred")
    visit.counts(1)
    visit.shot("tray")


def test_a_tab_is_kept_too(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("tab", name="Interpolate", exact=True).click()
    page.wait_for_function("location.search.includes('tab=interpolate')")
    page.locator("#interpolate-status", has_text="frames from seed").wait_for()
    visit.counts(0)
    visit.reload()
    page.locator("#interpolate-run").wait_for()
    page.locator("#interpolate-status", has_text="frames from seed").wait_for()
    page.go_back()
    page.locator("#generate-run").wait_for()


def test_from_a_picture_to_other_tabs(visit: Visit) -> None:
    """More like this, Surprise me with and without the lock, Interpolate, Style: with model, settings and picture."""
    page = visit.page
    visit.wall(Generate(model=MODEL, seed=7, count=1))
    visit.card(0).click()
    offered = page.locator("#tray [data-go]").all_inner_texts()
    assert {"More like this", "Interpolate", "Style", "Enlarge", "Restore"} <= set(offered)
    page.locator("#tray [data-go=like]").click()
    page.wait_for_function("JSON.parse(localStorage['ganhub-tray']).entries[0].title.includes('near seed 7')")
    like = from_code(visit.kept()[0]["code"])
    assert (like.around, like.seed, like.count, like.model) == (7, 7, 12, MODEL) and 0.5 < like.likeness < 1

    page.locator("#tray [data-do=surprise]").click()  # of the picture that is still open: seed 7
    page.wait_for_function("JSON.parse(localStorage['ganhub-tray']).entries[0].title !== arguments[0]"
                           .replace("arguments[0]", json.dumps(visit.kept()[0]["title"])))  # fmt: skip
    other = from_code(visit.kept()[0]["code"])
    assert other.seed != 7 and (other.model, other.count, other.truncation) == (MODEL, 1, 1.0)
    page.locator("#tray [data-lock]").check()
    page.locator("#tray [data-do=surprise]").click()
    page.wait_for_function(f"JSON.parse(localStorage['ganhub-tray']).entries[0].code !== '{to_code(other)}'")
    locked = from_code(visit.kept()[0]["code"])
    assert locked.seed == 7 and locked.truncation != 1.0

    page.locator("#tray [data-go=interpolate]").click()
    page.locator("#interpolate-status", has_text="frames from seed 7").wait_for()
    page.wait_for_function("location.search.includes('tab=interpolate') && location.search.includes('c=')")
    walk = from_code(visit.kept()[0]["code"])
    assert (walk.model, walk.seeds[0]) == (MODEL, 7) and visit.kept()[0]["film"]

    page.locator("#tray [data-go=style]").click()
    page.wait_for_function("JSON.parse(localStorage['ganhub-tray']).entries[0].tab === 'style'")
    assert isinstance(from_code(visit.kept()[0]["code"]), Style)
    with Image.open(io.BytesIO(visit.picture("#style-content"))) as content:
        assert content.size == (16, 16) or max(content.size) < 64  # the small picture, not an example


def test_pictures_of_the_tray_become_a_film_and_a_mix(visit: Visit) -> None:
    """Pins by button and by dropping, moved and timed with a preview, a WebM; then a mix; star and note are undone."""
    page, pins = visit.page, "#interpolate-seeds textarea, #interpolate-seeds input"
    page.set_viewport_size({"width": 1360, "height": 2200})  # what is dragged, and where to, are both on the screen
    value = f"text => document.querySelector('{pins}')?.value === text"
    for seed in (7, 9):
        visit.wall(Generate(model=MODEL, seed=seed, count=1))
    for place, text in ((1, "7"), (0, "7, 9")):
        visit.card(place).click()
        page.locator("#tray [data-go=pin]").click()
        page.wait_for_function(value, arg=text)
        if text == "7":
            page.locator("#interpolate-hint", has_text="A film needs two pins or more").wait_for()
    page.wait_for_function("document.querySelectorAll('#interpolate-pins .thumbnail-item').length === 2")
    assert visit.picture("#interpolate-look").startswith(b"GIF89a")
    visit.drag(1, "#interpolate-timeline")
    page.wait_for_function(value, arg="9, 7")  # it is there already, so it moves to the end
    chosen = "#interpolate-pins .thumbnail-item{}.selected .caption-label"
    page.locator(chosen.format(":nth-child(1)")).wait_for()
    page.locator("#interpolate-pins .thumbnail-item").nth(1).click()
    page.locator("#interpolate-which", has_text="Pin 2 of 2: seed 7").wait_for()
    page.locator("#interpolate-earlier").click()
    page.wait_for_function(value, arg="7, 9")
    page.locator(chosen.format(":nth-child(1)"), has_text="7").wait_for()
    page.locator("#interpolate-duration input[type=number]").fill("3")
    page.locator("#interpolate-duration input[type=number]").press("Tab")
    page.wait_for_function(value, arg="7 x3, 9")
    page.locator("#interpolate-pins .caption-label", has_text="7 x3").wait_for()
    before = page.locator("#interpolate-look img").get_attribute("src")
    page.get_by_label("Stay at each pin, then go").check()
    page.wait_for_function(
        "before => document.querySelector('#interpolate-look img')?.src !== before", arg=before, polling=100
    )
    page.get_by_label("WebM").check()
    visit.shot("timeline")
    page.locator("#interpolate-run").click()
    page.locator("#interpolate-status", has_text="frames from seed 7 to seed 9").wait_for()
    page.wait_for_function("document.querySelector('#interpolate-film video')?.readyState > 1")
    page.wait_for_function("JSON.parse(localStorage['ganhub-tray']).entries[0].film")
    film = from_code(visit.kept()[0]["code"])
    assert film == Interpolate(model=MODEL, seeds=(7, 9), durations=(3, 1), easing="hold", format="webm")

    page.locator("#tray [data-go=edit]").click()  # of the picture that is open: seed 9
    page.locator("#edit-recipe", has_text="Seed 9").wait_for()
    page.wait_for_function("JSON.parse(localStorage['ganhub-tray']).entries[0].tab === 'edit'")
    visit.counts(len(visit.kept()))  # the list stands still
    visit.picture("#edit-pair")
    place = next(i for i, one in enumerate(visit.kept()) if one["title"].endswith("seed 7"))
    visit.drag(place, "#edit-pair")
    page.locator("#edit-recipe", has_text="colours of seed 7").wait_for()
    visit.picture("#edit-other")
    page.wait_for_function(
        "code => JSON.parse(localStorage['ganhub-tray']).entries[0].code === code",
        arg=to_code(Edit(model=MODEL, seed=9, mixed="fine", mix_seed=7)),
    )

    visit.press("star")
    page.locator("#tray [data-note]").fill("mine")
    page.keyboard.press("Tab")
    marks = [(True, "mine"), (True, ""), (False, ""), (True, "")]
    for press, mark in zip((None, "undo", "undo", "redo"), marks, strict=True):
        if press:
            visit.press(press)
        entry = next(one for one in visit.kept() if one["title"].endswith("seed 9") and one["tab"] == "generate")
        assert (entry["star"], entry["note"]) == mark


def test_what_leaves(visit: Visit, tmp_path: Path) -> None:
    """Pictures and a film at their sizes, two side by side, a card, all as a zip; and the zip comes back."""
    page = visit.page
    visit.wall(Generate(model=MODEL, seed=7, count=1))
    visit.card(0).click()
    own = None
    for size, factor in (("as it is", 1), ("x2", 2), ("x4", 4), ("x2, square pixels", 2), ("x4, square pixels", 4)):
        page.locator("#tray [data-size]").select_option(size)
        name, data = visit.download(lambda: visit.press("download"))
        with Image.open(io.BytesIO(data)) as picture:
            own = own or picture.size
            assert name.endswith(".png") and picture.size == (own[0] * factor, own[1] * factor)
    visit.press("share")
    with Image.open(io.BytesIO(visit.picture("#tray-left"))) as card:
        assert card.size == (1200, 630)
    page.evaluate("localStorage.clear()")
    visit.reload()
    visit.counts(0)
    (tmp_path / name).write_bytes(data)  # the last download, enlarged: it says what it is
    page.locator("#tray input[type=file]").set_input_files(tmp_path / name)
    visit.counts(1)
    assert from_code(visit.kept()[0]["code"]) == Generate(model=MODEL, seed=7, count=1) and visit.kept()[0]["thumb"]
    visit.wall(WALL)
    visit.card(0).click()
    name, data = visit.download(lambda: visit.press("download"))
    assert name.endswith(".zip") and len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == 4 + 2
    visit.press("compare")
    visit.says("Now click the picture")
    visit.card(1).click()
    assert visit.picture("#tray-left") != visit.picture("#tray-right")
    visit.card(0).click() if not page.locator(".tray-one").is_visible() else None
    page.locator("#tray [data-go=interpolate]").click()
    page.wait_for_function("JSON.parse(localStorage['ganhub-tray']).entries[0].film")
    if page.locator(".tray-name").inner_text() != visit.kept()[0]["title"]:
        visit.card(0).click()
    page.locator("#tray [data-size]").select_option("x2, square pixels")
    name, film = visit.download(lambda: visit.press("download"))
    assert name.endswith("-x2.mp4") and film[4:8] == b"ftyp"

    name, data = visit.download(lambda: visit.press("all"))
    visit.page.locator("#tray-status", has_text="results are in the zip").wait_for()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        table = json.loads(archive.read("tray.json"))
        assert {"contact-sheet.png", "tray.json"} <= set(archive.namelist())
        assert [to_code(Creation.from_dict(row["creation"])) for row in table["results"]] == [
            entry["code"] for entry in visit.kept()
        ]
    kept = visit.kept()
    page.evaluate("localStorage.clear()")
    visit.reload()
    visit.ready()
    visit.counts(0)
    visit.drop("tray.zip", data)
    visit.counts(len(kept))
    assert [entry["code"] for entry in visit.kept()] == [entry["code"] for entry in kept]
    assert all(entry["thumb"] for entry in visit.kept())


def test_on_a_phone(browser: Any, server: Server, shots: Path) -> None:
    visit = Visit(browser, server.url, shots, viewport={"width": 390, "height": 844})
    visit.wall(WALL)
    visit.card(0).click()
    visit.not_wider_than_the_window("The tray")
    visit.page.locator(".tray-one").scroll_into_view_if_needed()
    visit.shot("tray-phone")
    buttons = visit.page.locator("#tray button:visible").all()
    assert len(buttons) > 10 and all(button.inner_text() or button.get_attribute("title") for button in buttons)
    assert all(image.get_attribute("alt") for image in visit.page.locator("#tray img").all())
    visit.close()
