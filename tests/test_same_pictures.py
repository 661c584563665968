"""The same values give the same pictures in the app, on the command line and from Python: to the last bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gradio_client import Client, handle_file
from PIL import Image, ImageSequence
from typer.testing import CliRunner

from ganhub.cli import cli
from ganhub.creation import (
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
    list_verbs,
    render,
)
from ganhub.images import load_image, make_grid, save_image, to_uint8
from ganhub.images.video import save_video
from ganhub.latents import load_w
from ganhub.nn.random import uniform

pytest_plugins = ["tests.app_server"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # gradio_client leaves its streams to the collector


@pytest.fixture
def library(models: Path, monkeypatch: pytest.MonkeyPatch) -> LocalLibrary:
    monkeypatch.setenv("GANHUB_MODELS", str(models))
    return LocalLibrary()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    save_image(uniform([1], 3, 96, 80) * 2 - 1, tmp_path / "photo.png")
    return tmp_path / "photo.png"


def command(*arguments: object) -> Path:
    """Run a command; the file behind --out."""
    result = CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return Path(str(arguments[-1]))


def same(file: str | Path, picture: torch.Tensor) -> bool:
    return torch.equal(
        to_uint8(load_image(file, channels=picture.shape[-3])), to_uint8(picture.view(1, *picture.shape[-3:]))
    )


def test_generate(client: Client, library: LocalLibrary, tmp_path: Path) -> None:
    wall, _ = client.predict("tiny-stylegan2", 10, 5, 0.7, 0, 0, api_name="/generate_tab")
    made = render(Generate(model="tiny-stylegan2", seed=5, count=10, truncation=0.7), library).pictures
    assert all(same(one["image"], picture) for one, picture in zip(wall, made, strict=True))
    grid = command("sample", "tiny-stylegan2", "--n", 10, "--seed", 5, "--truncation", 0.7, "--out", tmp_path / "a.png")
    assert same(grid, make_grid(made))


def test_rows_of_classes(client: Client, library: LocalLibrary, tmp_path: Path) -> None:
    shown, _ = client.predict("tiny-conditional-gan", ["ring", "cross"], 3, 5, 1.0, 0, 0, api_name="/conditional")
    shown = shown["value"] if isinstance(shown, dict) else shown
    wanted = Generate(model="tiny-conditional-gan", seed=5, count=3, labels=("ring", "cross"))
    made = render(wanted, library).pictures
    assert all(same(one["image"], picture) for one, picture in zip(shown, made, strict=True))
    options = ("--n", 3, "--seed", 5, "--label", "cross", "--out", tmp_path / "a.png")
    assert same(command("sample", "tiny-conditional-gan", *options), make_grid(made[3:]))


def frames_of(path: str | Path) -> list[bytes]:
    """A GIF's pictures; its file also holds a mark where it comes from the app or a command."""
    with Image.open(path) as film:
        return [frame.convert("RGB").tobytes() for frame in ImageSequence.Iterator(film)]


def test_interpolate(client: Client, library: LocalLibrary, tmp_path: Path) -> None:
    asked = ("tiny-stylegan2", "3, 14", "", 12, "gif", True, "linear", 1, 24, False, "")
    *_, gif, _ = client.predict(*asked, api_name="/interpolate_tab")
    walk = Interpolate(model="tiny-stylegan2", seeds=(3, 14), frames=12, format="gif")
    save_video(render(walk, library).film, tmp_path / "library.gif", fps=walk.fps)
    wanted = frames_of(tmp_path / "library.gif")
    assert frames_of(gif["value"] if isinstance(gif, dict) else gif) == wanted
    options = ("--seeds", "3,14", "--frames", 12, "--out", tmp_path / "command.gif")
    assert frames_of(command("walk", "tiny-stylegan2", *options)) == wanted


def test_style(client: Client, library: LocalLibrary, photo: Path, tmp_path: Path) -> None:
    form = ("tiny-fast-style", handle_file(photo), None, None, "dots", "waves", 0, 0.8, 96, 1, "the style's", 0)
    (_, painting), _ = client.predict(*form, api_name="/style_tab")
    inputs = Inputs(photo)
    wanted = Style(
        model="tiny-fast-style", photo=inputs.add(photo), styles=(("dots", 1.0),), strength=0.8, size=96, opaque=True
    )
    made = render(wanted, library, inputs=inputs).pictures
    assert same(painting, made) and not same(photo, made)
    options = ("--style", "dots", "--model", "tiny-fast-style", "--strength", 0.8, "--size", 96)
    assert same(command("style", photo, *options, "--out", tmp_path / "a.png"), made)


