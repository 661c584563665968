"""Draws the example sketches of the Translate tab: ``python training/sketches.py ganhub/app/assets``.

Lines of one width on white, on a canvas whose sides are 1; y grows downwards.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import images  # noqa: E402

SIDE = 512  # pixels
REACH = 7.0  # half the width of a line
FINE = 4.0  # of portraits and writing
Line = list[tuple[float, float]]  # x and y of its corners


def arc(x: float, y: float, rx: float, ry: float | None = None, start: float = 0, end: float = 360) -> Line:
    """Part of an ellipse, in degrees from the right, clockwise."""
    angles = [math.radians(start + (end - start) * k / 48) for k in range(49)]
    return [(x + rx * math.cos(a), y + (ry or rx) * math.sin(a)) for a in angles]


def star() -> list[Line]:
    """Five points."""
    corners = [(0.5 + r * math.sin(a), 0.53 - r * math.cos(a))
               for k in range(11) for a, r in [(k * math.pi / 5, 0.4 if k % 2 == 0 else 0.17)]]  # fmt: skip
    return [corners]


def face() -> list[Line]:
    """A smile."""
    return [arc(0.5, 0.5, 0.36), arc(0.38, 0.42, 0.025), arc(0.62, 0.42, 0.025), arc(0.5, 0.54, 0.2, 0.16, 15, 165)]


def head(ears: bool = True) -> list[Line]:
    """What portraits share: jaw, neck, shoulders, eyes, nose and smile, and ears if they show."""
    sides = [arc(0.28, 0.47, 0.035, 0.055, 60, 300), arc(0.72, 0.47, 0.035, 0.055, -120, 120)]
    return [
        arc(0.5, 0.43, 0.21, 0.27, 0, 180), *sides * ears, [(0.42, 0.685), (0.42, 0.77)], [(0.58, 0.685), (0.58, 0.77)],
        arc(0.5, 1.0, 0.34, 0.23, 180, 360), arc(0.5, 0.77, 0.08, 0.06, 0, 180), arc(0.42, 0.45, 0.007),
        arc(0.58, 0.45, 0.007), arc(0.42, 0.36, 0.05, 0.03, 200, 340), arc(0.58, 0.36, 0.05, 0.03, 200, 340),
        arc(0.5, 0.5, 0.03, 0.03, 20, 160), arc(0.5, 0.56, 0.08, 0.06, 15, 165),
    ]  # fmt: skip


def woman() -> list[Line]:
    """A portrait with long hair."""
    parting = [*arc(0.56, 0.43, 0.27, 0.2, 180, 270), *arc(0.56, 0.43, 0.15, 0.2, 270, 360)]
    outer = [(0.36, 0.78), (0.22, 0.8), *arc(0.5, 0.4, 0.3, 0.3, 180, 360), (0.78, 0.8), (0.64, 0.78)]
    inner = [[(0.29, 0.43), (0.31, 0.6), (0.36, 0.78)], [(0.71, 0.43), (0.69, 0.6), (0.64, 0.78)]]
    return [*head(ears=False), parting, outer, *inner]


def man() -> list[Line]:
    """A portrait with short hair and glasses."""
    hair = [(0.29, 0.43), *arc(0.5, 0.36, 0.25, 0.24, 180, 360), (0.71, 0.43), (0.66, 0.3), (0.36, 0.3), (0.29, 0.43)]
    return [*head(), hair, arc(0.41, 0.44, 0.075), arc(0.59, 0.44, 0.075), [(0.485, 0.44), (0.515, 0.44)]]


def forever() -> list[Line]:
    """The character that has all eight strokes of Chinese writing."""
    return [
        [(0.46, 0.13), (0.52, 0.19)], [(0.36, 0.33), (0.52, 0.31), (0.52, 0.85), (0.43, 0.79)],
        [(0.2, 0.48), (0.41, 0.46), (0.34, 0.6), (0.19, 0.77)], [(0.77, 0.33), (0.56, 0.5)],
        [(0.53, 0.46), (0.66, 0.66), (0.86, 0.8)],
    ]  # fmt: skip


def tree() -> list[Line]:
    """The character of a tree."""
    return [[(0.17, 0.38), (0.83, 0.37)], [(0.5, 0.12), (0.5, 0.9)], [(0.48, 0.39), (0.36, 0.6), (0.15, 0.78)],
            [(0.52, 0.39), (0.66, 0.6), (0.87, 0.76)]]  # fmt: skip


def house() -> list[Line]:
    """Walls, roof and door."""
    return [
        [(0.22, 0.48), (0.22, 0.85), (0.78, 0.85), (0.78, 0.48)],
        [(0.12, 0.5), (0.5, 0.14), (0.88, 0.5)],
        [(0.42, 0.85), (0.42, 0.62), (0.58, 0.62), (0.58, 0.85)],
    ]


def fish() -> list[Line]:
    """It swims to the left."""
    return [
        arc(0.43, 0.5, 0.31, 0.2, 22, 338),
        [(0.72, 0.425), (0.9, 0.3), (0.86, 0.5), (0.9, 0.7), (0.72, 0.575)],
        arc(0.26, 0.45, 0.022),
        arc(0.3, 0.5, 0.14, 0.16, -50, 50),
    ]


def flower() -> list[Line]:
    """Five petals and a leaf."""
    petals = [arc(0.5 + 0.17 * math.cos(a), 0.36 + 0.17 * math.sin(a), 0.1) for a in
              (k * math.tau / 5 - math.pi / 2 for k in range(5))]  # fmt: skip
    return [*petals, arc(0.5, 0.36, 0.085), [(0.5, 0.64), (0.5, 0.92)], arc(0.6, 0.8, 0.1, 0.05, 0, 360)]


def mushroom() -> list[Line]:
    """With two dots."""
    return [
        [*arc(0.5, 0.52, 0.37, 0.36, 180, 360), (0.13, 0.52)],
        [(0.39, 0.52), (0.36, 0.84), (0.64, 0.84), (0.61, 0.52)],
        arc(0.38, 0.36, 0.06),
        arc(0.62, 0.36, 0.06),
    ]


SKETCHES = (woman, man, forever, house, fish, star, flower, mushroom, face, tree)
THIN = (woman, man, forever, tree)
NAMES = tuple(f"sketch-{draw.__name__}" for draw in SKETCHES)


def drawn(lines: list[Line], reach: float = REACH) -> Tensor:
    """[1, 4, SIDE, SIDE] in [-1, 1]: black lines with round ends on nothing, as the brush of a canvas draws them.

    ``reach`` is half the width of a line in pixels.
    """
    line = torch.arange(SIDE) + 0.5
    places = torch.stack(torch.meshgrid(line, line, indexing="ij")[::-1], -1)
    near = torch.full((SIDE, SIDE), math.inf)
    for corners in lines:
        points = torch.tensor(corners) * SIDE
        for start, end in zip(points, points[1:], strict=False):
            way = end - start
            along = ((places - start) @ way / way.square().sum().clamp_min(1e-6)).clamp(0, 1)
            near = torch.minimum(near, (places - start - along[..., None] * way).norm(dim=-1))
    ink = (reach - near).clamp(-1, 1)
    return torch.stack([*[-torch.ones_like(ink)] * 3, ink])[None]


def main(folder: Path) -> None:
    """Draw all of them into a folder."""
    for name, draw in zip(NAMES, SKETCHES, strict=True):
        images.save_image(drawn(draw(), FINE if draw in THIN else REACH), folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
