"""Pictures as numbers: bytes to floats and back, resampled, cut to a shape, laid out in a grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ganhub.errors import ImageError

MAX_SIDE = 16_384
CHANNELS = (1, 3, 4)  # grey, RGB, RGB and straight alpha


def from_uint8(images: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [-1, 1]; `to_uint8` gives the same bytes back."""
    return (images.to(torch.float32) / 127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Floats in [-1, 1] -> uint8, rounded and clamped; NaN becomes mid grey."""
    scaled = images.detach().float().nan_to_num(nan=0.0).add_(1.0).mul_(127.5)  # in place: photos are large
    return scaled.round_().clamp_(0, 255).to(torch.uint8)


def _check(images: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] not in CHANNELS or 0 in images.shape:
        raise ImageError(f"Pictures are [N, C, H, W] with C = 1, 3 or 4, not {list(images.shape)}.")


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Resample to a new size, antialiased bicubic, clamped to [-1, 1]; differentiable.

    Args:
        images: [N, C, H, W] in [-1, 1]. With 4 channels the colours are weighted by their alpha, so that what
            hides under transparent pixels does not bleed out.
        size: (height, width), or one number for the short side, the long one following in proportion.
    """
    _check(images)
    height, width = images.shape[-2:]
    if isinstance(size, int):
        short = max(1, min(height, width))
        size = (round(height * size / short), round(width * size / short))
    if min(size) < 1 or max(size) > MAX_SIDE:
        raise ImageError(f"A picture has 1 to {MAX_SIDE:,} pixels a side, not {size[0]} x {size[1]}.")
    if tuple(size) == (height, width):
        return images

    def resample(x: Tensor) -> Tensor:
        return F.interpolate(x, size=tuple(size), mode="bicubic", antialias=True, align_corners=False)

    source = images.float()
    if images.shape[1] == 4:
        alpha = (source[:, 3:] + 1) / 2
        weighted, alpha_out = resample(source[:, :3] * alpha), resample(alpha)
        colour = torch.where(alpha_out > 1e-3, weighted / alpha_out.clamp_min(1e-3), resample(source[:, :3]))
        result = torch.cat([colour, alpha_out * 2 - 1], dim=1)
    else:
        result = resample(source)
    return result.clamp(-1, 1).to(images.dtype)


def on_background(images: Tensor, background: float) -> Tensor:
    """[N, C, H, W] -> [N, 3, H, W]: grey repeated, RGBA laid on a grey from -1 (black) to 1 (white)."""
    if images.shape[1] != 4:
        return images.expand(-1, 3, -1, -1)
    return background + (images[:, :3] - background) * (images[:, 3:] + 1) / 2


def on_white(images: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, 3, H, W]: as they are seen on paper; grey is repeated."""
    return on_background(images, 1)


def enlarge(images: Tensor, factor: int) -> Tensor:
    """[..., H, W] -> [..., factor H, factor W]: each pixel becomes a square."""
    return images.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)


def fit(images: Tensor, height: int, width: int) -> Tensor:
    """Cut out the largest centre piece of the shape height : width and scale it: [N, C, height, width]."""
    _check(images)
    if min(height, width) < 1:
        raise ImageError(f"A picture has at least 1 pixel a side, not {height} x {width}.")
    factor = max(height / images.shape[-2], width / images.shape[-1])
    rows = max(1, min(images.shape[-2], round(height / factor)))
    columns = max(1, min(images.shape[-1], round(width / factor)))
    top, left = (images.shape[-2] - rows) // 2, (images.shape[-1] - columns) // 2
    return resize(images[..., top : top + rows, left : left + columns], (height, width))


def make_grid(images: Tensor, *, columns: int | None = None, padding: int = 2) -> Tensor:
    """Lay pictures out row by row: [N, C, H, W] -> [1, C, H', W'], ``padding`` white pixels between neighbours.

    Empty cells are white. Without ``columns`` the grid is as square as it can be.
    """
    _check(images)
    count, channels, height, width = images.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1 or padding < 0:
        raise ImageError(f"A grid has columns >= 1 and padding >= 0, not {columns} and {padding}.")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    down, right = height + padding, width + padding
    grid = images.new_ones(1, channels, rows * down - padding, columns * right - padding)
    for index in range(count):
        top, left = index // columns * down, index % columns * right
        grid[0, :, top : top + height, left : left + width] = images[index]
    return grid
