"""What the tray does on the server: forms filled from a Creation, files of a session, sizes, thumbnails, the card."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import torch
from PIL import Image, ImageSequence

from ganhub import images
from ganhub.app.declared import ASSETS, Bench, Outcome
from ganhub.app.drawings import Drawings
from ganhub.app.editor import actions, card, leaving, memory
from ganhub.app.editor.actions import Desk, go
from ganhub.app.editor.memory import Memory
from ganhub.app.jobs import Jobs
from ganhub.app.library import Library
from ganhub.app.page import list_tabs
from ganhub.app.shield import own_folder
from ganhub.app.tabs import _interpolate_pins as timeline
from ganhub.app.tabs import edit as edit_tab
from ganhub.app.tabs import evolve as evolve_tab
from ganhub.creation import Creation, Edit, Evolve, Generate, Interpolate, Point, Project, Restore, Style, Translate
from ganhub.creation.permalink import from_code, to_code
from ganhub.errors import ConfigError, GanhubError
from ganhub.models import get_architecture
from ganhub.nn.random import uniform

NOBODYS, STYLE = "cd" * 32, get_architecture("fast-style").tiny().style_names[0]
WALL = Generate(model="tiny-stylegan2", seed=3, count=4, truncation=0.7)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The tabs of the app, with tiny models."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("conditional-gan", "dcgan", "fast-style", "pix2pix", "srgan", "stylegan2"):
        get_architecture(name).tiny().save_pretrained(folder / f"tiny-{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANHUB_MODELS", str(folder))
        own_folder()
        bench = Bench(Library(), Jobs(), Drawings())
        with gr.Blocks():
            tabs = {tab.name: tab.build(bench) for tab in list_tabs() if tab.able()}
        yield Desk(bench, tabs, {name: name.title() for name in tabs})


@pytest.fixture
def photo(tmp_path: Path) -> str:
    images.save_image(uniform([1], 3, 20, 30) * 2 - 1, tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def opened(desk: Desk, creation: Creation, keep: Memory | None = None) -> tuple[dict[str, Any], dict[Any, Any]]:
    """What the page is told, and box -> value of the form that was filled."""
    _, answer, _, *boxes = go(desk, {"code": to_code(creation)}, keep)
    told, forms = json.loads(answer), {name: one.form for name, one in desk.tabs.items() if one.form}
    assert len(boxes) == sum(len(form.boxes) for form in forms.values())
    for name, form in forms.items():
        filled, boxes = boxes[: len(form.boxes)], boxes[len(form.boxes) :]
        if name == told["tab"]:
            own = zip(form.boxes, filled, strict=True)
            return told, {
                box: box.value if value == gr.skip() else getattr(value, "value", value) for box, value in own
            }
        assert all(value == gr.skip() for value in filled), name
    raise AssertionError("no tab was filled")


def made_again(desk: Desk, creation: Creation, keep: Memory | None = None) -> Outcome:
    """What the tab's own button makes of the form."""
    told, filled = opened(desk, creation, keep)
    run, inputs, _ = desk.tabs[told["tab"]].form.run
    given = [filled[box] for box in inputs]
    last = list(run(None, *given) if told["tab"] in ("edit", "interpolate") else run(*given, None))[-1]
    return next(value for value in last if isinstance(value, Outcome))


# ---- forms


