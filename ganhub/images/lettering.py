"""Text on pictures, and pictures small enough to be kept by a browser."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganhub.errors import ImageError
from ganhub.images.codec import from_pil
from ganhub.images.tensors import on_white, resize
from ganhub.images.writing import to_pil

Colour = tuple[int, int, int]
MISSING = "\U0010fffd"  # no font has it: what is drawn for it is drawn for all that a font lacks


@dataclass(frozen=True)
class Line:
    """A line of text: its left upper corner, its height in pixels, its colour, and where it has to end."""

    text: str
    x: int
    y: int
    size: int
    colour: Colour
    width: int


def blank(height: int, width: int, colour: Colour) -> Tensor:
    """A picture of one colour, [1, 3, H, W] in [-1, 1]."""
    return from_pil(Image.new("RGB", (width, height), colour), channels=3)


def with_text(image: Tensor, lines: Sequence[Line]) -> Tensor:
    """An RGB picture [1, 3, H, W] with lines of text; what is longer than its width ends in "…".

    The font comes with Pillow and holds Latin letters; others are drawn as "?".
    """
    picture = to_pil(image)
    pen = ImageDraw.Draw(picture)
    for line in lines:
        font = ImageFont.load_default(line.size)
        text = "".join(letter if letter.isprintable() and ord(letter) < 0x250 or letter in "–—…·×" else "?"
                       for letter in line.text)  # fmt: skip
        pen.text((line.x, line.y), _within(text, font, line.width), fill=line.colour, font=font)
    return from_pil(picture, channels=3)


def _within(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def glyph(
    character: str, font: Path | None, size: int, side: int, shift: tuple[float, float] = (0, 0)
) -> Tensor | None:  # fmt: skip
    """A character of a font, ink [side, side] in [0, 1], in the middle but for a shift to the right and down in pixels.

    Args:
        font: A font's file; None takes the one that comes with Pillow.
        size: Of the character, in pixels.

    Returns:
        None where the font lacks the character; a space has no ink.
    """
    opened = _font(font, size)
    if bytes(opened.getmask(character)) == bytes(opened.getmask(MISSING)):
        return None
    box, canvas = opened.getbbox(character), Image.new("L", (side, side))
    corner = [(side - box[i] - box[i + 2]) / 2 + shift[i] for i in (0, 1)]
    ImageDraw.Draw(canvas).text((corner[0], corner[1]), character, fill=255, font=opened)
    return (from_pil(canvas, channels=1)[0, 0] + 1) / 2


def middle(ink: Tensor) -> Tensor:
    """The middle of strokes, about one pixel wide: a mask [H, W] of ink -> a mask [H, W].

    "Parallel thinning with two-subiteration algorithms" (Guo and Hall 1989, Communications of the ACM 32, algorithm
    A1): pixels of the rim go, from the north-east and the south-west by turns, where nothing breaks or ends there.
    """
    ink, inner = F.pad(ink.bool(), (1, 1, 1, 1)), slice(1, -1)
    while True:
        before = ink.clone()
        for turn in (0, 1):
            north, east, south, west = ink[:-2, inner], ink[inner, 2:], ink[2:, inner], ink[inner, :-2]
            around = [north, ink[:-2, 2:], east, ink[2:, 2:], south, ink[2:, :-2], west, ink[:-2, :-2]]  # clockwise
            after = around[1:] + around[:1]
            pairs = [(one | other).int() for one, other in zip(around, after, strict=True)]
            pieces = sum((~around[k]).int() * pairs[k + 1] for k in range(0, 8, 2))
            ends = torch.minimum(sum(pairs[::2]), sum(pairs[1::2]))
            side = [around[(k + 4 * turn) % 8] for k in range(8)]
            stays = (side[0] | side[1] | ~side[3]) & side[2]
            ink[inner, inner] &= ~((pieces == 1) & (ends >= 2) & (ends <= 3) & ~stays)
        if torch.equal(ink, before):
            return ink[inner, inner]


def as_lines(ink: Tensor, side: int, width: int) -> Tensor:
    """Strokes as a pen of one width writes them: ink [H, W] in [0, 1] -> black on white [1, 3, side, side].

    Args:
        width: Of the lines, in pixels of the result; an odd number.
    """
    thin = middle(ink > 0.5)[None, None].float()
    reach = torch.arange(width) - width // 2
    pen = (reach[:, None] ** 2 + reach**2 <= (width / 2) ** 2).float()[None, None]
    drawn = F.conv2d(F.interpolate(thin, (side, side)), pen, padding=width // 2).clamp(max=1)
    soft = F.avg_pool2d(drawn, 5, 1, 2, count_include_pad=False)  # no stairs
    return (1 - 2 * soft).expand(1, 3, side, side)


@lru_cache(maxsize=16)
def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)


def encode_thumbnail(image: Tensor, *, side: int = 128, max_bytes: int = 3_000) -> bytes:
    """A picture as a WebP file of few bytes, its long side at most ``side``; transparency is laid on white.

    Raises:
        ImageError: ``max_bytes`` is too small for any picture.
    """
    image = on_white(image)
    height, width = image.shape[-2:]
    while side >= 8:
        scale = min(1.0, side / max(height, width))
        small = to_pil(resize(image, (max(1, round(height * scale)), max(1, round(width * scale)))).clamp(-1, 1))
        for quality in (80, 60, 40, 20):
            file = io.BytesIO()
            small.convert("RGB").save(file, format="WEBP", quality=quality, method=4)
            if file.tell() <= max_bytes:
                return file.getvalue()
        side = side * 3 // 4
    raise ImageError(f"No picture fits into {max_bytes} bytes: allow 3,000.")