def test_translate(client: Client, library: LocalLibrary, photo: Path, tmp_path: Path) -> None:
    canvas = {"background": None, "layers": [], "composite": handle_file(photo)}
    (_, translation), _ = client.predict("tiny-pix2pix", canvas, api_name="/translate_tab")
    inputs = Inputs()
    made = render(Translate(model="tiny-pix2pix", photo=inputs.add(photo)), library, inputs=inputs).pictures
    assert same(translation, made)
    assert same(command("translate", photo, "--model", "tiny-pix2pix", "--out", tmp_path / "a.png"), made)


@pytest.fixture
def brush(tmp_path: Path) -> tuple[Path, Path]:
    """What a visitor has painted over the photo, and the same as a mask."""
    covered = torch.zeros(1, 1, 96, 80)
    covered[..., 20:50, 30:44] = 1
    save_image(torch.cat([-torch.ones(1, 3, 96, 80), covered * 2 - 1], 1), tmp_path / "layer.png")
    save_image(covered * 2 - 1, tmp_path / "mask.png")
    return tmp_path / "layer.png", tmp_path / "mask.png"


def test_inpaint(client: Client, library: LocalLibrary, photo: Path, brush: tuple[Path, Path], tmp_path: Path) -> None:
    layer, mask = brush
    canvas = {"background": handle_file(photo), "layers": [handle_file(layer)], "composite": None}
    models = ("tiny-cleaner", "tiny-inpainting", "tiny-cleaner", "tiny-srgan")
    (_, filled), _ = client.predict(canvas, ["fill"], *models, api_name="/restore_tab")
    inputs = Inputs()
    wanted = Inpaint(model="tiny-inpainting", photo=inputs.add(photo), mask=inputs.add(mask))
    made = render(wanted, library, inputs=inputs).pictures
    assert same(filled, made) and not same(photo, made)
    options = ("--mask", mask, "--model", "tiny-inpainting", "--out", tmp_path / "a.png")
    assert same(command("inpaint", photo, *options), made)


def test_restore(client: Client, library: LocalLibrary, photo: Path, brush: tuple[Path, Path], tmp_path: Path) -> None:
    """No command restores in one go: ``ganhub translate``, ``inpaint`` and ``upscale`` do its steps one by one."""
    layer, mask = brush
    canvas = {"background": handle_file(photo), "layers": [handle_file(layer)], "composite": None}
    models = ("tiny-cleaner", "tiny-inpainting", "tiny-cleaner", "tiny-srgan")
    (_, restored), _ = client.predict(canvas, ["clean", "fill", "enlarge"], *models, api_name="/restore_tab")
    inputs = Inputs()
    wanted = Restore(
        photo=inputs.add(photo), mask=inputs.add(mask), cleaner="tiny-cleaner", inpainter="tiny-inpainting",
        upscaler="tiny-srgan",
    )  # fmt: skip
    made = render(wanted, library, inputs=inputs).pictures
    assert same(restored, made) and made.shape[-1] > 80
    enlarged = Restore(photo=wanted.photo, upscaler="tiny-srgan")
    made = render(enlarged, library, inputs=inputs).pictures
    assert same(command("upscale", photo, "--model", "tiny-srgan", "--out", tmp_path / "a.png"), made)


NO_EDITS = ([], *[0] * 6, [], *[0] * 4, [], 1, 1.0, "")


def test_project(client: Client, library: LocalLibrary, photo: Path, tmp_path: Path) -> None:
    form = ("tiny-stylegan2", "any", handle_file(photo), 20, *NO_EDITS)
    (before, after), *_, point, _ = client.predict(*form, api_name="/edit_photo")
    inputs = Inputs()
    made = render(Project(model="tiny-stylegan2", photo=inputs.add(photo), steps=20), library, inputs=inputs)
    out = command("project", photo, "--model", "tiny-stylegan2", "--steps", 20, "--out", tmp_path / "out")
    assert same(before, made.photo) and same(after, made.pictures) and same(out / "projected.png", made.pictures)
    for file in (point, out / "w.safetensors"):
        w, noise = load_w(file)
        assert torch.equal(w, made.tensors["w"]) and torch.equal(noise, made.tensors["noise"])


