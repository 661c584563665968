"""Pictures inside a page, for people who judge them: nothing but the pixels tells where one comes from."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

from torch import Tensor

from ganhub import images
from ganhub.app import _parts as parts

SIDE = 512  # pixels, about, that a picture is raised to
MAX_SIDE = 1024  # two sizes whose common multiple is larger meet by a smooth filter instead
SMOOTH_FROM = 128  # pixels; below, each one is shown as a square


def shown_side(sizes: Sequence[int]) -> int:
    """Pixels of the side to which pictures of these sides are raised: a multiple of each where a fair one is small.

    One size gives the multiple of it nearest to ``SIDE``; two that share none up to ``MAX_SIDE`` give the larger one's.
    """
    common = math.lcm(*sizes)
    if common > MAX_SIDE:
        common = max(sizes)
    return common * max(1, round(SIDE / common))


def embed(picture: Tensor, side: int, *, smooth: bool, background: str = "white") -> str:
    """A picture as a data address, the same kind of file whatever the picture is and wherever it comes from.

    Args:
        picture: [1, C, H, W] in [-1, 1]; grey becomes RGB, transparency is laid on ``background``.
        side: Side of the square that is shown, in pixels.
        smooth: Raise by a smooth filter; otherwise pixels are repeated, and ``side`` is a multiple of theirs.
    """
    picture = images.from_pil(images.to_pil(picture), channels=3, background=background)
    picture = images.resize(picture, (side, side)) if smooth else parts.enlarge(picture, side)
    return address(images.encode_png(picture))


def address(png: bytes) -> str:
    """The data address of a PNG file."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def is_smooth(sizes: Sequence[int]) -> bool:
    """Whether pictures of these sides are raised smoothly: one rule for all that are compared."""
    return min(sizes) >= SMOOTH_FROM or shown_side(sizes) % math.lcm(*sizes) != 0
