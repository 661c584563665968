"""The share card: a wall, or a photo before and after, with what it is and its link, on paper, as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganhub import images
from ganhub.images.lettering import Line, blank, with_text

WIDTH, HEIGHT = 1200, 630  # what social sites show whole
MARGIN, GAP, RIGHT = 40, 10, 440  # pixels; the words stand in the right column
PAPER, INK, GREY, SEAL = (250, 249, 246), (41, 39, 36), (120, 115, 106), (185, 67, 42)


def compose(pictures: Sequence[Tensor], title: str, link: str, *, pair: bool = False, pixels: bool = False) -> Tensor:
    """A card [1, 3, 630, 1200] in [-1, 1].

    Args:
        pictures: [1, C, H, W] each: a wall, of which one, four or nine are shown, or before and after.
        title: What it is, in words.
        link: Where it can be opened.
        pair: Whether they are before and after, which stand side by side.
        pixels: Whether they are pixel art, which is enlarged with hard edges.
    """
    canvas = blank(HEIGHT, WIDTH, PAPER)
    across = 2 if pair else max(side for side in (1, 2, 3) if side * side <= max(1, len(pictures)))
    shown = pictures[: across if pair else across * across]
    room = HEIGHT - 2 * MARGIN
    cell_width = (WIDTH - RIGHT - 2 * MARGIN - (across - 1) * GAP) // across if pair else None
    side = (room - (across - 1) * GAP) // across
    for place, picture in enumerate(shown):
        cell = _fitted(picture, room if pair else side, cell_width or side, pixels)
        top = MARGIN + (0 if pair else place // across * (side + GAP))
        left = MARGIN + place % across * ((cell_width or side) + GAP)
        canvas[..., top : top + cell.shape[-2], left : left + cell.shape[-1]] = cell
    seal = _seal()
    x = WIDTH - RIGHT
    canvas[..., MARGIN : MARGIN + seal.shape[-2], x : x + seal.shape[-1]] = seal
    return with_text(canvas, _words(title, link, x, pair))


def _words(title: str, link: str, x: int, pair: bool) -> list[Line]:
    width = RIGHT - MARGIN
    model, *rest = title.split(", ")
    lines = [Line("ganhub", x + 84, MARGIN + 10, 38, INK, width - 84), Line(model, x, 180, 40, INK, width)]
    if pair:
        rest = ["before and after", *rest]
    lines += [Line(text, x, 246 + 40 * place, 26, GREY, width) for place, text in enumerate(rest[:5])]
    letters = 36
    parts = [link[start : start + letters] for start in range(0, len(link), letters)][:4]
    first = HEIGHT - MARGIN - 28 * len(parts)
    if parts:
        lines.append(Line("Open it, and make your own:", x, first - 36, 22, INK, width))
    return lines + [Line(part, x, first + 28 * place, 20, SEAL, width) for place, part in enumerate(parts)]


def _fitted(picture: Tensor, height: int, width: int, pixels: bool) -> Tensor:
    """The centre of a picture in a cell, RGB."""
    rgb = images.from_pil(images.to_pil(picture), channels=3)
    if pixels:
        rgb = images.enlarge(rgb, -(-max(height, width) // max(rgb.shape[-2:])))
    return images.fit(rgb, height, width).clamp(-1, 1)


def _seal() -> Tensor:
    """The page's seal: eight small squares around the ninth that is missing."""
    seal = blank(64, 64, SEAL)
    light = torch.tensor([0.98, 0.9, 0.88]).view(1, 3, 1, 1)
    for place in range(9):
        if place != 4:
            top, left = 12 + place // 3 * 15, 12 + place % 3 * 15
            seal[..., top : top + 11, left : left + 11] = light
    return seal
