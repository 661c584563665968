"""``ganhub translate``, ``upscale`` and ``inpaint`` on real files, with tiny real models; tiles against the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from typer.testing import CliRunner

from ganhub import AutoModel
from ganhub.apply import hints, translating
from ganhub.cli import cli
from ganhub.errors import ConfigError, ImageError
from ganhub.images import load_image, resize, save_image
from ganhub.models.cyclegan import CycleGAN
from ganhub.models.inpainting import Inpainting
from ganhub.models.pix2pix import Pix2Pix
from ganhub.models.srgan import SRGAN
from ganhub.nn.random import uniform


def blobs(seed: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    small = uniform([seed], channels, 7, 9) * 2 - 1
    return F.interpolate(small, (height, width), mode="bicubic", align_corners=False).clamp(-1, 1)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    for name, cls in {"large": SRGAN, "drawn": Pix2Pix, "mended": Inpainting, "painted": CycleGAN}.items():
        cls.tiny().save_pretrained(tmp_path / "model_cards" / name)
    monkeypatch.setenv("GANHUB_MODELS", str(tmp_path / "model_cards"))
    save_image(blobs(1, 30, 41), "photo.png")
    save_image(torch.cat([blobs(2, 24, 24), blobs(3, 24, 24, 1)], 1), "clear.png")
    save_image(blobs(4, 24, 24, 1), "grey.png")
    return tmp_path


def run(*arguments: str, says: str = "", code: int = 0) -> str:
    result = CliRunner().invoke(cli, arguments)
    text = result.output + str(result.exception or "")
    assert (result.exit_code != 0) == bool(code), text
    assert says in text, text
    return text


def test_files_folders_and_transparency(place):
    run("translate", "photo.png", "--model", "drawn", "--out", "a.png", says="photo.png -> a.png")
    wanted = AutoModel.from_pretrained("model_cards/drawn").translate(load_image("photo.png"))
    assert (load_image("a.png") - wanted).abs().max() < 0.01, "as the library makes it"
    run("upscale", ".", "--model", "large", "--out", "out")
    assert sorted(path.name for path in (place / "out").iterdir()) == ["a.png", "clear.png", "grey.png", "photo.png"]
    large = load_image("out/clear.png", channels=4)
    assert large.shape == (1, 4, 48, 48)
    assert (large[:, 3:] - resize(load_image("clear.png", channels=4)[:, 3:], (48, 48))).abs().max() < 0.01
    assert load_image("out/photo.png").shape == (1, 3, 60, 82) and load_image("out/grey.png").shape == (1, 3, 48, 48)
    run("upscale", "photo.png", "--model", "large", "--self-ensemble", "--out", "c.png")
    made = translating.translate(AutoModel.from_pretrained("model_cards/large"), load_image("photo.png"),
                                 self_ensemble=True)  # fmt: skip
    assert (load_image("c.png") - made).abs().max() < 0.01
    run("upscale", "clear.png", "--model", "large", "--out", "b.jpg", says="transparency laid on white")


def test_dabs_on_a_drawing_are_laid_on_what_the_network_made_of_its_lines(place, monkeypatch):
    """As in the app, where its metrics.json says that it takes drawings; by name and by folder."""
    drawing = torch.ones(1, 3, 48, 48)
    drawing[..., 8:40, 8:10] = drawing[..., 8:40, 38:40] = drawing[..., 8:10, 8:40] = drawing[..., 38:40, 8:40] = -1
    lines = drawing.clone()
    drawing[:, 1:, 20:26, 20:26] = -1  # red
    save_image(drawing, "dabbed.png")
    model = AutoModel.from_pretrained("model_cards/drawn")
    run("translate", "dabbed.png", "--model", "drawn", "--out", "before.png")
    assert (load_image("before.png") - model.translate(drawing)).abs().max() < 0.01, "nobody says what it takes"
    (place / "model_cards" / "drawn" / "metrics.json").write_text('{"takes": "drawing"}')
    wanted = hints.coloured(model.translate(lines), drawing)
    assert (wanted - model.translate(drawing)).abs().max() > 0.1
    monkeypatch.setenv("HOME", str(place))
    (place / "drawn").mkdir()  # of pictures: no model's folder
    save_image(drawing, "drawn/dabbed.png")
    for which in ("drawn", "model_cards/drawn", "~/model_cards/drawn"):
        run("translate", "dabbed.png", "--model", which, "--out", "after.png", "--force")
        assert (load_image("after.png") - wanted).abs().max() < 0.01


def test_inpainting_fills_the_mask_s_hole_alone(place):
    mask = -torch.ones(1, 1, 30, 41)
    mask[..., 8:14, 10:20] = 1
    save_image(mask, "mask.png")
    run("inpaint", "photo.png", "--mask", "mask.png", "--model", "mended", "--out", "a.png")
    change = (load_image("a.png") - load_image("photo.png")).abs().amax(1, keepdim=True)
    assert change[mask < 0].max() == 0 and change[mask > 0].mean() > 0.02
    save_image(resize(mask, (60, 82)), "mask.png")
    run("inpaint", "photo.png", "--mask", "mask.png", "--model", "mended", "--out", "b.png")
    run("inpaint", "photo.png", "--mask", "grey.png", "--model", "mended", "--out", "c.png", says="proportions", code=1)


def test_a_gif_is_a_picture_here_and_a_film_is_none(place):
    Image.new("RGB", (20, 24), "navy").save("moving.gif", save_all=True, append_images=[Image.new("RGB", (20, 24))])
    (place / "film.mp4").write_bytes(b"no film")
    run("upscale", "moving.gif", "--model", "large", "--out", "a.png")
    assert load_image("a.png").shape == (1, 3, 48, 40)
    run("upscale", ".", "--model", "large", "--out", "out")
    names = sorted(path.name for path in (place / "out").iterdir())
    assert names == ["a.png", "clear.png", "grey.png", "moving.png", "photo.png"]
    run("upscale", "film.mp4", "--model", "large", "--out", "b.png", says="only pictures", code=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("upscale", "photo.png", "--model", "drawn", "--out", "a.png"), "leaves pictures as large as they are"),
        (("translate", "photo.png", "--model", "mended", "--out", "a.png"), "is an inpainter, which does not do this"),
        (
            ("inpaint", "photo.png", "--mask", "photo.png", "--model", "drawn", "--out", "a.png"),
            "is a translator, which does not do this",
        ),
        (("translate", "none.png", "--model", "drawn", "--out", "a.png"), "none.png does not exist"),
        (("translate", "photo.png", "--model", "drawn", "--tile", "512", "--out", "a.png"), "tile=0"),
        (("translate", "photo.png", "--model", "drawn", "--out", "photo.png"), "would be overwritten"),
        (("translate", "photo.png", "--model", "drown", "--out", "a.png"), "drown"),
        (("translate", "photo.png", "--model", "drown", "--out", "a.xyz"), "end --out in .png"),
        (("upscale", "photo.png", "--model", "drown", "--tile", "wide", "--out", "a.png"), "--tile is auto"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_writes_nothing(place, arguments, says):
    before = {path: path.read_bytes() for path in place.glob("*.*")}
    run(*arguments, says=says, code=1)
    assert {path: path.read_bytes() for path in place.glob("*.*")} == before


@pytest.mark.parametrize("cls", [SRGAN, CycleGAN], ids=["srgan", "cyclegan"])
def test_tiles_are_the_whole_picture(cls):
    """Within 3/255 where instance normalisation gathers its numbers in rounds; alike where there is none."""
    torch.manual_seed(0)
    model, photo, steps = cls.tiny().eval(), blobs(5, 300, 420), []
    whole = translating.translate(model, photo, tile=0)
    tiled = translating.translate(model, photo, tile=256, on_step=lambda *step: steps.append(step))
    assert (tiled - whole).abs().mean() * 127.5 < (0.01 if cls is SRGAN else 3)
    assert len(steps) > 3 and tiled.shape == (1, 3, 300 * model.scale, 420 * model.scale)


def test_what_hides_under_transparency_is_not_seen():
    torch.manual_seed(0)
    alpha = torch.where(blobs(9, 24, 24, 1) > 0, 1.0, -1.0)
    black, white = (torch.cat([torch.where(alpha > 0, blobs(10, 24, 24), hidden), alpha], 1) for hidden in (-1.0, 1.0))
    for model in (SRGAN.tiny().eval(), Pix2Pix.tiny().eval()):
        made = [translating.translate(model, photo) for photo in (black, white)]
        assert torch.equal(*made) and torch.equal(made[0][:, 3:], resize(alpha, tuple(made[0].shape[2:])))
    seen = translating.translate(model, white[:, :3])
    torch.testing.assert_close(made[0][:, :3], seen)  # a drawing is seen on white
    mask, inpainter = -torch.ones(1, 1, 24, 24), Inpainting.tiny().eval()
    mask[..., 4:9, 4:9] = 1
    assert torch.equal(*(translating.inpaint(inpainter, photo, mask) for photo in (black, white)))
    long = torch.zeros(1, 4, 4, 9000)
    with pytest.raises(ImageError, match="16,384 a side"):
        translating.translate(SRGAN.tiny(), long)


def test_a_self_ensemble_does_not_care_where_up_is():
    torch.manual_seed(0)
    model, photo, steps = SRGAN.tiny().eval(), blobs(8, 20, 30), []
    made = translating.translate(model, photo, self_ensemble=True, on_step=lambda *step: steps.append(step[:2]))
    turned = translating.translate(model, photo.rot90(1, (2, 3)).flip(2), self_ensemble=True)
    torch.testing.assert_close(turned, made.rot90(1, (2, 3)).flip(2), atol=1e-5, rtol=0)
    upright = [model.translate(photo), model.translate(photo.flip(3)).flip(3), model.translate(photo.flip(2)).flip(2),
               model.translate(photo.flip(2, 3)).flip(2, 3)]  # fmt: skip
    sideways = [x.transpose(2, 3) for x in (
        model.translate(photo.mT), model.translate(photo.mT.flip(3)).flip(3), model.translate(photo.mT.flip(2)).flip(2),
        model.translate(photo.mT.flip(2, 3)).flip(2, 3))]  # fmt: skip
    torch.testing.assert_close(made, torch.stack(upright + sideways).mean(0), atol=1e-5, rtol=0)
    assert steps == [*((k, 8) for k in range(1, 9)), (1, 1)]
    assert (made - upright[0]).abs().max() > 1e-3


def test_what_is_refused():
    with pytest.raises(ConfigError, match="sees the picture as one"):
        translating.translate(Pix2Pix.tiny(), blobs(1, 32, 32), tile=64)
    with pytest.raises(ConfigError, match="'auto', 0 or pixels"):
        translating.translate(SRGAN.tiny(), blobs(1, 32, 32), tile="huge")
    with pytest.raises(ImageError, match="C = 1, 3 or 4"):
        translating.translate(SRGAN.tiny(), torch.zeros(2, 3, 8, 8))


def test_a_large_photo_s_holes_are_filled_in_tiles():
    torch.manual_seed(0)
    model, photo, steps = Inpainting.tiny().eval(), blobs(6, 420, 640), []
    mask = -torch.ones(1, 1, 420, 640)
    mask[..., 30:60, 20:600] = 1
    mask[..., 200:260, 300:330] = 1
    whole = translating.inpaint(model, photo, mask, tile=0)
    tiled = translating.inpaint(model, photo, mask, tile=256, on_step=lambda *step: steps.append(step))
    assert len(steps) > 4 and (tiled - whole).abs().max() * 127.5 < 0.1
    assert torch.equal(tiled[(mask < 0).expand_as(tiled)], photo[(mask < 0).expand_as(photo)])


def test_a_hole_larger_than_a_tile_is_filled_from_a_smaller_copy(monkeypatch):
    torch.manual_seed(0)
    model, photo = Inpainting.tiny().eval(), blobs(7, 400, 720)
    monkeypatch.setattr(translating, "WHOLE", 100 * 180)
    mask = -torch.ones(1, 1, 400, 720)
    mask[..., 5:395, 100:600] = 1
    filled = translating.inpaint(model, photo, mask)
    assert filled.shape == photo.shape and filled.isfinite().all()
    assert (filled - photo)[(mask > 0).expand_as(photo)].abs().mean() > 0.02
    assert torch.equal(filled[..., :100], photo[..., :100])
