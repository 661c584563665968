"""Free-form masks: what brushes, scratches and lost corners leave out of a picture, drawn from seeds.

After algorithm 1 of "Free-Form Image Inpainting with Gated Convolution" (Yu et al. 2019, arXiv:1806.03589): strokes of
a random walk that turns as it goes. Rectangles and corners are added to some, as the paper joins masks of both kinds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganhub.nn.random import Seeds, uniform

STREAM = 0x701  # keeps a seed's mask apart from what else is drawn of it
STROKES, TURNS = 5, 6  # at most, and of each


def free_form(seeds: Seeds, height: int, width: int, *, most: float = 0.5) -> Tensor:
    """Masks [N, 1, H, W], 1 in the hole and 0 outside, that cover at most about ``most`` of each picture.

    Each seed draws how much it covers, evenly, and gets strokes until that is reached, or a rectangle and strokes.
    """
    draws = uniform(seeds, 4 + STROKES * (4 + 2 * TURNS), stream=STREAM)
    middles = [torch.arange(side, dtype=torch.float32, device="cpu") + 0.5 for side in (height, width)]
    places = torch.stack(torch.meshgrid(*middles, indexing="ij"), -1)
    return torch.stack([_one(row, places, most) for row in draws])[:, None]


def _one(draws: Tensor, places: Tensor, most: float) -> Tensor:
    height, width = places.shape[:2]
    side = min(height, width)
    share, kind, *corner = draws[:4].tolist()
    wanted = most * (0.1 + 0.9 * share)
    mask = torch.zeros(height, width, dtype=torch.float32, device="cpu")
    if kind < 0.4:  # a rectangle, of half the hole; half of them in a corner
        down, across = (max(1, round(s * math.sqrt(wanted / 2))) for s in (height, width))
        top, left = round(corner[0] * (height - down)), round(corner[1] * (width - across))
        if kind < 0.2:
            top, left = (height - down) * round(corner[0]), (width - across) * round(corner[1])
        mask[top : top + down, left : left + across] = 1
    for stroke in draws[4:].view(STROKES, -1).tolist():
        if mask.mean() >= wanted:
            break
        mask = torch.maximum(mask, _stroke(stroke, places, side * math.sqrt(wanted / 0.5)))
    return mask


def _stroke(draws: list[float], places: Tensor, side: float) -> Tensor:
    height, width = places.shape[:2]
    y, x, brush, angle = draws[0] * height, draws[1] * width, draws[2], draws[3] * 2 * math.pi
    reach = max(1.0, side * (0.02 + 0.06 * brush))  # half the brush's width
    covered = torch.zeros(height, width, dtype=torch.bool, device="cpu")
    for k in range(TURNS):
        angle += (draws[4 + 2 * k] - 0.5) * math.pi
        length = side * (0.1 + 0.3 * draws[5 + 2 * k])
        start = torch.tensor([y, x], dtype=torch.float32, device="cpu")
        y = min(max(y + length * math.sin(angle), 0.0), float(height))
        x = min(max(x + length * math.cos(angle), 0.0), float(width))
        line = torch.tensor([y, x], dtype=torch.float32, device="cpu") - start
        along = ((places - start) @ line / line.square().sum().clamp_min(1e-6)).clamp(0, 1)
        covered |= (places - start - along[..., None] * line).norm(dim=-1) <= reach
    return covered.float()