@pytest.mark.parametrize(
    "creation",
    [
        WALL,
        Generate(model="tiny-dcgan", seed=9, count=2, likeness=0.5, around=4),
        Generate(model="tiny-conditional-gan", count=3, labels=("circle", "ring")),
        Generate(model="tiny-conditional-gan", seed=4, count=12, labels=("ring",), likeness=0.85, around=4),
        Interpolate(model="tiny-dcgan", seeds=(4, 5), frames=16, loop=False),
        Interpolate(
            model="tiny-conditional-gan",
            seeds=(4, 5, 6),
            durations=(1, 2, 1),
            label="ring",
            frames=8,
            fps=10,
            labels=("", "circle", 1),
            easing="hold",
            space="z",
            truncation=0.6,
            pace="picture",
            format="webm",
        ),
        Edit(model="tiny-stylegan2", seed=5, directions=(("pca:1", 1.5),), mixed="fine", mix_seed=8),
        Edit(model="tiny-stylegan2", photo=NOBODYS, steps=20, size=1024),
        Edit(model="tiny-stylegan2", seed=5, steps=20, size=1024, mixed="coarse+fine", mix_photo=NOBODYS),
        Style(model="tiny-fast-style", photo=NOBODYS, styles=((STYLE, 1.0),), size=256, opaque=True, style_size=512),
        Translate(model="tiny-pix2pix", photo=NOBODYS, size=1024, opaque=True),
        Restore(photo=NOBODYS, upscaler="tiny-srgan", size=1024, opaque=True),
    ],
    ids=lambda one: f"{one.verb}-{one.to_dict().get('model', '')}{'-photo' if one.digests() else ''}",
)
def test_a_form_that_is_filled_and_run_gives_the_same(desk: Desk, creation: Creation, photo: str) -> None:
    """Each tab's button makes of the form just what was opened; then the tray's link is the one that was opened."""
    keep = Memory()
    if creation.digests():
        fields = json.loads(creation.to_json().replace(NOBODYS, keep.add_photo(photo)))
        creation = Creation.from_dict(fields)
    outcome = made_again(desk, creation, keep)
    again = memory.unpinned(outcome.creation)
    kept = {name: value for name, value in again.to_dict().items() if name != "directions"}
    assert kept == {name: value for name, value in creation.to_dict().items() if name != "directions"}
    edits = dict(getattr(again, "directions", ()))
    assert {name: amount for name, amount in edits.items() if amount} == dict(getattr(creation, "directions", ()))
    assert outcome.files and all(Path(file).is_file() for file in outcome.files)
    assert set(outcome.photos) == set(creation.digests())


def test_a_link_that_needs_a_photo_asks_for_it(desk: Desk, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless this very session has it, or it is an example of the page; another session's photo is never used."""
    asked: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda text, **kwargs: asked.append(text))
    mine, other = Memory(), Memory()
    creation = Translate(model="tiny-pix2pix", photo=mine.add_photo(photo), size=1024, opaque=True)
    assert opened(desk, creation, mine)[0]["run"] and not asked
    for keep in (other, None):
        told, filled = opened(desk, creation, keep)
        assert not told["run"] and photo not in json.dumps(list(filled.values()), default=str)
        assert "A link cannot hold a picture" in asked.pop() and not asked
    example = memory.sha256_of(ASSETS / "cat.jpg")
    assert opened(desk, Translate(model="tiny-pix2pix", photo=example), None)[0]["run"]


def test_what_has_no_place_here_is_one_sentence(desk: Desk) -> None:
    for ask, says in (
        ({"code": to_code(Generate(model="gone"))}, "The model 'gone' that this needs is not here"),
        ({"code": to_code(Generate(model="tiny-dcgn"))}, "Did you mean 'tiny-dcgan'"),
        ({"code": to_code(Project(model="tiny-stylegan2", photo=NOBODYS))}, "has no tab here"),
        ({"code": to_code(WALL), "action": "smash"}, "no such button"),
        ({"code": 7}, "not whole"), ({}, "not whole"), (None, "not whole"), ([1], "not whole"),
        ({"code": to_code(WALL), "action": ["style"]}, ""),
    ):  # fmt: skip
        with pytest.raises((ConfigError, TypeError) if not says else ConfigError) as error:
            go(desk, ask, None)
        assert says in str(error.value)


