"""Generated pictures, enlarged: by the upscaler that is here, or each pixel as a square."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganhub import images, zoo
from ganhub.apply import translating
from ganhub.errors import ConfigError, HubError
from ganhub.models import AutoModel, Translator

FACTORS = (1, 2, 4)
WAYS = ("auto", "upscaler", "nearest")
SMALLEST = 64  # pixels a side that the upscaler, which has learnt photos, makes something of


def chosen(scale: int, way: str, size: tuple[int, int], channels: int) -> tuple[Callable[[Tensor], Tensor], str]:
    """How pictures are enlarged, and that in words.

    The rule of "auto": grey pictures, and those with a side below 64 pixels, are enlarged by nearest, each pixel a
    square; others by the usual upscaler where it is on this machine (or in the Hub's cache), else by nearest.

    Args:
        scale: 1, 2 or 4.
        way: "auto", "upscaler" (fetched where it is missing) or "nearest".
        size, channels: Of the pictures.

    Returns:
        A function [N, C, H, W] -> [N, C, H * scale, W * scale], all in [-1, 1].

    Raises:
        ConfigError: Another factor or way. HubError: There is no upscaler, and it was asked for.
    """
    if scale not in FACTORS:
        raise ConfigError(f"--scale is 1, 2 or 4, not {scale}.")
    if way not in WAYS:
        raise ConfigError(f"--enlarge is {', '.join(WAYS[:-1])} or {WAYS[-1]}, not {way!r}.")
    if scale == 1:
        return (lambda pictures: pictures), ""
    if way == "upscaler" or (way == "auto" and channels != 1 and min(size) >= SMALLEST):
        name = zoo.default("enlarge")
        try:
            upscaler = AutoModel.from_pretrained(name, local_files_only=way == "auto")
            return (lambda pictures: _by(upscaler, pictures, scale)), f"enlarged {scale} times by {name}"
        except HubError:
            if way == "upscaler":
                raise
            missing = f" ({name} is not on this machine; --enlarge upscaler fetches it)"
    else:
        missing = ""
    how = f"enlarged {scale} times, each pixel a square{missing}"
    return (lambda pictures: images.enlarge(pictures, scale)), how


def _by(upscaler: Translator, pictures: Tensor, scale: int) -> Tensor:
    size = tuple(side * scale for side in pictures.shape[-2:])
    large = [translating.translate(upscaler, picture[None].cpu().float()) for picture in pictures]
    return torch.cat([one if tuple(one.shape[-2:]) == size else images.resize(one, size) for one in large])
