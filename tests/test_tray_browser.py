"""The tray, undo, links and downloads as visitors use them: ``python app.py`` and a real headless Chromium."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganhub.creation import Creation, Edit, Generate, Interpolate, Style
from ganhub.creation.permalink import from_code, to_code
from tests.app_server import Server
from tests.browser import MARKS, Watched

pytest_plugins = ["tests.app_server", "tests.browser"]
pytestmark = MARKS

MODEL = "tiny-stylegan2"
WALL = Generate(model=MODEL, seed=100, count=4)
NOBODYS = "cd" * 32  # the sha256 of a photo that is nowhere


class Visit(Watched):
    """One visitor's page, once it shows something."""

    def __init__(self, browser: Any, url: str, shots: Path, *, state: str | None = None, **options: Any) -> None:
        self.url = url
        if state is not None:
            options["storage_state"] = {
                "cookies": [],
                "origins": [{"origin": url.split("/?")[0].rstrip("/"), "localStorage": [
                    {"name": "ganhub-tray", "value": state}]}],
            }  # fmt: skip
        super().__init__(browser, url, shots, accept_downloads=True, **options)
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_function("window.ganhub?.now && window.ganhub.going !== true")

    def wall(self, creation: Generate) -> None:
        """Ask for a wall in the form, as one does by hand."""
        box = self.page.locator("#generate-model input")
        if box.input_value() != creation.model:
            box.click()
            box.fill(creation.model)
            box.press("Enter")
        self.page.locator("#generate-count input[type=number]").fill(str(creation.count))
        self.page.locator("#generate-seed input").fill(str(creation.seed))
        self.page.locator("#generate-run").click()
        self.shows(creation)

    def shows(self, creation: Creation) -> None:
        """Wait until the address is a Creation's, and its result is there."""
        self.page.wait_for_function(
            "code => new URL(location.href).searchParams.get('c') === code && window.ganhub?.now === code",
            arg=to_code(creation), polling=100,
        )  # fmt: skip

    def counts(self, count: int) -> None:
        self.page.wait_for_function(
            "count => document.querySelectorAll('.tray-strip button').length === count", arg=count
        )

    def reload(self) -> None:
        self.leave(self.page.reload)

    def leave(self, way: Callable[[], Any]) -> None:
        """To another page; Gradio says on the console that what this one was waiting for has ended."""
        before = len(self.troubles)
        way()
        self.page.wait_for_function("window.ganhub")
        ended = ("AbortError", "Unexpected error Connection errored out")
        self.troubles[before:] = [one for one in self.troubles[before:] if not one.startswith(ended)]

    def says(self, sentence: str) -> None:
        self.page.locator(".tray-says", has_text=sentence).wait_for()

    def press(self, name: str) -> None:
        self.page.locator(f"#tray [data-do={name}]").click()

    def drag(self, place: int, box: str) -> None:
        """Drop a picture of the tray on a box of a tab."""
        self.page.locator(box).wait_for()
        for spot, press in ((self.card(place), self.page.mouse.down), (self.page.locator(box), self.page.mouse.up)):
            at = spot.bounding_box()
            self.page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2, steps=5)
            press()

    def card(self, place: int) -> Any:
        return self.page.locator(".tray-strip button").nth(place)

    def seed(self) -> str:
        return self.page.locator("#generate-seed input").input_value()

    def kept(self) -> list[dict[str, Any]]:
        return self.page.evaluate("JSON.parse(localStorage.getItem('ganhub-tray'))?.entries ?? []")

    def picture(self, box: str) -> bytes:
        """The first picture in a box, as its file's bytes."""
        self.page.wait_for_function(
            "box => { const i = document.querySelector(`${box} img`); return i?.complete && i.naturalWidth }", arg=box
        )
        return self.page.request.get(self.page.locator(f"{box} img").first.get_attribute("src")).body()

    def drop(self, name: str, data: bytes) -> None:
        """Drop a file on the tray, as from a folder."""
        self.page.evaluate(
            """([name, data]) => {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                const dropped = new DataTransfer();
                dropped.items.add(new File([bytes], name));
                const say = (kind) => document.querySelector(".tray-bar").dispatchEvent(
                    new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: dropped }));
                say("dragover"); say("drop");
            }""",
            [name, base64.b64encode(data).decode()],
        )

    def download(self, press: Callable[[], None]) -> tuple[str, bytes]:
        with self.page.expect_download() as waiting:
            press()
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


@pytest.fixture
def visit(browser: Any, server: Server, shots: Path) -> Iterator[Visit]:
    visit = Visit(browser, server.url, shots)
    yield visit
    visit.close()


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
    page.locator("#interpolate-pins .thumbnail-item").nth(1).click()
    page.locator("#interpolate-which", has_text="Pin 2 of 2: seed 7").wait_for()
    page.locator("#interpolate-earlier").click()
    page.wait_for_function(value, arg="7, 9")
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


