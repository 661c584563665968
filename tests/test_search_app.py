"""The Evolve tab: by its API, and as a visitor of it in a real browser."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from ganhub.app.declared import Bench
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs
from ganhub.app.library import Library
from ganhub.app.tabs import evolve as evolve_tab
from ganhub.creation import Creation, Evolve, Generate, Inputs, LocalLibrary, Point, render
from ganhub.creation.reproduce import read_creation
from ganhub.images import to_uint8
from ganhub.models import get_architecture
from tests.app_server import Server, refusal
from tests.browser import MARKS, WAIT, Watched, unfold

pytest_plugins = ["tests.app_server", "tests.browser"]
needs_pygmo = pytest.mark.skipif(
    not importlib.util.find_spec("pygmo"), reason="needs pygmo, which pip has for Linux only"
)


def files_of(gallery: list[Any]) -> list[str]:
    return [entry["image"] if isinstance(entry, dict) else entry[0] for entry in gallery]


def evolve(client: Client, **given: Any) -> tuple:
    asked = {
        "model": "tiny-conditional-gan", "scores": "contrast=1", "algorithm": "random", "generations": 2, "seed": 0,
        "label": "all classes", "target": None, "truncation": 1, **given,
    }  # fmt: skip
    return client.predict(*asked.values(), api_name="/evolve_tab")


def test_what_the_api_finds_can_be_made_again(client: Client, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, creations, liked, plot, said = evolve(client)
    points = [Creation.from_json(line) for line in creations.splitlines()]
    assert 1 <= len(points) == len(gallery) <= 12 and liked == "" and "<svg" in plot and "of 40 pictures" in said
    monkeypatch.setenv("GANHUB_MODELS", str(models))
    for point, path in zip(points, files_of(gallery), strict=True):
        again = to_uint8(render(point, LocalLibrary("cpu"), inputs=Inputs()).pictures)[0].permute(1, 2, 0)
        with Image.open(path) as picture:
            seen = np.asarray(picture).reshape(again.shape)
            assert np.abs(seen.astype(int) - again.numpy().astype(int)).max() <= 1
        assert replace(read_creation(path), revision="") == point


@needs_pygmo
def test_a_picture_to_look_for(client: Client, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "green.png"
    Image.new("RGB", (40, 24), (10, 200, 40)).save(path)
    gallery, creations, *_ = evolve(client, scores="palette=1", algorithm="genetic", target=handle_file(path))
    assert len(gallery) == len(creations.splitlines()) >= 1
    assert "compares with a picture" in refusal(
        client, "tiny-conditional-gan", "palette=1", "random", 2, 0, "all classes", None, 1, api_name="/evolve_tab"
    )


def test_breeding(client: Client) -> None:
    asked = ("tiny-conditional-gan", "", 0, 0.2, 5, "circle", 1)
    gallery, creations, _, turn, said = client.predict(*asked, api_name="/breed")
    wall = [Point.from_json(line) for line in creations.splitlines()]
    assert len(gallery) == len(wall) == 12 and turn == 1 and "random wall" in said
    assert {one.seed for one in wall} == {5} and len({one.label for one in wall}) == 1
    liked = "\n".join(creations.splitlines()[4:6])
    asked = ("tiny-conditional-gan", liked, 1, 0.2, 5, "circle")
    *_, bred, _, turn, said = client.predict(*asked, 1, api_name="/breed")
    assert bred.splitlines()[:2] == liked.splitlines() and turn == 2 and "from 2 that you liked" in said
    assert client.predict(*asked, 1, api_name="/breed")[1] == bred
    typical = [Point.from_json(line) for line in client.predict(*asked, 0.5, api_name="/breed")[1].splitlines()]
    assert [one.weights for one in typical] == [Point.from_json(line).weights for line in bred.splitlines()]
    assert {one.truncation for one in typical} == {0.5}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"scores": "colorfulness=1"}, "Did you mean 'colourfulness'"),
        ({"scores": "symmetry=much"}, "write NAME=WEIGHT"),
        ({"scores": ""}, "There is nothing to look for"),
        ({"scores": "symmetry=1e9"}, "The weight of symmetry must be from"),
        ({"scores": "wish:hat=1"}, "has no space W"),
        ({"generations": 10**6}, "Generations must be a whole number from 1 to 60|Generations must be from 1 to 60"),
        ({"seed": -1}, "seed must be from 0"),
        ({"label": "crcle"}, "Did you mean 'circle'"),
        ({"model": "tiny-gatys"}, "choose another model"),
        ({"model": "../etc"}, "Choose one from the menu"),
    ],
)
def test_refusals(client: Client, changed: dict[str, Any], says: str) -> None:
    asked = {
        "model": "tiny-conditional-gan", "scores": "contrast=1", "algorithm": "random", "generations": 2, "seed": 0,
        "label": "", "target": None, "truncation": 1, **changed,
    }  # fmt: skip
    assert re.search(says, refusal(client, *asked.values(), api_name="/evolve_tab"))


@pytest.mark.parametrize(
    ("liked", "says"),
    [
        ("no json", "one line of JSON"),
        ('{"verb":"generate","model":"tiny-dcgan"}', "There is no verb 'generate' here"),
        ('{"verb":"point","model":"tiny-srgan","weights":[1]}', "is of tiny-srgan, not of tiny-dcgan"),
        ('{"verb":"point","model":"tiny-dcgan","weights":[1]}', "mixed from different seeds"),
        ('{"verb":"point","model":"tiny-dcgan","weights":[7]}', "weights must be from -1 to 1"),
        ("\n".join(["{}"] * 13), "at most 12"),
    ],
)
def test_breeding_refuses_what_is_no_picture_of_a_wall(client: Client, liked: str, says: str) -> None:
    assert says in refusal(client, "tiny-dcgan", liked, 0, 0.2, 0, "", 1, api_name="/breed")


def test_a_creation_from_the_history_fills_the_tab() -> None:
    asked = Evolve(model="m", scores="palette=0.5,contrast=-1", generations=9, seed=4, label="x", target="a" * 64,
                   truncation=0.5)  # fmt: skip
    filled = evolve_tab.fill(asked, {"a" * 64: "there.png"})
    assert filled == ("m", "palette=0.5,contrast=-1", "genetic", 9, 4, "x", "there.png", 0.5, "")
    found = Point(model="m", weights=[0.25] * 32, seed=7, label="x")
    assert evolve_tab.read_points(evolve_tab.fill(found, {})[-1]) == [found]
    assert evolve_tab.takes(asked) and evolve_tab.takes(found)
    others = [Evolve(model="m", **fields) for fields in ({"population": 10}, {"space": "w"}, {"generations": 61})]
    for other in (*others, Point(model="m", weights=[1.0]), Generate(model="m")):
        assert not evolve_tab.takes(other)


def test_a_picture_from_the_history_is_bred(models_folder: Path) -> None:
    """It stands first, and its children follow."""
    get_architecture("dcgan").tiny().save_pretrained(models_folder / "tiny-dcgan")
    found = Point(model="tiny-dcgan", weights=[0.25] * 16 + [-0.5] * 16, seed=7, truncation=0.6)
    bench = Bench(Library(), Jobs(), Drawings())
    *_, (wall, creations, liked, _, turn, outcome, said) = evolve_tab.reopen(
        bench, *evolve_tab.fill(found, {}), 0, 0.2, request=None
    )
    assert Point.from_json(creations.splitlines()[0]) == found == outcome.creation and outcome.files == [wall[0][0]]
    assert len(wall) == 12 and (liked, turn) == ("", 1) and "from 1 that you liked" in said
    asked = Evolve(model="tiny-dcgan", scores="contrast=1", algorithm="random", generations=1)
    *_, (wall, *_, outcome, said) = evolve_tab.reopen(bench, *evolve_tab.fill(asked, {}), 0, 0.2, request=None)
    assert outcome.creation == replace(asked, population=20) and len(wall) == len(outcome.files) and "of 20" in said


def test_the_api_bounds_a_search(client: Client) -> None:
    asked = {"model": "tiny-dcgan", "scores": [["contrast", 1]], "algorithm": "random"}
    picture, files, said, creation = client.predict(
        **asked, generations=2, population=5, api_name="/evolve"
    )  # fmt: skip
    assert len(files) >= 1 and creation["verb"] == "evolve"
    with pytest.raises(AppError, match="Ask for at most 1200 pictures"):
        client.predict(**asked, generations=100, population=100, api_name="/evolve")


class Visit(Watched):
    """A visitor on the Evolve tab."""

    def pictures(self, count: int) -> None:
        self.page.wait_for_function(
            "count => [...document.querySelectorAll('#evolve-wall img')].filter(i => i.naturalWidth).length == count",
            arg=count,
        )

    def says(self, text: str) -> None:
        from playwright.sync_api import expect

        status = self.page.locator("#evolve-status")
        expect(status).to_contain_text(re.compile(text), timeout=WAIT)  # or else it tells what is there

    def sources(self) -> list[str]:
        return self.page.eval_on_selector_all("#evolve-wall img", "all => all.map(one => one.currentSrc)")


@pytest.fixture
def visit(browser: Any, server: Server, shots: Path) -> Any:
    visit = Visit(browser, server.url, shots)
    yield visit
    visit.close()


def test_a_visitor_breeds_and_evolves(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("tab", name="Evolve", exact=True).click()
    visit.pictures(12)  # the tab opens with a wall
    first = visit.sources()
    for place in (2, 7):
        page.locator("#evolve-wall .thumbnail-item").nth(place).click()
        page.locator("#evolve-wall .caption-label", has_text="liked").nth(0 if place == 2 else 1).wait_for()
    visit.says("You like 2")
    page.locator("#evolve-wall .thumbnail-item").nth(7).click()
    visit.says("You like 1")
    page.locator("#evolve-breed").click()
    visit.says("from 1 that you liked")
    visit.pictures(12)
    assert len(set(first) & set(visit.sources())) == 0 and page.locator(".caption-label", has_text="liked").count() == 0
    page.locator("#evolve-want-symmetry input[type=number]").fill("0.5")
    page.locator("#evolve-want-symmetry input[type=number]").press("Tab")
    page.wait_for_function(
        "document.querySelector('#evolve-scores textarea, #evolve-scores input').value =="
        " 'colourfulness=1,symmetry=0.5'"
    )
    unfold(page, "How to search")
    page.locator("#evolve-generations input[type=number]").fill("3")
    page.locator("#evolve-generations input[type=number]").press("Tab")
    page.locator("#evolve-run").click()
    visit.says("Best score .* of 60 pictures")
    page.locator("#evolve-plot svg title").wait_for(state="attached")
    assert json.loads("[" + page.locator("#evolve-wall .caption-label").first.inner_text() + "]")[0] > 0
    visit.not_wider_than_the_window()
    visit.shot("evolve")


test_a_visitor_breeds_and_evolves.pytestmark = [*MARKS, needs_pygmo.mark]
