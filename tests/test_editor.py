"""What the tray does on the server: forms filled from a Creation, files of a session, sizes, thumbnails, the card."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch

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
from ganhub.creation import Creation, Edit, Generate, Interpolate, Project, Restore, Style, Translate
from ganhub.creation.permalink import from_code, to_code
from ganhub.errors import ConfigError, GanhubError
from ganhub.models import get_architecture
from ganhub.nn.random import uniform

NOBODYS, STYLE = "cd" * 32, get_architecture("fast-style").tiny().style_names[0]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Gradio leaves an event loop to the collector
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
    last = list(run(None, *given) if told["tab"] == "edit" else run(*given, None))[-1]
    return next(value for value in last if isinstance(value, Outcome))


# ---- forms


@pytest.mark.parametrize(
    "creation",
    [
        WALL,
        Generate(model="tiny-dcgan", seed=9, count=2, likeness=0.5, around=4),
        Generate(model="tiny-conditional-gan", count=3, labels=("circle", "ring")),
        Interpolate(model="tiny-dcgan", seeds=(4, 5), frames=16, loop=False),
        Edit(model="tiny-stylegan2", seed=5, directions=(("pca:1", 1.5),), mixed="fine", mix_seed=8),
        Edit(model="tiny-stylegan2", photo=NOBODYS, steps=20, size=1024),
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
    photos = {"style", "enlarge", "restore"}
    assert offered["generate"] >= photos | {"like", "interpolate", "edit", "surprise"}
    assert offered["translate"] == photos
    assert offered["style"] == photos | {"surprise"}
    assert "edit" not in actions.offers(desk, Generate(model="tiny-dcgan", seed=4))  # it has no styles


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


def test_chance_is_not_the_same_twice(desk: Desk) -> None:
    asked = {"code": to_code(Generate(model="tiny-dcgan", seed=1)), "action": "surprise"}
    seeds = {from_code(json.loads(go(desk, asked, None)[1])["code"]).seed for _ in range(4)}
    assert len(seeds) == 4 and 1 not in seeds
