"""Pixels of 12, 16 or 32 bits, whole or floating, as 8 bits: strip by strip, by the scale that most of them suggest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from ganhub.images.headers import Refusal

STRIP = 1 << 20  # pixels that are worked on at once
LOOKED_AT = 1 << 20  # pixels, evenly spread, that the scale is chosen by
SPARED = 1000  # one pixel in so many may lie outside the scale at each end, and one in any but the smallest pictures


def to_eight_bits(picture: Image.Image, *, bits: int = 16, white_is_zero: bool = False) -> Image.Image:
    """A picture of mode I;16, I or F -> mode L.

    Whole numbers of 16 bits keep their scale. Others are taken for 0 to 1, to 255 or to 65,535, or stretched between
    the smallest and the largest, by most of the pixels: one that is far off is clipped. NaN becomes the smallest.

    Args:
        picture: Decoded.
        bits: How many bits 16-bit modes really hold, 12 or 16.
        white_is_zero: The smallest number is white.

    Raises:
        Refusal: No number in it is finite.
    """
    low, high = _scale(picture, bits)
    result = Image.new("L", picture.size)
    for top, strip in _strips(picture):
        level = np.nan_to_num(strip, copy=False, nan=low, posinf=high, neginf=low)
        level = np.clip((level - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)
        result.paste(Image.fromarray(255 - level if white_is_zero else level), (0, top))
    return result


def _strips(picture: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, float64 [rows, W]) from top to bottom."""
    width, height = picture.size
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        yield top, np.asarray(strip).astype(np.float64)


def _scale(picture: Image.Image, bits: int) -> tuple[float, float]:
    """What is black and what is white."""
    if picture.mode.startswith("I;"):
        return 0.0, float(2**bits - 1)
    every = max(1, picture.width * picture.height // LOOKED_AT)
    looks = np.concatenate([strip.reshape(-1)[::every] for _, strip in _strips(picture)])
    looks = np.sort(looks[np.isfinite(looks)])
    if not len(looks):
        raise Refusal("holds no number that is finite")
    spared = max(1, len(looks) // SPARED) if len(looks) >= 16 else 0
    low, high = looks[spared], looks[-1 - spared]
    for most in (1.0, 255.0, 65535.0) if picture.mode == "F" else (65535.0,):
        # Resampling leaves a little below 0 and above the top.
        if -0.05 * most <= low <= high <= 1.05 * most and low >= -0.2 * high:
            return 0.0, most
    if high == low:
        low, high = looks[0], looks[-1]
    return (low, high) if high > low else (low, low + max(1.0, abs(low)))
