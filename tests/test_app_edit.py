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
from ganhub.app.tabs.edit import build, in_words, menu
from ganhub.images import fit, load_image
from ganhub.models import StyleGenerator, get_architecture
from tests.app_server import Server, refusal, wait_until

pytest_plugins = ["tests.app_server"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # gradio_client leaves its streams to the collector
MODEL = "tiny-stylegan2"


def edits(
    directions: Any = (), *amounts: float, mixed: str = "nothing", seed: int = 1, truncation: float = 1.0
) -> list[Any]:
    """Arguments of the sliders and boxes beside the picture."""
    return [list(directions), *amounts, *[0] * (6 - len(amounts)), mixed, seed, truncation]


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
    return client.predict(MODEL, "any", seed, *(edits_ or edits()), api_name="/edit_seed")


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
    after, line, png, point = client.predict(*edits(names, *amounts), api_name="/edit")
    w = model.per_layer(model.to_w(model.latent([7])))
    for name, amount in zip(names, amounts, strict=True):
        w = latents.edit(w, latents.direction(model, name), amount)
    assert same(after, model.from_w(w, noise=model.noise([7])))
    assert not same(after, load_image(before)), "the edit must be seen"
    assert line == "Seed 7 · Principal 1 +2.0 · Weights 2 -1.5 · pca:2@fine +3.0"
    with Image.open(png) as picture:
        assert picture.text["edits"] == "Principal 1 +2.0, Weights 2 -1.5, pca:2@fine +3.0"
        assert (picture.text["model"], picture.text["source"]) == (MODEL, "seed 7")
    saved = load_file(point)
    assert torch.allclose(saved["w"], w, atol=1e-5) and torch.equal(saved["noise"], model.noise([7]))


def test_mixing_then_truncation(client: Client, model: StyleGenerator) -> None:
    start(client)
    after, line, *_ = client.predict(*edits(mixed="coarse", seed=12, truncation=0.5), api_name="/edit")
    w = latents.mix(model, model.to_w(model.latent([7])), model.to_w(model.latent([12])), "coarse")
    assert same(after, model.from_w(model.truncate_w(w, None, 0.5), noise=model.noise([7])))
    assert line == "Seed 7 · coarse styles of seed 12 · truncation 0.5"
    undone = client.predict(api_name="/edit_reset")
    after, line, *_ = client.predict([], *undone[:7], 1, undone[7], api_name="/edit")
    assert same(after, model.sample(1, seed=7)) and line == "Seed 7 · as it is"


def test_a_photo_is_found_and_edited(client: Client, model: StyleGenerator, photo: str) -> None:
    before, after, line, _, point, told = client.predict(
        MODEL, "any", handle_file(photo), 30, *edits(), api_name="/edit_photo"
    )
    target = fit(load_image(photo), 16, 16)
    assert same(before, target) and line == "Photo · as it is" and told.startswith("Projected in")
    assert "was cut at its edges" in told and "transparency was laid on white" in told
    saved = load_file(point)
    picture = model.from_w(saved["w"], noise=saved["noise"])
    assert same(after, picture)
    expected = latents.project(model, load_image(photo), steps=30)
    assert expected.error < expected.start_error and (picture - expected.picture).abs().mean() < 0.02
    edited, line, *_ = client.predict(*edits(["pca:0"], 4.0), api_name="/edit")
    assert line == "Photo · Principal 1 +4.0" and not same(edited, picture)


def test_a_projection_can_be_stopped(server: Server, client: Client, photo: str) -> None:
    start(client)
    job = client.submit(MODEL, "any", handle_file(photo), 1000, *edits(), api_name="/edit_photo")
    wait_until(lambda: len(job.outputs()) >= 2)
    assert client.predict(api_name="/stop_edit") == "Stopped."
    *_, told = job.result(timeout=60)
    assert "can still be edited" in told
    wait_until(lambda: server.workers() == 0)
    _, line, *_ = client.predict(*edits(["pca:1"], 1.0), api_name="/edit")
    assert line == "Seed 7 · Principal 2 +1.0", "what was there before is kept"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tiny-dcgan", "any", 0, *edits()), "choose another model"),
        ((MODEL, "cat", 0, *edits()), "leave the label out"),
        ((MODEL, "any", -1, *edits()), "seed must be from 0"),
        ((MODEL, "any", 0, *edits(["smile"], 1.0)), "There is no direction 'smile'"),
        ((MODEL, "any", 0, *edits(["pca:99"], 1.0)), "pca:0 to pca:7"),
        ((MODEL, "any", 0, *edits(["pca:0"], 99.0)), "Principal 1 must be from -4 to 4"),
        ((MODEL, "any", 0, *edits(["pca:0"] * 7)), "Choose up to 6 directions"),
        ((MODEL, "any", 0, *edits(mixed="coarse", seed=-3)), "mix_seed must be from 0"),
        ((MODEL, "any", 0, *edits(truncation=9)), "truncation must be from 0 to 1.5"),
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
    assert "Steps must be from 20 to 1000" in answer
    client.reset_session()  # a visitor who has begun nothing
    assert "take a seed, or upload a photo" in refusal(client, *edits(), api_name="/edit")
    assert "has no styles to edit" in refusal(client, "tiny-dcgan", "5", api_name="/send_to_edit")
    assert client.predict(MODEL, "5", api_name="/send_to_edit") == (MODEL, 5)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (edits(["smile"], 1.0), "There is no direction 'smile'"),
        (edits(["pca:0"], 99.0), "Principal 1 must be from -4 to 4"),
        (edits(mixed="coarse", seed=-3), "mix_seed must be from 0"),
        (edits(truncation=9), "truncation must be from 0 to 1.5"),
    ],
)
def test_a_slip_in_the_edits_is_said_before_the_projection(
    client: Client, server: Server, photo: str, asked: tuple, says: str
) -> None:
    job = client.submit(MODEL, "any", handle_file(photo), 1000, *asked, api_name="/edit_photo")
    assert says in str(job.exception(timeout=60))
    assert "Step 1 of" not in str(job.outputs()) and server.workers() == 0, "it was said after steps of the projection"


def test_names_in_words() -> None:
    assert [in_words(name) for name in ("pca:0", "sefa:3", "class:cat>dog", "pca:0@fine", "mine")] == [
        "Principal 1", "Weights 4", "cat to dog", "pca:0@fine", "mine"
    ]  # fmt: skip
    assert ("a to c", "class:a>c") in menu(["a", "b", "c"])
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
    del page, tab, parts
    gc.collect()  # Gradio leaves the event loops of its locks to the collector, which would speak up in another test
