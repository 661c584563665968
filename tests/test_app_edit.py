"""The Edit tab as its API's callers meet it: what it gives is what ganhub.latents gives, picture and point."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from gradio_client import Client, handle_file
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from ganhub import hub, latents, zoo
from ganhub.app import Library
from ganhub.app.declared import Bench
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs
from ganhub.app.shield.limits import PRIVATE, Limits
from ganhub.app.tabs import _edit_boxes as boxes
from ganhub.app.tabs._edit_layout import CHANGES, SLIDERS, menu
from ganhub.app.tabs.edit import build
from ganhub.creation import Edit, Inputs, render
from ganhub.errors import ConfigError
from ganhub.images import fit, load_image
from ganhub.models import StyleGenerator, get_architecture
from ganhub.models._named import NamedDirection
from tests.app_server import Server, refusal, wait_until

pytest_plugins = ["tests.app_server"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # gradio_client leaves its streams to the collector
MODEL = "tiny-stylegan2"


def edits(
    directions: Any = (), *amounts: float, mixed: Any = (), seed: Any = 1, truncation: float = 1.0,
    changes: dict[str, float] | None = None,
) -> list[Any]:  # fmt: skip
    """Arguments of the sliders and boxes beside the picture."""
    others = changes or {}
    return [
        list(directions), *amounts, *[0] * (SLIDERS - len(amounts)), list(others), *others.values(),
        *[0] * (CHANGES - len(others)), list(mixed), seed, truncation, "",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def model(models: Path) -> StyleGenerator:
    return get_architecture("stylegan2").from_folder(models / MODEL)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Larger than the model's pictures, oblong, and with transparency."""
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    picture = Image.linear_gradient("L").convert("RGBA").resize((60, 40))
    picture.putalpha(Image.linear_gradient("L").rotate(90).resize((60, 40)))
    picture.save(path)
    return str(path)


def start(client: Client, seed: int = 7, *edits_: Any) -> tuple[str, str, str, str, str, str]:
    """Before, after, the line, PNG, point and sentence."""
    (before, after), *others = client.predict(MODEL, "any", seed, *(edits_ or edits()), api_name="/edit_seed")
    return before, after, *others


def same(path: str, picture: Tensor) -> bool:
    """Whether a file holds a picture, to the last of 256 shades."""
    return bool((load_image(path) - picture).abs().max() < 1 / 127.5)


def test_a_seed_starts_as_its_picture(client: Client, model: StyleGenerator) -> None:
    before, after, line, png, _, told = start(client)
    assert same(before, model.sample(1, seed=7)) and same(after, model.sample(1, seed=7))
    assert line == "Seed 7 · as it is" and told.startswith("This is seed 7.") and png.endswith("seed-7-edited.png")


def test_edits_are_those_of_the_library(client: Client, model: StyleGenerator) -> None:
    """Principal directions, those of the weights and of some layers; what was done is told and goes with the file."""
    before, *_ = start(client)
    names, amounts = ["pca:0", "sefa:1", "pca:2@fine"], [2.0, -1.5, 3.0]
    changes = dict(zip(names[1:], amounts[1:], strict=True))
    (_, after), line, png, point = client.predict(
        *edits(names[:1], *amounts[:1], changes=changes), api_name="/edit_tab"
    )
    w = model.per_layer(model.to_w(model.latent([7])))
    for name, amount in zip(names, amounts, strict=True):
        w = latents.edit(w, latents.direction(model, name), amount)
    assert same(after, model.from_w(w, noise=model.noise([7])))
    assert not same(after, load_image(before)), "the edit must be seen"
    assert line == "Seed 7 · Change 1 +2.0 · Other change 2 -1.5 · Change 3 (colours) +3.0"
    with Image.open(png) as picture:
        assert picture.text["edits"] == "Change 1 +2.0, Other change 2 -1.5, Change 3 (colours) +3.0"
        assert (picture.text["model"], picture.text["source"]) == (MODEL, "seed 7")
    saved = load_file(point)
    assert torch.allclose(saved["w"], w, atol=1e-5) and torch.equal(saved["noise"], model.noise([7]))


