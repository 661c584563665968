"""On the command line: what hides in a mask is not painted, a GIF of one frame is a picture, and cuts are said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from ganhub.app._parts import picture_file
from ganhub.cli import cli
from ganhub.images import load_image
from ganhub.models.fast_style import FastStyle
from ganhub.models.inpainting import Inpainting
from ganhub.models.srgan import SRGAN


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANHUB_MODELS", str(tmp_path / "models"))
    torch.manual_seed(0)
    for name, cls in {"paints": FastStyle, "fills": Inpainting, "enlarges": SRGAN}.items():
        cls.tiny().save_pretrained(tmp_path / "models" / name)
    frames = [Image.linear_gradient("L").resize((40, 32)).rotate(turn).convert("RGB") for turn in (0, 90, 180)]
    frames[0].save("photo.png")
    frames[0].save("still.gif")
    for kind in ("gif", "webp"):
        frames[0].save(f"moves.{kind}", save_all=True, append_images=frames[1:], duration=100)
    mask = Image.new("LA", (40, 32), (255, 0))  # white, but seen nowhere
    mask.paste((255, 255), (10, 8, 20, 16))
    mask.save("mask.png")
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_what_is_transparent_in_a_mask_is_left_alone(place):
    run("inpaint", "photo.png", "--mask", "mask.png", "--model", "fills", "--out", "a.png")
    run("style", "photo.png", "--style", "dots", "--mask", "mask.png", "--model", "paints", "--out", "b.png")
    before = load_image("photo.png")
    for name in ("a.png", "b.png"):
        changed = ((load_image(name) - before).abs().amax(1)[0] > 0.01).nonzero()
        assert len(changed) and changed.min(0).values.tolist() >= [8, 10], name
        assert (changed.max(0).values < torch.tensor([16, 20])).all(), name


def test_a_gif_of_one_frame_is_a_picture(place):
    paint = ("--style", "dots", "--model", "paints", "--out")
    run("style", "still.gif", *paint, "a.png")
    assert load_image("a.png").shape == (1, 3, 32, 40)
    run("style", "still.gif", "moves.gif", *paint, "out")
    assert sorted(path.name for path in Path("out").iterdir()) == ["moves.gif", "still.png"]


def test_an_animation_of_which_one_frame_is_used_says_so(place):
    said = "only the first frame of an animation"
    for name in ("moves.gif", "moves.webp"):
        assert said in run("upscale", name, "--model", "enlarges", "--out", f"{name}.png")
    assert said in run("style", "moves.webp", "--style", "dots", "--model", "paints", "--out", "b.png")
    for name in ("still.gif", "photo.png"):
        assert said not in run("upscale", name, "--model", "enlarges", "--out", f"{name}.png")


def test_the_app_says_so_too(place, capsys):
    frames = [Image.new("RGB", (24, 24), colour) for colour in ("red", "blue")]
    frames[0].save(place / "two.gif", save_all=True, append_images=frames[1:])
    frames[0].save(place / "one.gif")
    assert picture_file("content", str(place / "one.gif")) and capsys.readouterr().out == ""  # outside a page it prints
    assert picture_file("content", str(place / "two.gif")) == str(place / "two.gif")
    assert "content picture is an animation: only its first frame" in capsys.readouterr().out
