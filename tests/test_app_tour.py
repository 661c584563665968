"""The tour of the README: from the first wall to a link, filmed in a real Chromium.

It is filmed where ``$GANHUB_SCREENSHOTS`` names a folder (``make screenshots``): the journeys themselves have their
tests in the other files, and a film takes minutes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganhub.app.tabs.style import LOOK
from tests.app_server import Server
from tests.browser import MARKS, Watched, open_tab
from tests.test_app_screens import picture
from tests.tour import HEIGHT, WIDTH, Tour

pytest_plugins = ["tests.app_server", "tests.browser"]
pytestmark = [*MARKS, pytest.mark.skipif(not os.environ.get("GANHUB_SCREENSHOTS"), reason="make screenshots films it")]
MOST = 1_500_000  # bytes of the film


def test_the_tour(browser: Any, server: Server, shots: Path) -> None:
    visit = Watched(browser, server.url, shots, viewport={"width": WIDTH, "height": HEIGHT})
    page, tour = visit.page, Tour(visit.page)
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    first_wall(page, tour)
    edit(page, tour)
    breed(page, tour)
    style(page, tour)
    share(page, tour)
    visit.close()
    tour.save(shots / "tour.webp")
    with Image.open(shots / "tour.webp") as film:
        assert film.n_frames > 100 and film.size == tour.frames[0][0].size
    assert (shots / "tour.webp").stat().st_size < MOST
    seconds = sum(time for _, time in tour.frames) / 1000
    assert 15 < seconds < 35, f"{seconds} seconds"


def quiet(page: Any) -> None:
    """Until nothing is at work, and what came is painted."""
    page.wait_for_function("![...document.querySelectorAll('.bar')].some((bar) => bar.checkVisibility())")
    page.wait_for_timeout(400)


def first_wall(page: Any, tour: Tour) -> None:
    picture(page, "#generate-wall")
    picture(page, "#generate-picked")
    quiet(page)
    tour.say("A wall of new pictures: each seed gives one, always the same.", 2000)
    before = picture(page, "#generate-picked")
    tour.click(page.locator("#generate-wall .thumbnail-item").nth(16))
    picture(page, "#generate-picked", before)
    page.locator(".tray-strip button").first.wait_for()
    quiet(page)
    tour.say("Click one: it is kept in your browser, with its seed and model.", 900)
    tour.scroll(600)
    tour.click(page.locator(".tray-strip button").first)
    tour.look(500)
    tour.click(page.locator("#tray [data-do=star]"))
    tour.say("Star it, open it again, compare, undo.", 1400)


def edit(page: Any, tour: Tour) -> None:
    page.evaluate("window.scrollTo(0, 0)")
    tour.look(300)
    tour.click(page.locator("#generate-edit"))
    page.locator("#edit-recipe", has_text="Seed").wait_for()
    picture(page, "#edit-pair")
    quiet(page)
    tour.say("Edit it: a slider for each thing that the model can change.", 900)
    handle = page.locator("[id^=edit-amount]:visible", has_text="background").first.locator("input[type=range]")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    level, start = box["y"] + box["height"] / 2, box["x"] + box["width"] / 2
    tour.go((start, level))
    page.mouse.down()
    for step in range(1, 9):
        before = picture(page, "#edit-pair")
        place = start + step * box["width"] * 0.42 / 8
        page.mouse.move(place, level)
        picture(page, "#edit-pair", before)
        tour.at = (place, level)
        tour.look(150)
    page.mouse.up()
    quiet(page)
    tour.look(1300)


def breed(page: Any, tour: Tour) -> None:
    page.evaluate("window.scrollTo(0, 0)")
    open_tab(page, "Evolve")
    picture(page, "#evolve-wall")
    quiet(page)
    tour.say("Evolve: click the ones you like, and breed them.", 900)
    for place in (5, 9):
        tour.click(page.locator("#evolve-wall .thumbnail-item").nth(place))
        tour.look(350)
    before = picture(page, "#evolve-wall")
    tour.click(page.locator("#evolve-breed"))
    picture(page, "#evolve-wall", before)
    quiet(page)
    tour.look(1600)


def style(page: Any, tour: Tour) -> None:
    open_tab(page, "Style")
    picture(page, "#style-painting")
    page.locator("#style-status", has_text="Painted in").wait_for()
    page.wait_for_function(f"document.querySelector('#style-looks img')?.naturalWidth === {LOOK}")
    quiet(page)
    tour.say("Style: your photo in every style at once, then one of them large.", 1200)
    before = picture(page, "#style-painting")
    tour.click(page.locator("#style-looks .thumbnail-item").nth(2))
    picture(page, "#style-painting", before)
    quiet(page)
    tour.look(1600)


def share(page: Any, tour: Tour) -> None:
    page.locator(".tray-strip").scroll_into_view_if_needed()
    tour.click(page.locator(".tray-strip button").nth(1))
    page.locator(".tray-one [data-do=copy]").scroll_into_view_if_needed()
    tour.say("A link makes the same picture again, on any machine with the same models.", 500)
    tour.click(page.locator(".tray-one [data-do=copy]"))
    page.locator(".tray-says", has_text="The link is copied").wait_for()
    tour.look(1000)
    tour.click(page.locator(".tray-one [data-do=share]"))
    picture(page, "#tray-left")
    quiet(page)
    page.evaluate("window.scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    page.wait_for_timeout(400)
    tour.look(2600)
