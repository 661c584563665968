"""Creations: values that check themselves, go to JSON and back, and give the same picture wherever they are made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganhub import latents
from ganhub.app import Library
from ganhub.creation import (
    Creation,
    Edit,
    Evolve,
    Generate,
    Inpaint,
    Inputs,
    Interpolate,
    LocalLibrary,
    Point,
    Project,
    Restore,
    Style,
    Translate,
    limits,
    list_verbs,
    render,
)
from ganhub.creation import edit as edit_module
from ganhub.creation.checks import read_seeds
from ganhub.creation.edit import cached_direction
from ganhub.errors import ConfigError, GanhubError, HubError
from ganhub.hub import revision_of, revisions
from ganhub.images import encode_png, load_image, save_image
from ganhub.models import get_architecture
from ganhub.nn.random import uniform

SHA = st.text("0123456789abcdef", min_size=64, max_size=64)
SEED = st.integers(0, 2**32 - 1)
TEXT = st.text(min_size=1)
LABEL = st.one_of(st.none(), TEXT, st.integers(0, 999))
TRUNCATION = st.floats(0, 1.5)
TILE = st.one_of(st.just("auto"), st.integers(0, 16_384))
PHOTO = {"photo": SHA, "size": st.integers(0, 16_384), "opaque": st.booleans()}
SHARES = st.lists(st.tuples(st.one_of(TEXT, SHA), st.floats(0.01, 10)), min_size=1, max_size=3)
FIELDS: dict[type[Creation], dict[str, st.SearchStrategy]] = {
    Generate: {"model": TEXT, "seed": st.integers(0, 2**32 - 4096), "count": st.integers(1, 1365),
               "labels": st.lists(st.one_of(TEXT, st.integers(0, 999)), max_size=3), "truncation": TRUNCATION,
               "likeness": st.floats(0, 1), "around": SEED},
    Interpolate: {"model": TEXT, "seeds": st.lists(SEED, min_size=2, max_size=8), "frames": st.integers(8, 10_000),
                  "label": LABEL, "loop": st.booleans(), "space": st.sampled_from(["", "z", "w"]),
                  "truncation": TRUNCATION, "pace": st.sampled_from(["latent", "picture"]), "fps": st.floats(1, 120),
                  "labels": st.just(()), "durations": st.just(()), "easing": st.sampled_from(["smooth", "hold"]),
                  "format": st.sampled_from(["mp4", "webm"])},
    Style: {**PHOTO, "model": TEXT, "styles": SHARES, "outside": SHARES, "mask": SHA, "strength": st.floats(0, 1),
            "scale": st.one_of(st.none(), st.floats(0.25, 4)), "strokes": st.floats(0.25, 4), "seed": SEED,
            "keep_colour": st.sampled_from(["", "luminance", "histogram"]), "style_size": st.integers(16, 4096),
            "tile": TILE},
    Translate: {**PHOTO, "model": TEXT, "tile": TILE, "self_ensemble": st.booleans(), "dabs": st.just(False)},
    Inpaint: {**PHOTO, "model": TEXT, "mask": SHA, "tile": TILE},
    Restore: {**PHOTO, "cleaner": TEXT, "inpainter": st.text(), "mask": st.one_of(st.just(""), SHA),
              "colourist": st.text(), "upscaler": st.text()},
    Edit: {"model": TEXT, "seed": SEED, "photo": st.one_of(st.just(""), SHA), "size": st.integers(0, 16_384),
           "steps": st.integers(1, 10_000), "label": LABEL,
           "directions": st.lists(st.tuples(TEXT, st.floats(-4, 4)), max_size=4),
           "mixed": st.sampled_from(edit_module.MIXES), "mix_seed": SEED, "mix_label": LABEL,
           "mix_photo": st.one_of(st.just(""), SHA),
           "truncation": TRUNCATION},
    Project: {"model": TEXT, "photo": SHA, "size": st.integers(0, 16_384), "label": LABEL,
              "space": st.sampled_from(["w+", "w"]), "steps": st.integers(1, 100_000),
              "seconds": st.one_of(st.none(), st.floats(0.1, 1e6)), "network": TEXT, "seed": SEED},
    Evolve: {"model": TEXT, "scores": st.just((("contrast", -0.5), ("palette", 1.0))), "target": SHA, "label": LABEL,
             "generations": st.integers(1, 200), "algorithm": st.sampled_from(["genetic", "random"]),
             "population": st.integers(5, 1000), "seed": SEED, "space": st.sampled_from(["z", "w"]),
             "truncation": TRUNCATION},
    Point: {"model": TEXT, "weights": st.lists(st.floats(-1, 1), min_size=1, max_size=8), "seed": SEED, "label": LABEL,
            "space": st.sampled_from(["z", "w"]), "truncation": TRUNCATION},
}  # fmt: skip
REVISION = st.one_of(st.just(""), st.text("0123456789abcdef", min_size=8, max_size=64))
for kind, fields in FIELDS.items():
    fields["revision"] = st.just("") if kind is Restore else REVISION  # it has as many as it has models
ANY = st.one_of([st.fixed_dictionaries({}, optional=fields).map(lambda given, kind=kind: (kind, given))
                 for kind, fields in FIELDS.items()])  # fmt: skip
LEAST: dict[type[Creation], dict[str, Any]] = {
    Generate: {"model": "m"}, Interpolate: {"model": "m", "seeds": (1, 2)},
    Style: {"model": "m", "photo": "0" * 64, "styles": (("waves", 1.0),), "mask": "1" * 64},
    Translate: {"model": "m", "photo": "0" * 64}, Inpaint: {"model": "m", "photo": "0" * 64, "mask": "1" * 64},
    Restore: {"photo": "0" * 64, "cleaner": "m"}, Edit: {"model": "m"},
    Project: {"model": "m", "photo": "0" * 64},
    Evolve: {"model": "m", "target": "0" * 64}, Point: {"model": "m", "weights": (1, -0.5)},
}  # fmt: skip


# ---- values


def test_every_verb_has_a_row_here() -> None:
    assert set(list_verbs()) == {kind.verb for kind in FIELDS} == {kind.verb for kind in LEAST}
    for kind, fields in FIELDS.items():
        assert set(fields) == {one.name for one in dataclasses.fields(kind)}


@given(ANY)
def test_to_json_and_back(asked: tuple[type[Creation], dict[str, Any]]) -> None:
    kind, given_fields = asked
    creation = kind(**{**LEAST[kind], **given_fields})
    text = creation.to_json()
    assert Creation.from_json(text) == creation == kind.from_dict(creation.to_dict())
    assert Creation.from_json(text).to_json() == text and text.isascii() and "\n" not in text
    assert json.loads(text)["verb"] == kind.verb and hash(creation) == hash(Creation.from_json(text))


def test_equal_values_are_one_value() -> None:
    one = Generate(model="m", seed=4.0, count=2, labels=["a", 3], truncation=1)
    assert one == Generate(model="m", seed=4, count=2, labels=("a", 3), truncation=1.0)
    assert one.to_json() == (
        '{"around":0,"count":2,"labels":["a",3],"likeness":0.0,"model":"m","seed":4,"truncation":1.0,"verb":"generate"}'
    )


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (Generate, {"seed": -1}, "seed must be from 0 to 4294967295, not -1."),
        (Generate, {"seed": 2**32 - 1, "count": 2}, "seed must be from 0 to 4294967294"),
        (Generate, {"seed": 0.5}, "seed must be a whole number"),
        (Generate, {"seed": True}, "seed must be a whole number"),
        (Generate, {"seed": 10**400}, "seed must be from 0 to 4294967295, not one of more than 40 digits."),
        (Generate, {"count": "many"}, "count must be a whole number from 1 to 4096, not 'many'."),
        (Generate, {"truncation": math.nan}, "truncation must be a number from 0 to 1.5, not 'nan'."),
        (Generate, {"truncation": math.inf}, "truncation must be a number"),
        (Generate, {"truncation": 9}, "truncation must be from 0 to 1.5, not 9."),
        (Generate, {"model": 3}, "model must be text, not 3."),
        (Generate, {"labels": "cat"}, "labels must be a list, not 'cat'."),
        (Generate, {"labels": [-1]}, "labels must be from 0 to 1000000, not -1."),
        (Interpolate, {"seeds": [3]}, "Give 2 or more seeds"),
        (Interpolate, {"seeds": [1, 2, 3], "frames": 2}, "frames must be from 3 to 10000, not 2."),
        (Interpolate, {"space": "q"}, "space must be one of '', z, w, not 'q'."),
        (Interpolate, {"loop": "yes"}, "loop must be true or false, not 'yes'."),
        (Interpolate, {"labels": ["cat"]}, "labels must have one value for each of 2 seeds, not 1."),
        (Interpolate, {"durations": [1, 0]}, "durations must be from 0.1 to 100, not 0."),
        (Interpolate, {"easing": "bounce"}, "easing must be one of linear, smooth, hold, not 'bounce'."),
        (Interpolate, {"format": "gif", "fps": 60}, "fps must be from 1 to 50 for a gif, not 60."),
        (Style, {"styles": []}, "There is no style yet"),
        (Style, {"styles": [["waves", 0]]}, "weight above 0"),
        (Style, {"styles": [["waves", math.nan]]}, "styles must be a number"),
        (Style, {"styles": [["waves"]]}, "styles must hold 2 values each, not 1."),
        (Style, {"outside": [["waves", 1]], "mask": ""}, "needs a mask"),
        (Style, {"styles": [["waves", 1]] * 65}, "A painting has at most 64 styles, not 65."),
        (Style, {"tile": "wide"}, "tile must be one of auto"),
        (Style, {"photo": "photo.jpg"}, "photo must be the sha256 of a picture"),
        (Translate, {"photo": ""}, "There is no photo yet"),
        (Restore, {"cleaner": ""}, "There is nothing to do"),
        (Edit, {"directions": [["pca:0", 9]]}, "Change 1 must be from -4 to 4, not 9."),
        (Generate, {"revision": "main"}, "revision must be 8 to 64 digits of 0-9a-f for each model, not 'main'."),
        (Generate, {"revision": "0" * 8 + "." + "1" * 8}, "revision must name 1 version, not 2."),
        (Edit, {"mixed": "all"}, "coarse+fine, middle+fine, coarse+middle+fine, not 'all'."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_sentence(kind: type[Creation], fields: dict[str, Any], says: str) -> None:
    """The same whether it is built by hand or read."""
    for build in (lambda data: kind(**data), kind.from_dict, Creation.from_dict):
        data = {**LEAST[kind], **fields}
        if build == Creation.from_dict:
            data["verb"] = kind.verb
        with pytest.raises(ConfigError) as error:
            build(data)
        assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"verb": "generat", "model": "m"}, "Did you mean 'generate'?"),
        ({"verb": "generate", "modle": "m"}, "generate has no field 'modle'. Did you mean 'model'?"),
        ({"verb": "generate"}, "generate needs a value for model."),
        ({"verb": ["generate"]}, "There is no verb"),
        ({}, "There is no verb"),
        ([], "a table of fields"),
    ],
)
def test_what_is_no_creation_is_refused(data: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=None) as error:
        Creation.from_json(json.dumps(data))
    assert says in str(error.value)
    with pytest.raises(ConfigError, match="one line of JSON"):
        Creation.from_json("{")


# ---- rendering


@pytest.fixture
def library(tiny_models: Callable) -> LocalLibrary:
    tiny_models("conditional-gan", "dcgan", "fast-style", "gatys", "inpainting", "srgan", "stylegan2")
    return LocalLibrary("cpu")


def test_generate_is_what_the_model_samples(library: LocalLibrary) -> None:
    steps = []
    made = render(Generate(model="tiny-dcgan", seed=3, count=40, truncation=0.7), library, lambda *at: steps.append(at))
    expected = library.open("tiny-dcgan").sample(40, seed=3, truncation=0.7)
    assert (made.pictures - expected).abs().max() < 1e-5 and steps == [(at, 40, None) for at in (0, 8, 16, 24, 32)]
    rows = render(Generate(model="tiny-conditional-gan", seed=5, count=2, labels=("ring", 0)), library).pictures
    model = library.open("tiny-conditional-gan")
    one_by_one = [model.sample(1, seed=seed, label=label) for label in ("ring", 0) for seed in (5, 6)]
    assert (rows - torch.cat(one_by_one)).abs().max() < 1e-5


def test_pictures_near_a_seed_are_like_it(library: LocalLibrary) -> None:
    """Distance falls to nothing as likeness grows; the seed's own picture stays, in a wall as alone."""
    alone = render(Generate(model="tiny-stylegan2", seed=5), library).pictures
    free = render(Generate(model="tiny-stylegan2", seed=5, count=6), library).pictures
    apart = []
    for likeness in (0.0, 0.6, 0.95, 1.0):
        near = Generate(model="tiny-stylegan2", seed=5, count=6, likeness=likeness, around=5)
        made = render(near, library).pictures
        assert (made[:1] - alone).abs().max() < 1e-5
        apart.append((made[1:] - alone).square().mean().item())
        one = Generate(model="tiny-stylegan2", seed=8, likeness=likeness, around=5)
        assert (render(one, library).pictures - made[3:4]).abs().max() < 1e-5
    assert apart[0] > apart[1] > apart[2] > apart[3] and apart[3] < 1e-10
    assert math.isclose(apart[0], (free[1:] - alone).square().mean().item(), rel_tol=1e-3)