def test_wrong_zips_are_one_sentence(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("../../../etc/cron.d/x", "no")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tray.json", bytes(50_000_000))
    (tmp_path / "broken.zip").write_bytes((tmp_path / "other.zip").read_bytes()[:40])
    Image.new("RGB", (9, 9)).save(tmp_path / "plain.png")
    for name, says in (
        ("other.zip", "is no tray of ganhub"), ("bomb.zip", "unfolds to more than a tray holds"),
        ("broken.zip", "is no tray of ganhub"), ("plain.png", "does not say how it was made"),
    ):  # fmt: skip
        with page.expect_response("**/queue/join*"):
            page.locator("#tray input[type=file]").set_input_files(tmp_path / name)
        page.get_by_text(says).first.wait_for()
        visit.reload()
        visit.ready()
    visit.counts(0)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (f"c={to_code(WALL)[:-3]}", "This link is not whole"),
        (f"c=2{to_code(WALL)[1:]}", "made by a newer version"),
        (f"c={to_code(Generate(model='gone', seed=1))}", "The model 'gone' that this needs is not here"),
        (f"c={to_code(Generate(model=MODEL, seed=1, count=4000))}", "Pictures must be from 1 to 64"),
        ("c=%00%3Cscript%3Ealert(1)%3C/script%3E", "This link is not whole"),
        ("c=1" + "A" * 12_000, "longer than any that ganhub makes"),
        ("c=1" + "A" * 40_000, "longer than any that ganhub makes"),
    ],
    ids=["cut", "newer", "gone", "range", "html", "long", "longer"],
)  # fmt: skip
def test_wrong_links_are_one_sentence(browser: Any, server: Server, shots: Path, query: str, says: str) -> None:
    """And the page works as it does without."""
    visit = Visit.__new__(Visit)
    Watched.__init__(visit, browser, f"{server.url}?{query}", shots)
    visit.page.get_by_text(says).first.wait_for()
    assert visit.page.get_by_text(says).count() <= 2  # one sentence; Gradio may keep it for screen readers, too
    visit.wall(WALL)
    visit.context.close()
    assert not [one for one in visit.troubles if server.url not in one or "asked" not in one]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ('{"version": 0, "entries": []}', "kept by an older version"),
        ('{"version": 99, "entries": []}', "kept by a newer version"),
        ("[", "cannot be read"),
        ("null", "cannot be read"),
        ('{"version": 1, "entries": 7}', "cannot be read"),
        ('{"version": 1, "entries": [null, 3, {"code": 1}, {"code": "1vxkjzQRDA2xmAAA", "title": "x", '
         '"thumb": "javascript:alert(1)", "can": ["smash", 7], "note": [], "star": "yes"}]}', ""),
    ],
    ids=["older", "newer", "broken", "null", "no-list", "odd-entries"],
)  # fmt: skip
def test_browser_state_of_others(browser: Any, server: Server, shots: Path, state: str, says: str) -> None:
    """Of another version or broken: one sentence, and an empty tray that works; of odd entries what can be used."""
    visit = Visit(browser, server.url, shots, state=state)
    if says:
        visit.says(says)
    else:
        visit.counts(1)
        visit.card(0).click()
        assert not visit.page.locator("#tray .tray-look img, #tray [data-go]").count()
    visit.wall(WALL)
    assert visit.kept()[0]["code"] == to_code(WALL)
    visit.close()


def test_two_visitors_at_once(browser: Any, server: Server, shots: Path, tmp_path: Path) -> None:
    """A link gives the same picture to somebody else, and nothing that is the first one's own: tray, photo, result."""
    one, two = (Visit(browser, server.url, shots) for _ in range(2))
    one.wall(WALL)
    two.wall(Generate(model=MODEL, seed=500, count=4))
    Image.radial_gradient("L").convert("RGB").resize((90, 70)).save(tmp_path / "secret.png")
    one.page.get_by_role("tab", name="Style", exact=True).click()
    one.picture("#style-painting")  # what the tab opens with
    one.page.locator("#style-content button[aria-label='Remove Image']").click()
    one.page.locator("#style-content input[type=file]").set_input_files(tmp_path / "secret.png")
    one.page.locator("#style-content img").wait_for()
    one.page.locator("#style-run").click()
    one.page.wait_for_function("JSON.parse(localStorage['ganhub-tray']).entries[0].tab === 'style'")
    painting = one.kept()[0]
    own = [entry["code"] for entry in two.kept()]
    assert painting["photo"] and painting["code"] not in own and to_code(WALL) not in own

    link = "([code, tab]) => window.ganhub.link(code, tab)"
    to_wall = one.page.evaluate(link, [to_code(WALL), "generate"])
    two.leave(lambda: two.page.goto(to_wall))
    two.shows(WALL)
    one.leave(lambda: one.page.goto(two.page.url))
    one.shows(WALL)
    assert one.picture("#generate-wall") == two.picture("#generate-wall")
    to_painting = one.page.evaluate(link, [painting["code"], "style"])
    two.leave(lambda: two.page.goto(to_painting))
    two.page.get_by_text("A link cannot hold a picture").first.wait_for()
    two.page.locator("#style-run").wait_for()
    assert not two.page.locator("#style-content img").count()
    assert [entry["code"] for entry in two.kept()] == own
    for visit in (one, two):
        visit.close()


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
