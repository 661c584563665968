"""Pictures as tensors: what is transparent laid on a background, pixels enlarged to squares."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from ganhub import images


def test_alpha_is_laid_on_a_background_as_pillow_does_it():
    pixels = torch.randint(0, 256, (2, 4, 5, 6), dtype=torch.uint8)
    pictures = images.from_uint8(pixels)
    for level, colour in ((1, "white"), (-1, "black")):
        laid = images.to_uint8(images.on_background(pictures, level))
        for one, flat in zip(pixels, laid, strict=True):
            picture = Image.fromarray(one.permute(1, 2, 0).numpy())
            wanted = Image.alpha_composite(Image.new("RGBA", picture.size, colour), picture).convert("RGB")
            assert np.abs(np.asarray(wanted).astype(int) - flat.permute(1, 2, 0).numpy().astype(int)).max() <= 1
    grey = pictures[:, :1]
    assert torch.equal(images.on_white(grey), grey.expand(-1, 3, -1, -1))
    assert torch.equal(images.on_white(pictures[:, :3]), pictures[:, :3])


def test_enlarging_repeats_pixels():
    pictures = torch.arange(12.0).view(1, 1, 3, 4)
    large = images.enlarge(pictures, 3)
    assert large.shape == (1, 1, 9, 12) and torch.equal(large[..., 1::3, 2::3], pictures)
    assert torch.equal(torch.nn.functional.avg_pool2d(large, 3), pictures)
