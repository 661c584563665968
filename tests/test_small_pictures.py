"""Small PNG files: what they keep of a picture, and how small they are."""

from __future__ import annotations

import io
import runpy
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganhub.errors import ImageError
from ganhub.images import from_pil, load_image, save_grid, save_image
from ganhub.images.small import SHEET_BYTES, encode_small_png, save_sheet

ROOT = Path(__file__).resolve().parent.parent


def decoded(file: bytes) -> torch.Tensor:
    return from_pil(Image.open(io.BytesIO(file)).convert("RGB"))


def noise(side: int) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_up_to_256_colours_are_kept_exactly() -> None:
    colours = torch.randint(0, 256, (256, 3), generator=torch.Generator().manual_seed(1)).float() / 127.5 - 1
    picture = colours.T.reshape(1, 3, 16, 16)
    assert (decoded(encode_small_png(picture)) - picture).abs().max() < 1 / 255
    grey = torch.linspace(-1, 1, 256).reshape(1, 1, 16, 16)
    file = Image.open(io.BytesIO(encode_small_png(grey)))
    assert file.mode == "L" and list(file.tobytes()) == list(range(256))


def test_a_photo_looks_the_same_in_half_the_bytes() -> None:
    photo = load_image(ROOT / "ganhub" / "app" / "assets" / "cat.jpg")
    plain = io.BytesIO()
    Image.open(ROOT / "ganhub" / "app" / "assets" / "cat.jpg").convert("RGB").save(plain, "PNG")
    file = encode_small_png(photo, max_bytes=10**7)
    assert len(file) < len(plain.getvalue()) / 2
    again = decoded(file)
    assert again.shape == photo.shape
    assert (again - photo).square().mean() < 4e-3 * 4  # 30 dB of the range of 2, or better


def test_the_largest_file_is_kept_to_by_fewer_pixels_of_the_same_shape() -> None:
    file = encode_small_png(noise(96).repeat(1, 1, 1, 2), max_bytes=6000)
    height, width = decoded(file).shape[-2:]
    assert 3000 < len(file) <= 6000 and height < 96 and abs(width - 2 * height) <= 3
    assert decoded(encode_small_png(noise(200), max_bytes=1000)).shape[-1] > 4


def test_what_it_refuses() -> None:
    with pytest.raises(ImageError, match="no transparency"):
        encode_small_png(torch.zeros(1, 4, 8, 8))
    with pytest.raises(ImageError, match="too small for a palette"):
        encode_small_png(noise(8), max_bytes=10)


def test_a_sheet_is_made_small_only_where_it_is_too_large(tmp_path: Path) -> None:
    few = torch.rand(4, 4, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    save_grid(few, tmp_path / "plain.png", columns=2), save_sheet(few, tmp_path / "few.png", columns=2)
    assert (tmp_path / "few.png").read_bytes() == (tmp_path / "plain.png").read_bytes(), "transparency and all"
    many = torch.rand(16, 3, 128, 128, generator=torch.Generator().manual_seed(3)) * 2 - 1
    save_sheet(many, tmp_path / "many.png", columns=8)
    file = (tmp_path / "many.png").read_bytes()
    height, width = decoded(file).shape[-2:]
    assert 150_000 < len(file) <= SHEET_BYTES and width > 3 * height


def test_the_tool_replaces_files_that_get_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    save_image(noise(64), large)
    small.write_bytes(encode_small_png(torch.zeros(1, 3, 64, 64)))
    before = large.stat().st_size, small.read_bytes()
    monkeypatch.setattr(sys, "argv", ["shrink_pictures.py", str(large), str(small)])
    runpy.run_path(str(ROOT / "tools" / "shrink_pictures.py"), run_name="__main__")
    assert large.stat().st_size < before[0] / 2 and small.read_bytes() == before[1]