def test_mixing_then_truncation(client: Client, model: StyleGenerator) -> None:
    start(client)
    (_, after), line, *_ = client.predict(*edits(mixed=["coarse"], seed=12, truncation=0.5), api_name="/edit_tab")
    w = latents.mix(model, model.to_w(model.latent([7])), model.to_w(model.latent([12])), "coarse")
    assert same(after, model.from_w(model.truncate_w(w, None, 0.5), noise=model.noise([7])))
    assert line == "Seed 7 · shape of seed 12 · truncation 0.5"
    undone = client.predict(api_name="/edit_reset")
    amounts, others, (mixed, truncation) = undone[:SLIDERS], undone[SLIDERS:-2], undone[-2:]
    (_, after), line, *_ = client.predict([], *amounts, [], *others, mixed, 1, truncation, "", api_name="/edit_tab")
    assert same(after, model.sample(1, seed=7)) and line == "Seed 7 · as it is"


def test_a_photo_is_found_and_edited(client: Client, model: StyleGenerator, photo: str) -> None:
    (before, after), line, _, point, told = client.predict(
        MODEL, "any", handle_file(photo), 30, *edits(), api_name="/edit_photo"
    )
    target = fit(load_image(photo), 16, 16)
    assert same(before, target) and line == "Photo · as it is" and told.startswith("Found in")
    assert "was cut at its edges" in told and "transparency was laid on white" in told
    saved = load_file(point)
    picture = model.from_w(saved["w"], noise=saved["noise"])
    assert same(after, picture)
    expected = latents.project(model, load_image(photo), steps=30)
    assert expected.error < expected.start_error and (picture - expected.picture).abs().mean() < 0.02
    (_, edited), line, *_ = client.predict(*edits(changes={"pca:0": 4.0}), api_name="/edit_tab")
    assert line == "Photo · Change 1 +4.0" and not same(edited, picture)


def test_a_projection_can_be_stopped(server: Server, client: Client, photo: str) -> None:
    start(client)
    job = client.submit(MODEL, "any", handle_file(photo), 1000, *edits(), api_name="/edit_photo")
    wait_until(lambda: len(job.outputs()) >= 2)
    assert client.predict(api_name="/stop_edit") == "Stopped."
    *_, told = job.result(timeout=60)
    assert "can still be changed" in told
    wait_until(lambda: server.workers() == 0)
    _, line, *_ = client.predict(*edits(["pca:1"], 1.0), api_name="/edit_tab")
    assert line == "Seed 7 · Change 2 +1.0", "what was there before is kept"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tiny-dcgan", "any", 0, *edits()), "choose another model"),
        ((MODEL, "cat", 0, *edits()), "leave the label out"),
        ((MODEL, "any", -1, *edits()), "seed must be from 0"),
        ((MODEL, "any", 0, *edits(["smile"], 1.0)), "There is no direction 'smile'"),
        ((MODEL, "any", 0, *edits(["pca:99"], 1.0)), "pca:0 to pca:7"),
        ((MODEL, "any", 0, *edits(["pca:0"], 99.0)), "Change 1 must be from -4 to 4"),
        ((MODEL, "any", 0, *edits(["pca:0"] * 7)), "Choose up to 6 changes; there are 7"),
        ((MODEL, "any", 0, *edits(mixed=["coarse"], seed=-3)), "mix_seed must be from 0"),
        ((MODEL, "any", 0, *edits(truncation=9)), "truncation must be from 0 to 1.5"),
        ((MODEL, "any", 0, *edits(mixed=["nose"])), "What to take must be one of coarse, middle, fine, not 'nose'"),
        ((MODEL, "any", 0, *edits(changes={"pca:0@nose": 1.0})), "names no layers"),
    ],
)
def test_refusals(client: Client, arguments: tuple, says: str) -> None:
    assert says in refusal(client, *arguments, api_name="/edit_seed")


def test_refusals_of_a_photo(server: Server, photo: str, client: Client, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no picture at all")
    arguments = (300, *edits())
    assert "not a picture" in refusal(client, MODEL, "any", handle_file(text), *arguments, api_name="/edit_photo")
    assert "There is no photo picture yet" in refusal(client, MODEL, "any", None, *arguments, api_name="/edit_photo")
    answer = refusal(client, MODEL, "any", handle_file(photo), 10**6, *edits(), api_name="/edit_photo")
    assert "How long to look must be from 20 to 1000" in answer
    client.reset_session()  # a visitor who has begun nothing
    assert "take a seed, or upload a photo" in refusal(client, *edits(), api_name="/edit_tab")
    assert "has no styles to edit" in refusal(client, "tiny-dcgan", "5", api_name="/send_to_edit")
    assert client.predict(MODEL, "5", api_name="/send_to_edit") == (MODEL, 5)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (edits(["smile"], 1.0), "There is no direction 'smile'"),
        (edits(["pca:0"], 99.0), "Change 1 must be from -4 to 4"),
        (edits(mixed=["coarse"], seed=-3), "mix_seed must be from 0"),
        (edits(truncation=9), "truncation must be from 0 to 1.5"),
    ],
)
def test_a_slip_in_the_edits_is_said_before_the_projection(
    client: Client, server: Server, photo: str, asked: tuple, says: str
) -> None:
    job = client.submit(MODEL, "any", handle_file(photo), 1000, *asked, api_name="/edit_photo")
    assert says in str(job.exception(timeout=60))
    assert "Step 1 of" not in str(job.outputs()) and server.workers() == 0, "it was said after steps of the projection"


