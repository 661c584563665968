"""Small PNG files of sheets and screenshots, for model folders and documents that are cloned and downloaded often."""

from __future__ import annotations

import io
import math

from PIL import Image
from torch import Tensor

from ganhub.errors import ImageError
from ganhub.images.tensors import resize
from ganhub.images.writing import to_pil

COLOURS = 256


def encode_small_png(image: Tensor, *, max_bytes: int = 300_000) -> bytes:
    """One picture as a PNG file with a palette of at most 256 colours, shrunk where it would be larger than asked.

    A picture that has no more colours than that keeps each of them, and a grey one its levels. Transparency is laid
    on nothing: a picture with alpha is refused.

    Args:
        image: [C, H, W] or [1, C, H, W] in [-1, 1], C = 1 or 3.
        max_bytes: The largest file, in bytes; 1,000 or more.

    Raises:
        ImageError: The picture has alpha, or ``max_bytes`` is smaller than a palette and its picture can be.
    """
    image = image if image.dim() == 4 else image[None]
    if image.shape[1] == 4:
        raise ImageError("A small PNG has no transparency: lay the picture on a colour first.")
    if max_bytes < 1000:
        raise ImageError(f"A PNG of {max_bytes} bytes is too small for a palette: allow 1,000 or more.")
    shown = image
    while len(file := _encode(shown)) > max_bytes:
        height, width = shown.shape[-2:]
        factor = min(0.97, math.sqrt(max_bytes / len(file)))
        shown = resize(image, (max(1, int(height * factor)), max(1, int(width * factor))))
    return file


def _encode(image: Tensor) -> bytes:
    picture, file = to_pil(image), io.BytesIO()
    if picture.mode == "RGB":
        picture = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    picture.save(file, format="PNG", optimize=True)
    return file.getvalue()
