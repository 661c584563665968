"""``ganhub style``, as a user types it, on real files."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import av
import pytest
import torch
from PIL import Image, ImageCms
from typer.testing import CliRunner

from ganhub import images
from ganhub.apply import styling
from ganhub.cli import cli, main
from ganhub.cli.style import _weighted
from ganhub.creation import Inputs, LocalLibrary, Style
from ganhub.images import video
from ganhub.models.arbitrary_style import ArbitraryStyle
from ganhub.models.fast_style import FastStyle
from ganhub.models.gatys import Gatys


@pytest.fixture
def place(models_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with models, a photo and a painting."""
    torch.manual_seed(0)
    FastStyle.tiny().save_pretrained(models_folder / "fast")
    ArbitraryStyle.tiny().save_pretrained(models_folder / "any")
    Gatys.tiny().save_pretrained(models_folder / "slow")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    images.save_image(scene(1), "photo.png")
    images.save_image(scene(2), "painting.png")
    return work


def scene(seed: int, height: int = 36, width: int = 52, channels: int = 3) -> torch.Tensor:
    coarse = torch.rand(1, channels, 4, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")


def run(*arguments: str, says: str = "") -> str:
    result = CliRunner().invoke(cli, ["style", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert says in " ".join(result.output.split()), result.output
    return result.output


def refused(*arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["ganhub", "style", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "ganhub: " in error and "Traceback" not in error
    return error


def profile() -> bytes:
    """A profile that is not sRGB, though its colours are much alike: sRGB's primaries under another name."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made.replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be")).replace(b"sRGB built", b"xRGB built")


def test_a_film_has_strokes_of_the_size_of_a_photo(place: Path) -> None:
    """Also where the size goes by the photo's, which is 1 for a small one."""
    video.save_video(scene(1), "still.gif", fps=5)
    inputs = Inputs("still.gif")
    plain = Style(model="fast", photo=inputs.add("still.gif"), styles=((FastStyle.tiny().style_names[0], 1.0),))
    usual, wide, twice = (
        next(replace(plain, **fields).film(LocalLibrary(), inputs, smoothing=0).frames)
        for fields in ({}, {"strokes": 2}, {"scale": 2})
    )
    assert wide.equal(twice) and not wide.equal(usual)


def test_one_photo_is_what_paint_makes_of_it(place: Path) -> None:
    run("photo.png", "--style", "dots", "--model", "fast", "--out", "sub/a.png", says="photo.png -> sub")
    expected = styling.paint(FastStyle.from_pretrained("fast"), images.load_image("photo.png"), "dots")
    assert (images.load_image("sub/a.png") - expected).abs().max() <= 1.01 / 127.5
    options = ["--strength", "0.5", "--scale", "2", "--keep-colour", "luminance", "--tile", "off", "--seed", "3"]
    run("photo.png", "--style", "painting.png", "--model", "any", *options, "--out", "b.webp")
    expected = styling.paint(
        ArbitraryStyle.from_pretrained("any"), images.load_image("photo.png"), images.load_image("painting.png"),
        strength=0.5, scale=2, keep_colour="luminance",
    )  # fmt: skip
    assert (images.load_image("b.webp") - expected).abs().max() <= 1.01 / 127.5


def test_masks_and_two_styles(place: Path) -> None:
    mask = torch.ones(1, 1, 72, 104)
    mask[..., 52:] = -1
    images.save_image(mask, "mask.png")
    run("photo.png", "--style", "dots", "--model", "fast", "--mask", "mask.png", "--out", "a.png")
    photo = images.load_image("photo.png")
    assert (images.load_image("a.png")[..., 30:] - photo[..., 30:]).abs().max() <= 1.01 / 127.5
    outside = ["--mask", "mask.png", "--outside", "waves"]
    run("photo.png", "--style", "dots", "--model", "fast", *outside, "--out", "b.png")
    waves = styling.paint(FastStyle.from_pretrained("fast"), photo, "waves")
    assert (images.load_image("b.png")[..., 30:] - waves[..., 30:]).abs().max() <= 1.01 / 127.5


def test_the_weights_of_a_blend_are_said(place: Path) -> None:
    blend = ["--style", "dots:3", "--style", "waves"]
    said = run("photo.png", *blend, "--model", "fast", "--out", "a.png", says="Styles: dots 0.75, waves 0.25")
    assert "summed to 4" in said
    blend = ["--style", "dots:0.7", "--style", "waves:0.3"]
    assert "summed" not in run("photo.png", *blend, "--model", "fast", "--out", "b.png")
    expected = styling.paint(
        FastStyle.from_pretrained("fast"), images.load_image("photo.png"), [("dots", 0.75), ("waves", 0.25)]
    )
    assert (images.load_image("a.png") - expected).abs().max() <= 1.01 / 127.5


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("waves", ("waves", 1.0)),
        ("waves:0.7", ("waves", 0.7)),
        ("C:\\pictures\\a.jpg", ("C:\\pictures\\a.jpg", 1.0)),
        ("C:\\pictures\\a.jpg:0.25", ("C:\\pictures\\a.jpg", 0.25)),
        ("a:b", ("a:b", 1.0)),
        (":0.5", (":0.5", 1.0)),
        ("waves:2e-1", ("waves", 0.2)),
    ],
)
def test_a_colon_need_not_mean_a_weight(text: str, meant: tuple) -> None:
    assert _weighted(text) == meant


def test_folders_and_patterns(place: Path) -> None:
    for name in ("in/a.jpg", "in/b.png", "other/a.jpg", "in/c [1].bmp"):
        images.save_image(scene(3), name)
    Image.new("RGB", (30, 30)).save("in/d.tif")
    (place / "in" / "notes.txt").write_text("no picture")
    run("in", "other/*.jpg", "in/c [1].bmp", "--style", "dots", "--model", "fast", "--out", "out")
    written = sorted(path.name for path in (place / "out").iterdir())
    assert written == ["a-2.jpg", "a.jpg", "b.png", "c [1].bmp", "d.png"]


def test_one_bad_file_does_not_stop_the_rest(place: Path, capsys, monkeypatch) -> None:
    (place / "bad.jpg").write_bytes(b"\xff\xd8\xff not really")
    arguments = ["bad.jpg", "photo.png", "none.png", "--style", "dots", "--model", "fast", "--out", "out"]
    error = refused(*arguments, capsys=capsys, monkeypatch=monkeypatch)
    assert "1 of 3 are painted" in error and "bad.jpg is damaged" in error and "none.png does not exist" in error
    assert [path.name for path in (place / "out").iterdir()] == ["photo.png"]
    error = refused("bad.jpg", *arguments[3:-1], "a.png", capsys=capsys, monkeypatch=monkeypatch)
    assert error.strip() == "ganhub: bad.jpg is damaged or incomplete: save or download it again."


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_exif_orientation(place: Path, orientation: int) -> None:
    """What lies on its side in the file stands upright in the painting, and nothing turns it again."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    images.to_pil(scene(4, 40, 80)).save("turned.jpg", exif=exif, quality=95)
    run("turned.jpg", "--style", "dots", "--strength", "0", "--model", "fast", "--out", "a.jpg")
    with Image.open("a.jpg") as picture:
        assert picture.size == ((80, 40) if orientation in (1, 3) else (40, 80))
        assert picture.getexif().get(0x0112, 1) == 1
    assert (images.load_image("a.jpg") - images.load_image("turned.jpg")).abs().mean() < 0.02


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_colour_profiles(place: Path, suffix: str) -> None:
    """A photo with a profile gives a painting that says it is sRGB; one without stays without."""
    images.to_pil(scene(5)).save(f"tagged{suffix}", icc_profile=profile(), quality=100)
    for name, tagged in ((f"tagged{suffix}", True), ("photo.png", False)):
        run(name, "--style", "dots", "--model", "fast", "--strength", "0", "--out", f"a{suffix}", "--force")
        with Image.open(f"a{suffix}") as picture:
            icc = picture.info.get("icc_profile")
        assert (icc is not None) == tagged
        if tagged:
            assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
        assert (images.load_image(f"a{suffix}") - images.load_image(name)).abs().mean() < 0.03
    before = Path(f"a{suffix}").read_bytes()
    run("photo.png", "--style", "dots", "--model", "fast", "--strength", "0", "--out", f"a{suffix}", "--force")
    assert Path(f"a{suffix}").read_bytes() == before


def test_alpha_and_grey(place: Path) -> None:
    see_through = torch.cat([scene(6), torch.where(scene(7, channels=1) > 0, 1.0, -1.0)], 1)
    images.save_image(see_through, "clear.png")
    arguments = ["clear.png", "--style", "dots", "--model", "fast", "--out"]
    for name in ("a.png", "a.webp"):
        run(*arguments, name)
        assert torch.equal(images.load_image(name, channels=4)[:, 3:], see_through[:, 3:])
    run(*arguments, "a.jpg", says="transparency laid on white")
    with Image.open("a.jpg") as picture:
        assert picture.mode == "RGB"
    white = images.load_image("a.jpg")[0, :, see_through[0, 3] < 0]
    assert (white > 0.7).float().mean() > 0.9
    images.save_image(scene(8, channels=1), "grey.png")
    run("grey.png", "--style", "dots", "--model", "fast", "--out", "b.png")
    with Image.open("b.png") as picture:
        assert picture.mode == "RGB"


def test_films(place: Path) -> None:
    frames = torch.cat([scene(9, 64, 96) * share for share in (0.2, 0.5, 1.0)])
    video.save_video(frames, "film.gif", fps=10)
    video.save_video(frames, "film.mp4", fps=12)
    options = ["--style", "dots", "--model", "fast"]
    run("film.gif", "film.mp4", *options, "--size", "128", "--out", "out")
    assert sorted(path.name for path in (place / "out").iterdir()) == ["film.gif", "film.mp4"]
    with Image.open("out/film.gif") as gif:
        assert (gif.n_frames, gif.info["duration"]) == (3, 100)
    with av.open("out/film.mp4") as film:
        assert film.streams.video[0].average_rate == 12 and sum(1 for _ in film.decode(video=0)) == 3
    run("film.mp4", *options, "--smoothing", "0", "--out", "turned.gif")
    painted = styling.paint(FastStyle.from_pretrained("fast"), next(iter(video.open_video("film.mp4"))), "dots")
    assert (next(iter(video.open_video("turned.gif"))) - painted).abs().mean() < 0.1


def test_models_that_do_not_tile_shrink_large_photos(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganhub.creation.style.WHOLE_SIDE", 40)
    run("photo.png", "--style", "painting.png", "--model", "slow", "--out", "a.png", says="shrunk to 40 pixels")
    assert images.load_image("a.png").shape[-1] == 40
    said = run("photo.png", "--style", "painting.png", "--model", "slow", "--size", "52", "--out", "a.png", "--force")
    assert images.load_image("a.png").shape[-1] == 52 and "shrunk" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("photo.png", "--style", "dits", "--out", "a.png"), "Did you mean 'dots'"),
        (("photo.png", "--style", "painting.png", "--out", "a.png"), "only the styles it was trained on"),
        (("photo.png", "--style", "none.png", "--model", "any", "--out", "a.png"), "none.png does not exist"),
        (("photo.png", "--style", "dots", "--out", "photo.png"), "would be overwritten"),
        (("photo.png", "--style", "dots", "--out", "."), "would be overwritten"),
        (("photo.png", "--style", "painting.png", "--model", "any", "--out", "painting.png"), "would be overwritten"),
        (("photo.png", "painting.png", "--style", "dots", "--out", "a.png"), "--out name a folder"),
        (("photo.png", "--style", "dots", "--out", "a.gif"), "end --out in .png"),
        (("*.jpeg", "--style", "dots", "--out", "out"), "No file fits the pattern"),
        (("empty", "--style", "dots", "--out", "out"), "no photos or films in the folder"),
        (("photo.png", "--style", "dots:-1", "--out", "a.png"), "0 or more"),
        (("photo.png", "--style", "dots:0", "--out", "a.png"), "above 0"),
        (("photo.png", "--style", "dots", "--tile", "many", "--out", "a.png"), "--tile is auto, off or"),
        (("photo.png", "--style", "dots", "--size", "0", "--out", "a.png"), "--size must be"),
        (("photo.png", "--style", "dots", "--strength", "2", "--out", "a.png"), "strength must be"),
        (("photo.png", "--style", "dots", "--keep-colour", "hue", "--out", "a.png"), "luminance, histogram"),
        (("photo.png", "--style", "dots", "--outside", "waves", "--out", "a.png"), "needs a mask"),
        (("photo.png", "--style", "dots", "--smoothing", "1", "--out", "a.png"), "0 to 0.95"),
        (("photo.png", "--style", "dots", "--model", "fist", "--out", "a.png"), "There is no model 'fist'"),
        (("sound.mp4", "--style", "dots", "--out", "a.mp4"), "sound.mp4 is damaged or no film"),
    ],
)
def test_refusals(place: Path, arguments: tuple, says: str, capsys, monkeypatch) -> None:
    (place / "empty").mkdir()
    (place / "sound.mp4").write_bytes(b"nothing of the kind")
    before = (place / "photo.png").read_bytes()
    model = () if "--model" in arguments else ("--model", "fast")
    assert says in refused(*arguments, *model, capsys=capsys, monkeypatch=monkeypatch)
    assert (place / "photo.png").read_bytes() == before and not (place / "a.png").exists()