def test_edit_of_nothing_is_the_picture_of_the_seed(library: LocalLibrary) -> None:
    made = render(Edit(model="tiny-stylegan2", seed=7), library)
    assert (made.pictures - library.open("tiny-stylegan2").sample(1, seed=7)).abs().max() < 1e-5
    assert made.text == "This is seed 7." and set(made.tensors) == {"w", "noise"} and not made.notes
    moved = render(Edit(model="tiny-stylegan2", seed=7, directions=(("pca:0", 2.0),)), library)
    assert moved.notes == ["Change 1 +2.0"] and not torch.equal(moved.pictures, made.pictures)


def test_a_projection_is_that_of_the_latents(library: LocalLibrary, photo: Path) -> None:
    inputs, steps = Inputs(), []
    asked = Project(model="tiny-stylegan2", photo=inputs.add(photo), steps=6, seed=3)
    made = render(asked, library, lambda *at: steps.append(at), inputs=inputs)
    model = library.open("tiny-stylegan2")
    expected = latents.project(model, load_image(photo), steps=6, seed=3)
    assert torch.equal(made.tensors["w"], expected.w) and torch.equal(made.tensors["noise"], expected.noise)
    assert torch.equal(made.pictures, expected.picture) and torch.equal(made.photo, expected.target)
    assert made.text.startswith(f"Perceptual distance (vgg-lite) {expected.error:.4f}, from {expected.start_error:.4f}")
    assert made.notes == [expected.note] and "was cut at its edges" in expected.note
    assert [step for step, _, look in steps if look is not None] == [0, 1, 5], "early looks"
    assert render(replace(asked, seed=4), library, inputs=inputs).tensors["w"].ne(expected.w).any()


