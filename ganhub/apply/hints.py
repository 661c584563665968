"""Dabs of colour on a line drawing: the area between the lines that a dab lies in takes its colour.

A network that colours line drawings is shown black lines on white alone: it was never taught dabs, or spreads them in
part only. So the dabs are taken off before it sees the drawing, and its result is painted over: from each dab its
colour flows until it meets a line, as paint from a bucket does. Where two dabs lie in one area, each place takes that
of the nearer one. What the network made lighter or darker there stays so.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub.images.colour import luminance

SIDE = 192  # pixels of the longer side at which colour flows
DAB = 0.3  # chroma, the range of R, G and B, from which a pixel is one of a dab: black, white and grey have none
LINE = 0.2  # luminance below which a pixel is one of a line
SHADE = 0.5  # of the network's light and dark that is kept


def without_dabs(drawing: Tensor) -> Tensor:
    """A drawing [1, 3, H, W] in [-1, 1] with white where a dab is."""
    return torch.where(_is_dab(drawing), torch.ones_like(drawing), drawing)


def coloured(result: Tensor, drawing: Tensor) -> Tensor:
    """What a network made of a drawing, with the colours of the dabs.

    Args:
        result: [1, 3, h, w] in [-1, 1]: the network's picture of :func:`without_dabs`.
        drawing: [1, 3, H, W] in [-1, 1], with dabs.

    Returns:
        [1, 3, h, w] in [-1, 1]; ``result`` itself where there is no dab.
    """
    if not _is_dab(drawing).any():
        return result
    height, width = result.shape[-2:]
    colour, reached = (F.interpolate(one, (height, width), mode="bilinear") for one in flow(drawing))
    shade = luminance(result)
    middle = (shade * reached).sum() / reached.sum().clamp_min(1e-6)
    painted = (colour / reached.clamp_min(1e-6) + SHADE * (shade - middle)).clamp(-1, 1)
    # The network's own lines stay where they are.
    share = reached * ((shade - LINE + 0.8) / 0.8).clamp(0, 1)
    return torch.lerp(result, painted, share)


def flow(drawing: Tensor) -> tuple[Tensor, Tensor]:
    """Colours [1, 3, h, w], 0 where none comes, and where one does, [1, 1, h, w]; the longer side is :data:`SIDE`."""
    height, width = drawing.shape[-2:]
    shrink = SIDE / max(height, width)
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    dab = _is_dab(drawing).float()
    # A line that is thin is one still: the darkest of the pixels that become one.
    free = (-F.adaptive_max_pool2d(-torch.where(dab > 0, 1.0, luminance(drawing)), size) >= LINE).float()
    weight = F.adaptive_avg_pool2d(dab, size)
    colour = F.adaptive_avg_pool2d(drawing * dab, size) / weight.clamp_min(1e-6)
    reached = (weight > 0.5).float() * free
    colour = colour * reached
    while True:
        near = F.avg_pool2d(reached, 3, 1, 1)
        fresh = (near > 0).float() * free * (1 - reached)
        if not fresh.any():
            return colour, reached
        colour = colour + fresh * F.avg_pool2d(colour, 3, 1, 1) / near.clamp_min(1e-6)
        reached = reached + fresh


def _is_dab(drawing: Tensor) -> Tensor:
    return drawing.amax(1, keepdim=True) - drawing.amin(1, keepdim=True) > DAB