def test_what_each_picture_is_offered(desk: Desk) -> None:
    offered = {creation.verb: set(actions.offers(desk, creation)) for creation in (
        Generate(model="tiny-stylegan2", seed=4), Translate(model="tiny-pix2pix", photo=NOBODYS),
        Style(model="tiny-fast-style", photo=NOBODYS, styles=((STYLE, 1.0),)),
    )}  # fmt: skip
    photos = {"style", "enlarge", "restore", "mix"}
    assert offered["generate"] >= photos | {"like", "interpolate", "edit", "surprise", "pin"}
    assert offered["translate"] == photos
    assert offered["style"] == photos | {"surprise"}
    assert "edit" not in actions.offers(desk, Generate(model="tiny-dcgan", seed=4))  # it has no styles


def sent(desk: Desk, tab: str, action: str, *values: Any) -> Creation:
    """What a button below a wall asks for."""
    return from_code(json.loads(actions.go_from(desk, action, desk.tabs[tab].pick[0], None, *values)[1])["code"])


def test_buttons_below_walls_take_model_and_settings_along(desk: Desk) -> None:
    """More like this and Evolve, of the picture that is picked: one on a wall, one of a class."""
    wall = Outcome(WALL, ["x"] * 4)
    like = sent(desk, "generate", "like", wall, "5")
    assert (like.model, like.around, like.truncation, like.labels) == (WALL.model, 5, WALL.truncation, ())
    bred = sent(desk, "generate", "evolve", wall, "5")
    assert bred == Point(model=WALL.model, weights=(1, *[0] * 31), seed=5, truncation=WALL.truncation)
    rows = Outcome(Generate(model="tiny-conditional-gan", seed=3, count=2, labels=("circle", "ring")), ["x"] * 4)
    like = sent(desk, "conditional", "like", rows, "4", "ring")
    assert (like.seed, like.around, like.labels) == (4, 4, ("ring",)) and desk.tab_of(like) == "conditional"
    assert sent(desk, "conditional", "evolve", rows, "4", "ring").label == "ring"
    for tab, values in (("generate", (None, "5")), ("generate", (wall, "")), ("conditional", (rows, "9", "ring"))):
        with pytest.raises(ConfigError, match="Click a picture of the wall first"):
            sent(desk, tab, "like", *values)


def test_a_picture_that_is_bred_keeps_its_class(desk: Desk) -> None:
    """Also where nobody named one: the first child is the picture itself."""
    model = "tiny-conditional-gan"
    bred = actions.bred_from(Generate(model=model, seed=4))
    names = desk.bench.library.open(model).config.class_names
    assert bred.label == names[4 % len(names)] and desk.tab_of(bred) == "evolve"
    *_, (*_, outcome, _) = evolve_tab.reopen(desk.bench, *evolve_tab.fill(bred, {}), 0, 0.2, request=None)
    own, child = (images.load_image(file) for file in (
        memory.drawn_anew(desk.bench, Generate(model=model, seed=4)).files[0], outcome.files[0]
    ))  # fmt: skip
    assert outcome.creation == bred and (own - child).abs().max() < 2 / 127


def added(desk: Desk, tab: str, creation: Creation, *boxes: Any) -> dict[Any, Any]:
    """Box -> value of a form that a picture of the tray was added to."""
    _, answer, _, *values = actions.add(desk, tab, {"code": to_code(creation)}, None, *boxes)
    assert json.loads(answer) == {"tab": tab, "run": False}
    return dict(zip(desk.tabs[tab].addition.boxes, values, strict=True))