def test_the_next_edit_of_a_photo_starts_where_the_last_one_did(
    library: LocalLibrary, photo: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, projections = Inputs(), []
    monkeypatch.setattr(
        Project, "projection",
        lambda self, *given, compute=Project.projection: projections.append(self) or compute(self, *given),
    )  # fmt: skip
    first = Edit(model="tiny-stylegan2", photo=inputs.add(photo), steps=3)
    moved = replace(first, directions=(("pca:0", 2.0),), mixed="fine", mix_seed=5, truncation=0.8)
    start = render(first, library, inputs=inputs)
    photo.unlink()  # it is no longer needed
    made = render(moved.pinned(library), library, inputs=inputs)
    assert len(projections) == 1 and start.photo is not None and not torch.equal(made.pictures, start.pictures)
    assert torch.equal(render(first, library, inputs=inputs).pictures, start.pictures) and len(projections) == 1
    with pytest.raises(GanhubError, match="photo.png"):
        render(replace(first, steps=4), library, inputs=inputs)  # another start needs it
    save_image(uniform([1], 3, 40, 56) * 2 - 1, photo)
    anew = render(moved, library, inputs=Inputs(photo))
    assert torch.equal(anew.pictures, made.pictures) and torch.equal(anew.tensors["w"], made.tensors["w"])
    get_architecture("stylegan2").tiny().save_pretrained(models_folder / "tiny-stylegan2")
    render(first, library, inputs=inputs)
    assert len(projections) == 3, "the model is another now"


def test_photos_come_from_inputs(library: LocalLibrary, photo: Path) -> None:
    inputs = Inputs(photo)
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    made = render(Translate(model="tiny-srgan", photo=digest), library, inputs=inputs)
    assert made.pictures.shape[-1] == 56 * library.open("tiny-srgan").scale and made.photo.shape == (1, 3, 40, 56)
    painted = render(
        Style(model="tiny-fast-style", photo=digest, styles=(("dots", 1.0),), size=28), library, inputs=inputs
    )
    assert painted.pictures.shape == (1, 3, 20, 28) and painted.shrunk == 28
    mask = inputs.add(encode_png(torch.where(torch.arange(56) < 8, 1.0, -1.0).expand(1, 40, 56)))
    filled = render(Inpaint(model="tiny-inpainting", photo=digest, mask=mask), library, inputs=inputs).pictures
    assert torch.equal(filled[..., 8:], load_image(photo)[..., 8:]) and not torch.equal(filled, load_image(photo))
    restored = Restore(photo=digest, inpainter="tiny-inpainting", mask=mask)
    assert torch.equal(render(restored, library, inputs=inputs).pictures, filled)


def test_a_result_has_a_largest_number_of_pixels() -> None:
    limits.check_pixels(4, (500, 1000), 2_000_000)
    with pytest.raises(ConfigError) as error:
        limits.check_pixels(5_000, (500, 1000), 2_000_000, "frames", ", or wait")
    assert str(error.value) == (
        "5,000 frames of 1000 x 500 pixels are too many for one result: ask for at most 4, or wait."
    )


def test_another_picture_is_refused_before_any_model_is_opened(photo: Path) -> None:
    class Closed:
        def open(self, name: str, verb: type) -> Any:
            raise AssertionError("a model was opened")

    inputs = Inputs()
    creation = Translate(model="m", photo=inputs.add(photo))
    with pytest.raises(ConfigError, match="The photo is not here: give the picture with sha256"):
        render(creation, Closed())
    save_image(uniform([2], 3, 40, 56) * 2 - 1, photo)
    with pytest.raises(ConfigError, match="The photo is another picture now: its sha256 is"):
        render(creation, Closed(), inputs=inputs)


def test_a_creation_names_the_version_of_its_models(library: LocalLibrary, models_folder: Path, photo: Path) -> None:
    wall = Generate(model="tiny-dcgan", seed=3)
    pinned = wall.pinned(library)
    assert library.revision("tiny-dcgan").startswith(pinned.revision) and len(pinned.revision) == 16
    assert pinned == Creation.from_json(pinned.to_json()) != wall and "revision" not in wall.to_dict()
    pictures = render(pinned, library).pictures
    assert torch.equal(pictures, render(wall, library).pictures) and wall.pinned(Library(device="cpu")) == pinned
    get_architecture("dcgan").tiny().save_pretrained(models_folder / "tiny-dcgan")  # other weights under its name
    now = library.revision("tiny-dcgan")
    says = f"tiny-dcgan is another version here ({now[:8]}…, asked: {pinned.revision[:8]}…)"
    for where in (library, Library(device="cpu"), LocalLibrary("cpu")):
        with pytest.raises(HubError) as refused:
            render(pinned, where)
        assert says in str(refused.value)
        other = render(wall.pinned(where), where).pictures
        assert not torch.equal(other, pictures), "it is loaded anew"
    inputs = Inputs(photo)
    two = Restore(photo=inputs.add(photo), upscaler="tiny-srgan", cleaner="tiny-srgan")
    assert two.pinned(library).revision == ".".join([library.revision("tiny-srgan")[:16]] * 2)
    with pytest.raises(HubError, match="There is no model 'tiny-dcgna'"):
        Generate(model="tiny-dcgna").pinned(library)


def test_a_revision_is_that_of_config_and_weights(models_folder: Path) -> None:
    model = get_architecture("dcgan").tiny()
    place = model.save_pretrained(models_folder / "a")
    first = revision_of(place)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "ganhub_version": "9.9"}))
    (place / "README.md").write_text("Another card.")
    assert revision_of(place) == first == revision_of(model.save_pretrained(models_folder / "b"))
    model.save_pretrained(place, dtype=torch.float16)
    assert revision_of(place) != first
    (models_folder / "b" / "model.safetensors").unlink()
    with pytest.raises(HubError, match="has no model.safetensors"):
        revision_of(models_folder / "b")