def test_edit(client: Client, library: LocalLibrary, photo: Path) -> None:
    """Of a seed and of a photo, as one starts and after a slider was moved."""
    edits = {"directions": (("pca:0", 2.0), ("sefa:1", -1.0)), "mixed": "fine", "mix_seed": 4, "truncation": 0.8}
    sliders = (["pca:0", "sefa:1"], 2, -1, *[0] * 4, [], *[0] * 4, ["fine"], 4, 0.8, "")
    inputs = Inputs()
    starts = (
        (Edit(model="tiny-stylegan2", seed=7), ("tiny-stylegan2", "any", 7), "/edit_seed"),
        (Edit(model="tiny-stylegan2", photo=inputs.add(photo), steps=20),
         ("tiny-stylegan2", "any", handle_file(photo), 20), "/edit_photo"),
    )  # fmt: skip
    for start, form, endpoint in starts:
        moved = render(replace(start, **edits), library, inputs=inputs)
        plain = render(start, library, inputs=inputs)
        (_, after), *_, point, _ = client.predict(*form, *sliders, api_name=endpoint)
        assert same(after, moved.pictures) and torch.equal(load_w(point)[0], moved.tensors["w"])
        (_, after), *_, point = client.predict(*NO_EDITS, api_name="/edit_tab")
        assert same(after, plain.pictures) and torch.equal(load_w(point)[0], plain.tensors["w"])
        (_, after), *_, point = client.predict(*sliders, api_name="/edit_tab")
        assert same(after, moved.pictures) and torch.equal(load_w(point)[0], moved.tensors["w"])
        assert not same(after, plain.pictures)


def test_evolve(client: Client, library: LocalLibrary, tmp_path: Path) -> None:
    form = ("tiny-stylegan2", "contrast=1", "random", 2, 3, "all classes", None, 1)
    wall, *_ = client.predict(*form, api_name="/evolve_tab")
    asked = Evolve(model=form[0], scores=form[1], algorithm=form[2], generations=2, seed=3)
    made = render(asked, library)
    assert len(wall) == len(made.pictures) > 1
    assert all(same(one["image"], picture) for one, picture in zip(wall, made.pictures, strict=True))
    options = ("--score", form[1], "--algorithm", "random", "--generations", 2, "--seed", 3)
    found = command("evolve", form[0], *options, "--device", "cpu", "--out", tmp_path / "found")
    assert all(same(found / f"best-{i:02}.png", picture) for i, picture in enumerate(made.pictures, 1))


def test_point(client: Client, library: LocalLibrary) -> None:
    """No command makes one alone: it is a picture that a search or breeding has found."""
    wall, creations, *_ = client.predict("tiny-stylegan2", "", 4, 0.2, 9, "", 1, api_name="/breed")
    points = [Point.from_json(line) for line in creations.splitlines()]
    for one, point in zip(wall, points, strict=True):
        assert same(one["image"], render(point, library).pictures)


def test_every_verb_is_here() -> None:
    assert [verb for verb in list_verbs() if f"test_{verb}" not in globals()] == []


def test_a_wrong_value_is_the_same_sentence_everywhere(client: Client, library: LocalLibrary, tmp_path: Path) -> None:
    from ganhub.errors import GanhubError
    from tests.app_server import refusal

    rows = (
        ("/generate_tab", ("tiny-dcgan", 4, 0, 9, 0, 0), {"truncation": 9}, ("tiny-dcgan", "--truncation", "9")),
        ("/generate_tab", ("tiny-dcgan", 4, -1, 1, 0, 0), {"seed": -1}, ("tiny-dcgan", "--seed", "-1")),
        ("/generate_tab", ("tiny-gatys", 4, 0, 1, 0, 0), {"model": "tiny-gatys"}, ("tiny-gatys",)),
        ("/conditional", ("tiny-conditional-gan", ["crss"], 4, 0, 1, 0, 0),
         {"model": "tiny-conditional-gan", "labels": ("crss",)}, ("tiny-conditional-gan", "--label", "crss")),
    )  # fmt: skip
    for endpoint, form, fields, arguments in rows:
        with pytest.raises(GanhubError) as error:
            render(Generate(**{"model": "tiny-dcgan", "count": 4, **fields}), library)
        sentence = str(error.value)
        assert sentence in refusal(client, *form, api_name=endpoint)
        with pytest.raises(GanhubError) as error:
            CliRunner().invoke(cli, ["sample", *arguments, "--n", "4"], catch_exceptions=False)
        assert str(error.value) == sentence