def test_pictures_become_pins_of_a_film(desk: Desk) -> None:
    """They come behind the pins that were chosen; of another model, or where nobody chose any, a film begins."""
    boxes, model = desk.tabs["interpolate"].addition.boxes, "tiny-conditional-gan"
    fresh = [box.value for box in boxes]
    one = added(desk, "interpolate", Generate(model=model, seed=7, labels=("ring",), truncation=0.7), *fresh)
    assert [one[box] for box in boxes[:2]] == [model, "7 (ring)"] and one[boxes[7]] == 0.7
    two = added(desk, "interpolate", Generate(model=model, seed=9), *one.values())
    again = added(desk, "interpolate", Generate(model=model, seed=7, labels=("ring",)), *two.values())
    assert two[boxes[1]] == "7 (ring), 9" and again[boxes[1]] == "9, 7 (ring)"
    other = added(desk, "interpolate", Edit(model="tiny-stylegan2", seed=5), *two.values())
    assert [other[box] for box in boxes[:2]] == ["tiny-stylegan2", "5"]
    for creation in (WALL, Generate(model=model, likeness=0.5), Edit(model="tiny-stylegan2", mixed="fine")):
        assert "pin" not in actions.offers(desk, creation)
        with pytest.raises(ConfigError, match="cannot be used there"):
            added(desk, "interpolate", creation, *fresh)


