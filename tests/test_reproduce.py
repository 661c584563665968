"""From a file back to its Creation, and to the same file once more; and what a forged one is told."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from ganhub import images
from ganhub.app.drawings import Drawings
from ganhub.app.page import notice
from ganhub.cli import cli
from ganhub.creation import (
    Creation,
    Edit,
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
    marks,
    read_creation,
    render,
    reproduce,
)
from ganhub.creation.marks import Layout, Provenance
from ganhub.creation.reproduce import read_provenance
from ganhub.errors import ConfigError, GanhubError
from ganhub.images import encode_png, load_image, provenance, save_image, video
from ganhub.images.provenance import COMPOSITE, ENHANCED, GENERATED, Mark
from ganhub.models import get_architecture
from ganhub.nn.random import uniform


@pytest.fixture
def library(tiny_models: Callable) -> LocalLibrary:
    tiny_models("conditional-gan", "dcgan", "fast-style", "inpainting", "srgan", "stylegan2", "pix2pix")
    return LocalLibrary("cpu")


MASK = encode_png(torch.where(torch.arange(56) < 8, 1.0, -1.0).expand(1, 40, 56))
SHA, MASK_SHA = "0" * 64, hashlib.sha256(MASK).hexdigest()  # the first stands for the photo
OF_EVERY_VERB = [
    (Generate(model="tiny-dcgan", seed=5, truncation=0.8), GENERATED, "png"),
    (Generate(model="tiny-conditional-gan", seed=5, labels=("ring",)), GENERATED, "jpg"),
    (Interpolate(model="tiny-dcgan", seeds=(1, 2), frames=4, fps=10), GENERATED, "mp4"),
    (Interpolate(model="tiny-dcgan", seeds=(1, 2), frames=4, fps=10), GENERATED, "gif"),
    (
        Interpolate(
            model="tiny-conditional-gan",
            seeds=(1, 2),
            labels=("ring", ""),
            durations=(2, 1),
            easing="smooth",
            frames=6,
            format="webm",
        ),
        GENERATED,
        "webm",
    ),
    (Edit(model="tiny-stylegan2", seed=4, directions=(("pca:0", 1.5),), mixed="coarse"), GENERATED, "webp"),
    (Edit(model="tiny-stylegan2", photo=SHA, steps=2), COMPOSITE, "png"),
    (Project(model="tiny-stylegan2", photo=SHA, steps=2), COMPOSITE, "png"),
    (Style(model="tiny-fast-style", photo=SHA, styles=(("dots", 1.0),), strength=0.7), COMPOSITE, "jpg"),
    (Translate(model="tiny-pix2pix", photo=SHA, size=32), COMPOSITE, "png"),
    (Translate(model="tiny-srgan", photo=SHA), ENHANCED, "webp"),
    (Inpaint(model="tiny-inpainting", photo=SHA, mask=MASK_SHA), COMPOSITE, "png"),
    (Restore(photo=SHA, inpainter="tiny-inpainting", mask=MASK_SHA, upscaler="tiny-srgan"), COMPOSITE, "png"),
    (Restore(photo=SHA, upscaler="tiny-srgan"), ENHANCED, "png"),
    (Point(model="tiny-stylegan2", weights=(0.5, -0.25, 1), seed=3, space="w"), GENERATED, "png"),
    (Point(model="tiny-dcgan", weights=(0.5, -0.25), seed=5), GENERATED, "png"),
]


def with_photo(creation: Creation, photo: Path) -> Creation:
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    return replace(creation, photo=digest) if getattr(creation, "photo", "") == SHA else creation


def write(creation: Creation, library: LocalLibrary, inputs: Inputs, path: Path, layout: Layout | None = None) -> Mark:
    made = render(creation, library, inputs=inputs)
    shown, mark = (layout or Layout()).arrange(made, library), marks.mark_of(creation, library, layout, inputs=inputs)
    assert mark is not None
    if path.suffix in (".mp4", ".gif", ".webm"):
        video.save_video(shown, path, fps=creation.fps, mark=mark)
    else:
        save_image(shown, path, mark=mark)
    return mark


@pytest.mark.parametrize(("creation", "source", "kind"), OF_EVERY_VERB, ids=lambda one: getattr(one, "verb", None))
def test_every_verb_is_made_again_to_the_byte(
    library: LocalLibrary, photo: Path, tmp_path: Path, creation: Creation, source: str, kind: str
) -> None:
    """With the photo alone: a painted mask travels with the file."""
    creation, path = with_photo(creation, photo), tmp_path / f"made.{kind}"
    mark = write(creation, library, Inputs(photo, MASK), path)
    assert mark.source == source and read_creation(path) == creation.pinned(library)
    again = reproduce(path, LocalLibrary("cpu"), Inputs(photo), out=tmp_path / f"again.{kind}")
    assert again.same_file and again.same_pixels and again.notes == []
    assert (tmp_path / f"again.{kind}").read_bytes() == path.read_bytes()
    named = read_provenance(path)
    assert named.models == {name: library.revision(name) for name in creation.models()}
    assert named.inputs == creation.digests() and named.versions["torch"] == torch.__version__


def test_every_verb_has_a_row() -> None:
    from ganhub.creation import list_verbs

    assert {creation.verb for creation, _, _ in OF_EVERY_VERB} >= set(list_verbs()) - {"evolve"}


@pytest.mark.parametrize(
    "layout",
    [
        marks.grid(5),
        marks.grid(5, 2, scale=3),
        marks.grid(5, scale=2, upscaler="tiny-srgan"),
        Layout(picked=(3, 0), columns=2, padding=0),
        Layout(picked=(4,), scale=2),
    ],
)
def test_walls_are_laid_out_again(library: LocalLibrary, tmp_path: Path, layout: Layout) -> None:
    write(Generate(model="tiny-dcgan", seed=2, count=5), library, Inputs(), tmp_path / "wall.png", layout)
    assert read_provenance(tmp_path / "wall.png").layout == layout == Layout.from_dict(layout.to_dict())
    assert reproduce(tmp_path / "wall.png", library).same_file


def test_a_picture_of_a_wall_is_made_again_alone(library: LocalLibrary) -> None:
    wall = Generate(model="tiny-conditional-gan", seed=7, count=3, labels=("ring", 0), truncation=0.9)
    paths = Drawings().of(wall, library)
    for path, (seed, label) in zip(paths, wall.wanted(), strict=True):
        alone = Generate(model="tiny-conditional-gan", seed=seed, labels=(label,), truncation=0.9)
        assert read_creation(path) == alone.pinned(library) and reproduce(path, library).same_file


def test_another_version_is_said_and_used(library: LocalLibrary, models_folder: Path, tmp_path: Path) -> None:
    path, wall = tmp_path / "a.png", Generate(model="tiny-dcgan", seed=1)
    write(wall, library, Inputs(), path)
    torch.manual_seed(1)
    get_architecture("dcgan").tiny().save_pretrained(models_folder / "tiny-dcgan")
    again = reproduce(path, LocalLibrary("cpu"), out=tmp_path / "b.png")
    assert not again.same_pixels and again.difference and "pixels differ by up to" in again.text
    assert any("tiny-dcgan is another version here" in note for note in again.notes)
    assert read_creation(tmp_path / "b.png") == wall.pinned(LocalLibrary("cpu"))


def test_versions_that_differ_are_said(library: LocalLibrary, tmp_path: Path) -> None:
    creation = Generate(model="tiny-dcgan", seed=1)
    mark = write(creation, library, Inputs(), tmp_path / "a.png")
    text = json.loads(mark.text) | {"torch": "2.0", "threads": 64, "shows": "early"}
    save_image(render(creation, library).pictures, tmp_path / "b.png", mark=Mark(json.dumps(text), GENERATED))
    again = reproduce(tmp_path / "b.png", library)
    assert again.same_pixels and not again.same_file and "Every pixel is equal" in again.text
    assert f"The version of torch is {torch.__version__} here, and was 2.0." in again.notes
    assert any("64" in note for note in again.notes) and any("stopped early" in note for note in again.notes)


def test_a_file_names_no_place_on_this_machine(library: LocalLibrary, models_folder: Path, tmp_path: Path) -> None:
    creation = Generate(model=str(models_folder / "tiny-dcgan"), seed=1)
    mark = write(creation, library, Inputs(), tmp_path / "a.png")
    assert str(tmp_path) not in mark.text and read_creation(tmp_path / "a.png").model == "tiny-dcgan"
    assert reproduce(tmp_path / "a.png", library).same_file


# ---- forged


class Closed:
    """A library that nothing may be asked of."""

    def open(self, name: str, verb: type) -> Any:
        raise AssertionError(f"{name} was opened")

    def revision(self, name: str) -> str:
        raise AssertionError(f"{name} was looked for")


GOOD: dict[str, Any] = {"format": 1, "creation": {"verb": "generate", "model": "m"}}
FORGED = [
    ("Made with GIMP", "does not say how it was made"),
    ("{", "cannot be read"),
    ('{"format":1,"creation":' + "[" * 5000 + "]" * 5000 + "}", "nested deeper"),
    ('{"format":1,"creation":' + '{"a":' * 40 + "1" + "}" * 41, "nested deeper"),
    ("[]", "does not say"),
    ('{"format":1}', "damaged: creation must be a table"),
    ('{"format":NaN}', "cannot be read"),
    ({"format": 2, "ganhub": "9.0"}, "written by 9.0, and this is"),
    ({"format": True}, "another format"),
    ({"virus": 1}, "unknown field, 'virus'"),
    ({"creation": "generate"}, "creation must be a table"),
    ({"creation": {"verb": "delete", "model": "m"}}, "There is no verb 'delete'"),
    ({"creation": {"verb": "generate", "model": "m", "seed": -1}}, "seed must be from 0"),
    ({"creation": {"verb": "generate", "model": ["m"]}}, "model must be text"),
    ({"creation": {"verb": "generate", "model": "m", "out": "x"}}, "has no field 'out'"),
    ({"creation": {"verb": "translate", "model": "m", "photo": "../photo.png"}}, "sha256 of a picture"),
    *(
        ({"creation": {"verb": "generate", "model": name}}, "is a path, not a name")
        for name in (
            "/etc",
            "../m",
            "./m",
            "~/m",
            "a/b/c",
            "C:\\m",
            "a\\b",
            "m/",
            "..",
            "x" * 201,
            "a\u0000b",
            "file:m",
        )
    ),
    ({"creation": {"verb": "restore", "photo": SHA, "cleaner": "m", "upscaler": "../x"}}, "is a path"),
    ({"creation": {"verb": "translate", "photo": SHA, "model": "x.pth"}}, "a file of weights"),
    ({"layout": {"upscaler": "/x"}}, "is a path"),
    ({"layout": {"scale": 10**6}}, "scale must be from 1 to 64"),
    ({"layout": {"picked": [-1]}}, "picked must be from 0"),
    ({"layout": {"path": "x"}}, "layout has no field 'path'"),
    ({"layout": []}, "layout must be a table"),
    ({"models": {"m": "abc"}}, "models must hold sha256"),
    ({"inputs": {"abc": "photo"}}, "inputs must hold sha256"),
    ({"inputs": {SHA: "a\nb"}}, "is no name or version"),
    ({"torch": ["2"]}, "is no name or version"),
    ({"threads": 0}, "threads must be"),
    ({"shows": "all"}, "shows must be one of"),
    ({"attached": {SHA: "!"}}, "attached to the file is damaged"),
    ({"attached": {SHA: 3}}, "attached to the file is damaged"),
    ({"attached": {SHA: base64.b64encode(b"x").decode()}}, "is not the one that is meant"),
]


@pytest.mark.parametrize(("text", "says"), FORGED)
def test_a_forged_text_is_one_sentence(tmp_path: Path, text: str | dict, says: str) -> None:
    text = text if isinstance(text, str) else json.dumps(GOOD | text)
    save_image(torch.zeros(3, 8, 8), tmp_path / "a.png", mark=Mark(text, GENERATED))
    for ask in (read_creation, lambda path: reproduce(path, Closed())):
        with pytest.raises(ConfigError) as error:
            ask(tmp_path / "a.png")
        assert says in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(marks._FIELDS)), inner),
        max_leaves=12,
    )
)
@example({"format": None, "ganhub": "0.4\n\x1b[31m"})
@example({"format": None, "ganhub": "\n"})
def test_any_json_is_a_provenance_or_a_sentence(data: Any) -> None:
    fields = GOOD | data if isinstance(data, dict) else data
    try:
        assert Provenance.from_json(json.dumps(fields)).creation == Generate(model="m")
    except GanhubError as error:
        assert str(error).isprintable()


SEEDS = st.integers(0, 2**32 - 1)
LAYOUTS = st.builds(
    Layout, picked=st.lists(st.integers(0, 99), max_size=5), scale=st.integers(1, 64), columns=st.integers(0, 99)
)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.floats(0, 1.5), LAYOUTS, st.sampled_from(marks.SHOWS), st.binary(max_size=50))
def test_to_json_and_back(seed: int, truncation: float, layout: Layout, shows: str, mask: bytes) -> None:
    told = Provenance(
        creation=Generate(model="m", seed=seed, truncation=truncation), layout=layout, shows=shows,
        models={"m": "ab" * 32}, inputs={SHA: "photo"}, attached={hashlib.sha256(mask).hexdigest(): mask},
        versions={"ganhub": "1", "torch": "2", "device": "cpu", "machine": "x", "threads": 3},
    )  # fmt: skip
    assert Provenance.from_json(told.to_json()) == told
    assert told.to_json().isascii() and Provenance.from_json(told.to_json()).to_json() == told.to_json()


def test_a_picture_of_another_verb_is_no_film(library: LocalLibrary, tmp_path: Path) -> None:
    text = json.dumps(GOOD | {"creation": {"verb": "generate", "model": "tiny-dcgan"}})
    video.save_video(torch.zeros(2, 3, 16, 16), tmp_path / "a.gif", mark=Mark(text, GENERATED))
    with pytest.raises(ConfigError, match="names the verb generate, which makes none"):
        reproduce(tmp_path / "a.gif", library)
    text = json.dumps(GOOD | {"creation": {"verb": "generate", "model": "tiny-dcgan", "count": 3}})
    save_image(torch.zeros(3, 16, 16), tmp_path / "a.png", mark=Mark(text, GENERATED))
    with pytest.raises(ConfigError, match="holds one picture, and what it names makes 3"):
        reproduce(tmp_path / "a.png", library)


def test_a_forged_size_is_refused_before_it_fills_the_memory(
    library: LocalLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GRID", 50_000)
    monkeypatch.setattr(limits, "FILM", 50_000)
    picture, walk = {"verb": "generate", "model": "tiny-dcgan"}, {"verb": "interpolate", "model": "tiny-dcgan"}
    for fields in (
        {"creation": picture, "layout": {"scale": 64}},
        {"creation": picture, "layout": {"picked": [0] * 500, "columns": 9}},
        {"creation": picture | {"count": 500}, "layout": {"picked": [0]}},
        {"creation": walk | {"seeds": [1, 2], "frames": 500}},
    ):
        save_image(torch.zeros(3, 16, 16), tmp_path / "a.png", mark=Mark(json.dumps(GOOD | fields), GENERATED))
        with pytest.raises(ConfigError, match="are too many for one result"):
            reproduce(tmp_path / "a.png", library)


# ---- the command


def test_the_command(
    library: LocalLibrary, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GANHUB_MARKS", raising=False)

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(cli, [*arguments, "--device", "cpu"])

    assert invoke("sample", "tiny-dcgan", "--n", "3", "--scale", "2", "--out", "wall.jpg").exit_code == 0
    said = invoke("reproduce", "wall.jpg")
    assert said.exit_code == 0 and "It is equal to the byte" in said.output and Path("wall-again.jpg").is_file()
    assert invoke("walk", "tiny-dcgan", "--frames", "4", "--out", "way.mp4").exit_code == 0
    assert "It is equal to the byte" in invoke("reproduce", "way.mp4", "--out", "same.mp4").output
    assert invoke("upscale", "photo.png", "--model", "tiny-srgan", "--out", "large.webp").exit_code == 0
    lost = invoke("reproduce", "large.webp")
    assert isinstance(lost.exception, ConfigError) and "The photo is not here: give the picture" in str(lost.exception)
    Path("photos").mkdir()
    photo.rename("photos/renamed.png")
    assert "It is equal to the byte" in invoke("reproduce", "large.webp", "--input", "photos").output
    video.save_video(uniform([1, 2, 3], 3, 20, 24) * 2 - 1, "film.gif", fps=10)
    painting = ("--style", "dots", "--model", "tiny-fast-style", "--size", "200", "--smoothing", "0.2")
    assert invoke("style", "film.gif", *painting, "--out", "painted.mp4").exit_code == 0
    lost = invoke("reproduce", "painted.mp4")
    assert isinstance(lost.exception, ConfigError) and "The film is not here" in str(lost.exception)
    assert "It is equal to the byte" in invoke("reproduce", "painted.mp4", "--input", "film.gif").output
    other = invoke("reproduce", "wall.jpg", "--out", "wall.png")
    assert isinstance(other.exception, ConfigError) and "end --out in .jpg" in str(other.exception)
    monkeypatch.setenv("GANHUB_MARKS", "1")
    assert CliRunner().invoke(cli, ["--no-mark", "sample", "tiny-dcgan", "--out", "bare.png"]).exit_code == 0
    bare = invoke("reproduce", "bare.png")
    assert isinstance(bare.exception, ConfigError) and "does not say how it was made" in str(bare.exception)
    with Image.open("bare.png") as picture:
        assert picture.info == {}


def test_marks_that_are_off_are_off_in_the_app_too(library: LocalLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANHUB_MARKS", "0")
    (path,) = Drawings().of(Generate(model="tiny-dcgan", seed=1), library)
    with Image.open(path) as picture:
        assert picture.info == {}
    assert "Marks are off here" in notice()
    monkeypatch.delenv("GANHUB_MARKS")
    assert notice() == ""
    assert load_image(path).shape[1] == 3 and provenance.read_text(path) == "" and images.open_image(path)
