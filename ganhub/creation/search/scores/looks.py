"""Scores of the look of a picture by itself: colour, contrast, symmetry, sharpness, complexity."""

from __future__ import annotations

import zlib

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub import images
from ganhub.creation.search.scores._base import score
from ganhub.images.colour import luminance

EXTREME = 109.0  # "extremely colourful" in table 2 of Hasler and Suesstrunk 2003
FAINT = 1e-4  # variance below which a picture counts as flat
HALF = 0.2  # RMS of the Laplacian at which the sharpness is a half


@score("Colourful", "strong and varied colours")
def colourfulness(pictures: Tensor) -> Tensor:
    """ "Measuring Colourfulness in Natural Images" (Hasler and Suesstrunk 2003, SPIE 5007), M3 of section 5 over 109.

    M3 = sigma + 0.3 mu, the deviation and the mean of the opponent colours R - G and (R + G) / 2 - B of 0 to 255. Grey
    is 0, 1 is what people called extremely colourful; few photos have more.
    """
    red, green, blue = ((pictures.double() + 1) * 127.5).flatten(2).unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue], 1)
    sigma = opponents.var(2, correction=0).sum(1).sqrt()
    return (sigma + 0.3 * opponents.mean(2).norm(dim=1)) / EXTREME


@score("Contrast", "light beside dark")
def contrast(pictures: Tensor) -> Tensor:
    """Twice the standard deviation of the luminance in [0, 1]: 0 for a flat picture, 1 for half black, half white."""
    return luminance(pictures.double()).flatten(1).std(1, correction=0)  # of [-1, 1], which is twice as wide


@score("Symmetric", "left and right alike")
def symmetry(pictures: Tensor) -> Tensor:
    """How alike a picture and its mirror image are: 1 - sum (x - x')^2 / (2 sum (x - mean)^2), at least 0.

    That is the correlation of the two: 1 for a picture that is its own mirror image, 0 where the halves have nothing
    in common. Colour counts, contrast does not; a flat picture has 1.
    """
    x = pictures.double().flatten(2)
    mirrored = pictures.double().flip(3).flatten(2)
    away = 2 * (x - x.mean(2, keepdim=True)).square().mean((1, 2))
    return (1 - (x - mirrored).square().mean((1, 2)) / away.clamp_min(FAINT)).clamp_min(0)


@score("Sharp", "crisp edges")
def sharpness(pictures: Tensor) -> Tensor:
    """RMS r of the Laplacian (4 neighbours) of the luminance in [0, 1], as r / (r + 0.2): 0 for a flat picture."""
    grey = (luminance(pictures.double()) + 1) / 2
    kernel = grey.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    rms = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), kernel).square().mean((1, 2, 3)).sqrt()
    return rms / (rms + HALF)


@score("Detailed", "much to see, hard to compress")
def complexity(pictures: Tensor) -> Tensor:
    """Compressed size over the size of the raw bytes, at most 1: near 0 for a flat picture, near 1 for noise.

    Each pixel as its difference to its left neighbour (the Sub filter of PNG), compressed by zlib.
    """
    pixels = images.to_uint8(pictures).cpu().permute(0, 2, 3, 1)
    before = F.pad(pixels[:, :, :-1], (0, 0, 1, 0))
    raw = [(one - left).contiguous().numpy().tobytes() for one, left in zip(pixels, before, strict=True)]
    return torch.tensor([min(1.0, len(zlib.compress(one, 6)) / len(one)) for one in raw], dtype=torch.float64)
