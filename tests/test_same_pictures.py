"""The same values give the same pictures in the app, on the command line and from Python: to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gradio_client import Client, handle_file
from typer.testing import CliRunner

from ganhub.cli import cli
from ganhub.creation import Generate, Inputs, Interpolate, LocalLibrary, Style, Translate, render
from ganhub.images import load_image, make_grid, save_image, to_uint8
from ganhub.images.video import save_video
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
    wall, _ = client.predict("tiny-stylegan2", 10, 5, 0.7, api_name="/generate_tab")
    made = render(Generate(model="tiny-stylegan2", seed=5, count=10, truncation=0.7), library).pictures
    assert all(same(one["image"], picture) for one, picture in zip(wall, made, strict=True))
    grid = command("sample", "tiny-stylegan2", "--n", 10, "--seed", 5, "--truncation", 0.7, "--out", tmp_path / "a.png")
    assert same(grid, make_grid(made))


def test_rows_of_classes(client: Client, library: LocalLibrary, tmp_path: Path) -> None:
    shown, _ = client.predict("tiny-conditional-gan", ["ring", "cross"], 3, 5, 1.0, api_name="/conditional")
    shown = shown["value"] if isinstance(shown, dict) else shown
    wanted = Generate(model="tiny-conditional-gan", seed=5, count=3, labels=("ring", "cross"))
    made = render(wanted, library).pictures
    assert all(same(one["image"], picture) for one, picture in zip(shown, made, strict=True))
    options = ("--n", 3, "--seed", 5, "--label", "cross", "--out", tmp_path / "a.png")
    assert same(command("sample", "tiny-conditional-gan", *options), make_grid(made[3:]))


def test_interpolate(client: Client, library: LocalLibrary, tmp_path: Path) -> None:
    *_, gif, _ = client.predict("tiny-stylegan2", "3, 14", "", 12, "GIF", True, api_name="/interpolate_tab")
    walk = Interpolate(model="tiny-stylegan2", seeds=(3, 14), frames=12)
    save_video(render(walk, library).film, tmp_path / "library.gif", fps=walk.fps)
    wanted = (tmp_path / "library.gif").read_bytes()
    assert Path(gif["value"] if isinstance(gif, dict) else gif).read_bytes() == wanted
    options = ("--seeds", "3,14", "--frames", 12, "--out", tmp_path / "command.gif")
    assert command("walk", "tiny-stylegan2", *options).read_bytes() == wanted


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


def test_a_wrong_value_is_the_same_sentence_everywhere(client: Client, library: LocalLibrary, tmp_path: Path) -> None:
    from ganhub.errors import GanhubError
    from tests.app_server import refusal

    rows = (
        ("/generate_tab", ("tiny-dcgan", 4, 0, 9), {"truncation": 9}, ("tiny-dcgan", "--truncation", "9")),
        ("/generate_tab", ("tiny-dcgan", 4, -1, 1), {"seed": -1}, ("tiny-dcgan", "--seed", "-1")),
        ("/generate_tab", ("tiny-gatys", 4, 0, 1), {"model": "tiny-gatys"}, ("tiny-gatys",)),
        ("/conditional", ("tiny-conditional-gan", ["crss"], 4, 0, 1),
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