def test_styles_of_another_photo(client: Client, model: StyleGenerator, photo: str) -> None:
    start(client)
    asked = edits(mixed=["coarse", "fine"], changes={"pca:0": 1.0})
    (before, after), line, _, point, mixed, other, told = client.predict(
        handle_file(photo), 30, *asked, api_name="/edit_mix_photo"
    )
    assert line == "Seed 7 · shape and colours of another photo · Change 1 +1.0" and told.startswith("Found.")
    assert mixed == ["coarse", "fine"] and same(before, model.sample(1, seed=7))
    found = latents.project(model, load_image(photo, channels=4), steps=30)
    assert (load_image(other) - found.picture).abs().mean() < 0.02
    middle = slice(*latents.layer_range("middle", model.layers))
    way, w = latents.direction(model, "pca:0"), model.to_w(model.latent([7]))
    assert torch.allclose(load_file(point)["w"][:, middle], latents.edit(model.per_layer(w), way, 1.0)[:, middle],
                          atol=1e-5)  # fmt: skip
    (_, again), line, *_ = client.predict(*edits(mixed=["middle"]), api_name="/edit_tab")
    assert line == "Seed 7 · details of another photo" and not same(again, load_image(after))
    client.reset_session()
    assert "take a seed, or upload a photo" in refusal(client, handle_file(photo), 30, *edits(),
                                                       api_name="/edit_mix_photo")  # fmt: skip


