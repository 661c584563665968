"""Links, zips and browser states of others, and two visitors at once, in a real headless Chromium."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganhub.creation import Generate
from ganhub.creation.permalink import to_code
from tests.app_server import Server
from tests.browser import MARKS, Watched
from tests.tray_visit import MODEL, WALL, Visit

pytest_plugins = ["tests.app_server", "tests.browser", "tests.tray_visit"]
pytestmark = MARKS


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


WRONG = (
    (f"c={to_code(WALL)[:-3]}", "This link is not whole"),
    (f"c=2{to_code(WALL)[1:]}", "made by a newer version"),
    (f"c={to_code(Generate(model='gone', seed=1))}", "The model 'gone' that this needs is not here"),
    (f"c={to_code(Generate(model=MODEL, seed=1, count=4000))}", "Pictures must be from 1 to 64"),
    ("c=%00%3Cscript%3Ealert(1)%3C/script%3E", "This link is not whole"),
    ("c=1" + "A" * 12_000, "longer than any that ganhub makes"),
    ("c=1" + "A" * 40_000, "longer than any that ganhub makes"),
)


def test_wrong_links_are_one_sentence(browser: Any, server: Server, shots: Path) -> None:
    """And the page works as it does without."""
    visit = Visit.__new__(Visit)
    Watched.__init__(visit, browser, server.url, shots)
    for query, says in WRONG:
        visit.leave(lambda address=f"{server.url}?{query}": visit.page.goto(address))
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
    before = one.page.evaluate("window.ganhub.now")
    one.page.get_by_role("tab", name="Style", exact=True).click()
    one.page.wait_for_function("before => window.ganhub.now !== before", arg=before)  # what the tab opens with
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