def test_a_picture_becomes_the_other_one_of_a_mix(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its seed in the same model, with what was chosen to be taken; otherwise its file is the photo to be found."""
    said: list[str] = []
    monkeypatch.setattr(gr, "Info", said.append)
    model, picture = "tiny-stylegan2", Generate(model="tiny-stylegan2", seed=9)
    assert list(added(desk, "edit", picture, model, [], 1, "the same class", None).values()) == [
        model, ["fine"], 9, "the same class", None
    ]  # fmt: skip
    assert list(added(desk, "edit", picture, model, ["coarse"], 1, "", None).values())[1:3] == [["coarse"], 9]
    assert not said
    *kept, file = added(desk, "edit", Generate(model="tiny-dcgan", seed=9), model, [], 1, "", None).values()
    assert kept == [model, [], 1, ""] and images.load_image(file).shape[-1] > 1 and "Find this photo" in said[0]
    run, _, outputs = desk.tabs["edit"].addition.run[1]
    session = None
    for number in (9, 10):  # first nothing is edited yet, then something is
        mixed = Edit(model=model, seed=5, mixed="fine", mix_seed=number)
        last = list(run(None, session, *edit_tab.fill(mixed, {})))[-1]
        session = last[0]
        outcome = next(value for value in last if isinstance(value, Outcome))
        assert (outcome.creation.mixed, outcome.creation.mix_seed, len(last)) == ("fine", number, len(outputs))


def test_the_timeline_and_its_preview(desk: Desk) -> None:
    """What its buttons do to the text of the pins; the preview is small, and lasts as long as the film."""
    assert timeline.moved("3, 13 (a) x2, 23", 1, -1) == ("13 (a) x2, 3, 23", 0)
    assert timeline.moved("3, 13, 23", 2, 1) == ("3, 13, 23", 2) and timeline.removed("3, 13, 23", 2) == ("3, 13", 1)
    assert timeline.with_class("3, 13", 1, "ring") == "3, 13 (ring)"
    assert timeline.with_class("3, 13 (ring)", 1, timeline.AS_ALL) == "3, 13"
    assert timeline.with_duration("3, 13", 0, 2) == "3 x2, 13" and timeline.with_duration("3 x2, 13", 0, 1) == "3, 13"
    assert timeline.added("", "4") == "4" and timeline.added(", ".join(map(str, range(12))), 99).endswith("11, 99")
    assert timeline.choose("3, 13 (#1) x2", ["ring", "cross"], 5) == ("Pin 2 of 2: seed 13", "cross", 2.0)
    film = Interpolate(model="tiny-conditional-gan", seeds=(3, 4), labels=("ring", ""), frames=96, fps=24)
    pins, _ = timeline.drawn(desk.bench, timeline.asking(film), lambda *step: None)
    assert [words for _, words in pins] == ["3 ring", "4"] and all(Path(file).is_file() for file, _ in pins)
    *_, (shown, moving, hint) = timeline.look(desk.bench, None, *timeline.asking(film))
    assert isinstance(shown, list), "pictures alone: the pin that was clicked meanwhile stays the chosen one"
    with Image.open(moving) as gif:
        frames = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
        assert max(gif.size) <= timeline.LOOK_SIDE and sum(frames) == pytest.approx(4000, rel=0.05) and hint == ""
    boxes = list(timeline.asking(film))
    for text, says in (("3", timeline.FEW), ("", timeline.FEW), ("3 (crcle), 4", "Did you mean"), ("3, x", "no seed")):
        boxes[1] = text
        assert says in list(timeline.look(desk.bench, None, *boxes))[-1][2]


def test_an_older_preview_is_not_shown_over_a_newer_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, film = threading.Event(), timeline.asking(Interpolate(model="tiny-dcgan", seeds=(3, 4)))
    monkeypatch.setattr(timeline, "drawn", lambda bench, boxes, report: go_on.wait(60) and ([], "look.gif"))
    visitor = SimpleNamespace(session_hash="one")
    older, newer = (timeline.look(desk.bench, visitor, *film) for _ in range(2))
    nothing = tuple(gr.skip() for _ in range(3))
    assert next(older) == next(newer) == nothing
    go_on.set()
    assert all(told == nothing for told in older), "it ended well, but another one was asked for since"
    assert list(newer)[-1][1:] == ("look.gif", "")


# ---- files


def test_files_of_a_session(desk: Desk, photo: str) -> None:
    """A result is found by its link while its file is there, then drawn anew; one of a photo is gone with its file."""
    keep = Memory()
    painting = Translate(model="tiny-pix2pix", photo=keep.add_photo(photo))
    code = keep.keep(Outcome(painting, [photo], photos={painting.photo: photo}))
    assert memory.outcome_of(desk.bench, keep, code).files == [photo]
    with pytest.raises(ConfigError, match="no longer here"):
        memory.outcome_of(desk.bench, Memory(), code)
    wall = memory.outcome_of(desk.bench, keep, to_code(WALL))
    assert len(wall.files) == 4 and keep.find(to_code(WALL)) is wall
    Path(photo).unlink()
    with pytest.raises(ConfigError, match="no longer here"):
        memory.outcome_of(desk.bench, keep, code)
    for seed in range(memory.MOST + 20):
        keep.keep(Outcome(Generate(model="m", seed=seed), ["x"]))
    assert len(keep.outcomes) == memory.MOST


@pytest.mark.parametrize("creation", [Edit(model="tiny-stylegan2", seed=2), WALL,
                                      Interpolate(model="tiny-dcgan", seeds=(1, 2), frames=8)],
                         ids=lambda one: one.verb)  # fmt: skip
def test_what_leaves_at_a_size(desk: Desk, creation: Creation) -> None:
    outcome, steps = memory.drawn_anew(desk.bench, creation), []
    side = desk.bench.library.open(creation.model).config.size[0]
    for factor, square in leaving.SIZES.values():
        path = Path(leaving.saved(desk, outcome, factor, square, lambda *step: steps.append(step)))
        assert path.suffix == {"edit": ".png", "generate": ".zip", "interpolate": ".mp4"}[creation.verb]
        if path.suffix == ".png":
            assert images.load_image(path).shape[-2:] == (side * factor, side * factor)
    assert steps or creation.verb == "edit"
    with pytest.raises(ConfigError, match="at most 4096 a side"):
        leaving.enlarged(torch.zeros(1, 3, 2000, 20), 4, None)


def test_entries_are_small_and_say_what_they_are(desk: Desk) -> None:
    outcome = Outcome(WALL, memory.drawn_anew(desk.bench, WALL).files)
    text, keep = leaving.remembered(desk, outcome, None)
    entry = json.loads(text)
    assert from_code(entry["code"]) == WALL and keep.find(entry["code"]) is outcome
    assert entry["title"] == "tiny-stylegan2, seeds 3 to 6" and entry["tab"] == "generate"
    assert len(entry["thumb"]) <= 4096 and entry["thumb"].startswith("data:image/webp;base64,")
    shown = images.load_image(base64.b64decode(entry["thumb"].partition(",")[2]))
    assert shown.shape[-1] >= 2 * 16 + 2  # four of the wall
    noise = [uniform([seed], 3, 500, 700) * 2 - 1 for seed in range(4)]
    assert len(leaving.thumbnail(noise)) <= 4096 and leaving.thumbnail([]) == ""
    assert leaving.remembered(desk, None, None)[0] == ""


def test_rows_of_a_zip_are_checked() -> None:
    for ask in (None, {}, {"rows": []}, {"rows": [1]}, {"rows": [["x"]]}, {"rows": [[1, True, "n"]]}, {"rows": "abc"}):
        with pytest.raises(GanhubError):
            leaving._rows(ask)
    assert leaving._rows({"rows": [["x", "yes", "n" * 900]] * 300}) == [("x", False, "n" * 200)] * 100


def test_the_card(desk: Desk) -> None:
    """A wall shows nine pictures, before and after two; each in the left part, words in the right one."""
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 24, 24)
    for pictures, pair, shown in (
        ([red], False, 1),
        ([red] * 5, False, 4),
        ([red] * 9, False, 9),
        ([red] * 2, True, 2),
    ):
        drawn = card.compose(pictures, "a-model, seed 7", "https://somewhere.example/?c=1abc", pair=pair)
        assert drawn.shape == (1, 3, card.HEIGHT, card.WIDTH)
        is_red = (drawn[0, 0] > 0.9) & (drawn[0, 1] < -0.9)
        cell = is_red.sum().item() / shown
        assert cell == int(cell) and is_red[:, card.WIDTH - card.RIGHT :].sum() == 0
        assert is_red.sum() > 0.35 * card.HEIGHT * card.WIDTH
    assert card.compose([], "x", "").shape[-1] == card.WIDTH
    board = torch.tensor([1.0, -1.0]).repeat(8)[:, None] * torch.tensor([1.0, -1.0]).repeat(8)
    hard, soft = (card.compose([board.expand(1, 3, 16, 16)], "x", "", pixels=pixels) for pixels in (True, False))
    corner = slice(card.MARGIN + 5, card.MARGIN + 300)
    pure = [(one[..., corner, corner].abs() > 0.98).float().mean().item() for one in (hard, soft)]
    assert pure[0] > 0.9 and pure[1] < 0.5
    grey = card.compose([torch.zeros(1, 1, 5, 300)], "x" * 300, "y" * 3000)
    assert grey.shape == (1, 3, card.HEIGHT, card.WIDTH)


@pytest.mark.parametrize("creation", [
    Edit(model="tiny-stylegan2", photo=NOBODYS), Edit(model="tiny-stylegan2", mixed="fine", mix_photo=NOBODYS),
    Evolve(model="tiny-dcgan", scores="similarity=1", target=NOBODYS),
], ids=lambda one: next(iter(one.digests().values())))  # fmt: skip
def test_the_card_says_before_of_the_photo_that_was_changed(
    desk: Desk, photo: str, creation: Creation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of one whose styles were taken, or that was searched for."""
    keep, pairs = Memory(), []
    compose = card.compose
    monkeypatch.setattr(card, "compose", lambda *given, pair, **more: pairs.append(pair) or compose(*given, **more))
    creation = Creation.from_dict(json.loads(creation.to_json().replace(NOBODYS, keep.add_photo(photo))))
    code = keep.keep(Outcome(creation, [photo]))
    leaving.share(desk, {"code": code, "link": "https://somewhere.example"}, keep)
    assert pairs == [bool(getattr(creation, "photo", ""))]


def test_chance_is_not_the_same_twice(desk: Desk) -> None:
    asked = {"code": to_code(Generate(model="tiny-dcgan", seed=1)), "action": "surprise"}
    seeds = {from_code(json.loads(go(desk, asked, None)[1])["code"]).seed for _ in range(4)}
    assert len(seeds) == 4 and 1 not in seeds