def session_of(model: StyleGenerator, bench: Bench, seed: int) -> boxes.Session:
    """A session in which the picture of a seed is edited."""
    inputs, creation = Inputs(), Edit(model="named", seed=seed)
    render(creation, bench.library, inputs=inputs)
    return boxes.Session(creation, inputs, "", {})


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A page with a model of two classes that knows glasses in both, and a hat in the first alone."""
    kind = get_architecture("stylegan2")
    model = kind(kind.Config.from_dict(kind.tiny().config.to_dict() | {"num_classes": 2, "class_names": ["a", "b"]}))
    axes, depth = torch.eye(model.style_mean.shape[1]), (0, model.layers)
    model.named = (
        NamedDirection("hat", axes[0], "", 1.0, depth, classes=("a",)),
        NamedDirection("glasses", axes[1], "", 1.0, depth),
    )
    model.save_pretrained(tmp_path / "named")
    monkeypatch.setenv("GANHUB_MODELS", str(tmp_path))
    return Bench(Library(), Jobs(), Drawings())


def test_names_are_those_of_the_picture_s_class(named: Bench) -> None:
    model = named.library.open("named", StyleGenerator)
    for seed, here in ((0, ["hat", "glasses"]), (1, ["glasses"])):
        named_ones, more_amounts = [1.0, 2.0, *[0] * (SLIDERS - 2)], [3.0, *[0] * (CHANGES - 1)]
        asked = [["nose", "glasses"], ["nose", "glasses"], *named_ones, ["pca:5"], ["pca:1"], *more_amounts]
        column, menu_, names, *sliders = boxes.fit(named, session_of(model, named, seed), *asked)
        more, sliders = sliders[SLIDERS:], sliders[:SLIDERS]
        assert [(one.label, one.value) for one in sliders if one.visible] == [("glasses", 2.0)]
        assert more[0] == ["pca:5"] and [(one.label, one.value) for one in more[1:] if one.visible] == [
            ("Change 6", 3.0)
        ]
        settled = [here, here, *named_ones, ["pca:5"], ["pca:5"], *more_amounts]
        column, menu_, *others = boxes.fit(named, session_of(model, named, seed), *settled)
        assert "value" not in menu_.constructor_args and all(one == gr.skip() for one in others), "one may have moved"
        asked[0] = []
        column, menu_, names, *sliders = boxes.fit(named, session_of(model, named, seed), *asked)
        sliders = sliders[:SLIDERS]
        assert column.visible and names == here == menu_.value
        assert [one.label for one in sliders if one.visible] == here
    kept, told = boxes.fitting(model, Edit(model="named", directions=(("Hat", 1.0), ("pca:0", 1.0))), torch.tensor([1]))
    assert kept.directions == (("pca:0", 1.0),) and told == "There is no Hat for b."


def test_a_person_keeps_a_name(named: Bench, tmp_path: Path) -> None:
    model = named.library.open("named", StyleGenerator)
    session = session_of(model, named, 1)
    emptied, told = boxes.keep_name(named, session, "pca:1", "more hair")
    assert emptied == "" and told == "Change 2 is called more hair from now on."
    assert boxes.fit(named, session, [], [], *[0] * SLIDERS, [], [], *[0] * CHANGES)[2] == ["glasses", "more hair"]
    assert [one.name for one in get_architecture("stylegan2").from_folder(tmp_path / "named").named][-1] == "more hair"
    for which, name, says in (("pca:1", " ", "1 to 60 letters"), ("hat", "cap", "no computed direction")):
        with pytest.raises(ConfigError, match=says):
            boxes.keep_name(named, session, which, name)


@pytest.mark.parametrize("said, private", [("1", True), ("Yes", True), ("", False), ("0", False), ("publik", False)])
def test_only_a_private_page_lets_names_be_kept(
    said: str, private: bool, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANHUB_MODELS", str(models))
    monkeypatch.setenv("GANHUB_PRIVATE", said)
    assert (Limits.from_environment() == PRIVATE) is private
    with gr.Blocks(analytics_enabled=False) as page:
        build(Bench(Library(), Jobs(), Drawings()))
    ids = {part["props"].get("elem_id") for part in page.get_config_file()["components"]}
    assert ("edit-keep" in ids) is private
    assert any("keep_name" in str(getattr(one.fn, "__wrapped__", "")) for one in page.fns.values()) is private
    del page
    gc.collect()


def test_a_creation_fills_the_form(named: Bench) -> None:
    """What the boxes then ask for is that Creation again."""
    changes = (("glasses", 1.5), ("pca:3@fine", -2.0), ("class:a>b", 1.0))
    for creation in (
        Edit(
            model="named",
            seed=4,
            label="b",
            directions=changes,
            mixed="coarse+fine",
            mix_seed=9,
            mix_label="a",
            truncation=0.5,
        ),
        Edit(model="named", photo="0" * 64, steps=50, size=1024),
        Edit(model="named"),
    ):
        of_photo, model, label, seed, photo, steps, *edits_, other, of_other = boxes.fill(
            creation, {"0" * 64: "photo.png"}
        )
        assert len(edits_) == SLIDERS + CHANGES + 6 and of_photo is bool(creation.photo)
        assert photo == ("photo.png" if of_photo else None) and (other, of_other) == (None, False)
        start_ = {"photo": creation.photo, "size": 1024, "steps": steps} if of_photo else {"seed": seed}
        again = Edit(model=model, label=boxes.asked_class(label), **start_, **boxes.asked_edits(*edits_))
        assert again == creation


def test_the_sliders_begin_with_different_attributes() -> None:
    here = ["hair: red", "hair: blue", "glasses", "hair: grey", "mood: sad", "mood: happy"]
    wanted = ["hair: red", "glasses", "mood: sad", "hair: blue", "mood: happy", "hair: grey"]
    assert boxes.first_of_each(here) == wanted and boxes.first_of_each([]) == []


def test_changes_in_the_menu() -> None:
    assert ("a to c", "class:a>c") in menu(["a", "b", "c"]) and ("Change 1", "pca:0") in menu()
    assert not [name for _, name in menu() if name.startswith("class")]


@pytest.mark.parametrize("have", [False, True])
def test_without_a_model_the_tab_says_what_to_do(have: bool, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANHUB_MODELS", str(models))
    styled = set(zoo.names(StyleGenerator))
    here = {name: folder for name, folder in hub.list_local().items() if have or name not in styled}
    monkeypatch.setattr(hub, "list_local", lambda: here)
    with gr.Blocks(analytics_enabled=False) as page:
        tab = build(Bench(Library(), Jobs(), Drawings()))
    parts = {part["props"].get("elem_id"): part["props"] for part in page.get_config_file()["components"]}
    assert parts["edit-empty"]["visible"] is not have and parts["edit-room"]["visible"] is have
    assert bool(tab.scripts) is have and "Nothing to edit yet" in parts["edit-empty"]["value"]