def test_a_revision_is_computed_once_until_a_file_changes(models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, read = get_architecture("dcgan").tiny().save_pretrained(models_folder / "a"), []
    compute = revisions._folder_hash
    monkeypatch.setattr(revisions, "_folder_hash", lambda folder: read.append(folder) or compute(folder))
    assert revision_of(place) == revision_of(str(place)) and len(read) == 1
    get_architecture("dcgan").tiny().save_pretrained(place)
    revision_of(place)
    assert len(read) == 2


@pytest.mark.parametrize(
    ("creation", "error", "says"),
    [
        (Generate(model="tiny-dcgna"), HubError, "There is no model 'tiny-dcgna'"),
        (Generate(model="tiny-gatys"), HubError, "tiny-gatys is a stylizer, which does not do this"),
        (Generate(model="tiny-conditional-gan", labels=("crss",)), ConfigError, "Did you mean 'cross'"),
        (Generate(model="tiny-conditional-gan", labels=(99,)), ConfigError, "There is no class '99'"),
        (Generate(model="tiny-dcgan", labels=("cat",)), ConfigError, "leave the label out"),
        (Interpolate(model="tiny-dcgan", seeds=(1, 2), space="w"), ConfigError, "use space='z'"),
        (Edit(model="tiny-stylegan2", directions=(("smile", 1.0),)), ConfigError, "There is no direction 'smile'"),
    ],
)
def test_what_the_model_refuses(library: LocalLibrary, creation: Creation, error: type, says: str) -> None:
    with pytest.raises(error) as refused:
        render(creation, library)
    assert says in str(refused.value) and isinstance(refused.value, GanhubError)


HUGE = 10**5000  # more digits than Python writes out
DEEP = json.loads("[" * 900 + "]" * 900)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Creation.from_dict({"verb": HUGE}),
        lambda: Creation.from_dict(HUGE),
        lambda: Creation.from_dict({"verb": "generate", HUGE: 1}),
        lambda: Creation.from_json(None),
        lambda: Creation.from_json('{"verb":"generate","model":"x","seed":' + "[" * 990 + "]" * 990 + "}"),
        lambda: Generate(model=HUGE),
        lambda: Generate(model="x", seed=[HUGE]),
        lambda: Generate(model="x", seed=HUGE),
        lambda: Generate(model="x", labels=DEEP),
        lambda: Interpolate(model="x", seeds=(1, HUGE)),
        lambda: Edit(model="x", directions=[("pca:" + "1" * 5000, 99.0)]),
        lambda: Edit(model="x", directions=[("pca:0", None)]),
        lambda: Inputs().add(None),
        lambda: read_seeds([HUGE, DEEP]),
    ],
)
def test_huge_and_deep_values_are_sentences_too(ask: Any) -> None:
    with pytest.raises(GanhubError) as error:
        ask()
    length = len(str(error.value))
    assert length < 400 and "9.007" not in str(error.value)


