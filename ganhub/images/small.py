"""Small PNG files of sheets and screenshots, for model folders and documents that are cloned and downloaded often."""

from __future__ import annotations

import io
import math
import os

from PIL import Image
from torch import Tensor

from ganhub.errors import ImageError
from ganhub.files import write_atomically
from ganhub.images.tensors import make_grid, on_white, resize
from ganhub.images.writing import encode_png, to_pil

COLOURS = 256

SHEET_BYTES = 300_000  # the largest sheet of samples of a model folder


def save_sheet(images: Tensor, path: str | os.PathLike[str], *, columns: int | None = None) -> None:
    """`save_grid` for a model folder: a file that would be larger than ``SHEET_BYTES`` is made small.

    Then it has 256 colours, fewer pixels where that is not enough, and white where it was transparent.
    """
    sheet = make_grid(images, columns=columns)
    file = encode_png(sheet)
    if len(file) > SHEET_BYTES:
        file = encode_small_png(on_white(sheet), max_bytes=SHEET_BYTES)
    write_atomically(path, lambda place: place.write_bytes(file))


def encode_small_png(image: Tensor, *, max_bytes: int = SHEET_BYTES) -> bytes:
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
        # Median cut alone loses rare colours: a blue beard turned grey among white ones.
        still = max(1, picture.width * picture.height // 100)  # colours are mended until so few pixels change theirs
        picture = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=still, dither=Image.Dither.NONE)
    picture.save(file, format="PNG", optimize=True)
    return file.getvalue()