def test_numbers_of_numpy_are_numbers_and_nought_has_one_sign() -> None:
    asked = Generate(model="x", seed=np.int64(3), truncation=np.float32(0.5))
    assert asked == Generate(model="x", seed=3, truncation=0.5) and type(asked.seed) is int
    assert Generate(model="x", truncation=-0.0).to_json() == Generate(model="x", truncation=0.0).to_json()


def test_a_wall_has_a_largest_number_of_pictures() -> None:
    Generate(model="x", count=1024, labels=(0, 1, 2, 3))
    with pytest.raises(ConfigError, match="Ask for 4096 pictures at most, not 409600000"):
        Generate(model="x", count=4096, labels=["a"] * 100_000)


def test_directions_are_computed_once_however_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, calls = get_architecture("stylegan2").tiny().eval(), []
    compute = edit_module.principal_directions
    monkeypatch.setattr(edit_module, "principal_directions", lambda *given: calls.append(given) or compute(*given))
    first = cached_direction(generator, "pca:1")
    for name in (" pca:1 ", "pca:1\n", "pca:0", "pca:1@fine", "pca:1@0-1"):
        way = cached_direction(generator, name)
        assert way.name.startswith("pca:")
    assert cached_direction(generator, " pca:1 ") is first and len(calls) == 1
    fine, wanted = cached_direction(generator, "pca:1@fine"), latents.direction(generator, "pca:1@fine")
    assert fine.layers == wanted.layers and (fine.vector - wanted.vector).abs().max() < 1e-5
    for n in range(2000):  # what names nothing is not kept
        with pytest.raises(ConfigError):
            cached_direction(generator, f"way-{n}")
    assert len(edit_module._directions[generator]) < 20
