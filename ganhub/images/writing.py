"""Pictures out: PNG, JPEG, WebP, BMP and GIF, each put in place when it is complete."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageCms, PngImagePlugin
from torch import Tensor

from ganhub.errors import ImageError
from ganhub.files import write_atomically
from ganhub.images import provenance
from ganhub.images.provenance import Mark
from ganhub.images.tensors import CHANNELS, make_grid, to_uint8

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}
log = logging.getLogger(__name__)


def to_pil(image: Tensor) -> Image.Image:
    """One image, [C, H, W] or [1, C, H, W] in [-1, 1] -> a Pillow picture of mode L, RGB or RGBA."""
    if image.dim() == 4 and image.shape[0] == 1:
        image = image[0]
    if image.dim() != 3 or image.shape[0] not in CHANNELS or 0 in image.shape:
        shape = list(image.shape)
        raise ImageError(f"One picture is [C, H, W], not {shape}: pick one of a batch, or use make_grid.")
    pixels = to_uint8(image).cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def encode_png(
    image: Tensor, *, metadata: dict[str, str] | None = None, srgb: bool = False, mark: Mark | None = None
) -> bytes:
    """One image as the bytes of a PNG file, unsigned; ``srgb`` as in `save_image`.

    ``metadata``, for example {"seed": "7"}, becomes text chunks (any Unicode); a key has 1 to 79 Latin-1 characters.
    """
    notes = PngImagePlugin.PngInfo()
    for key, text in (metadata or {}).items():
        if not 1 <= len(key) <= 79 or any(ord(letter) > 255 or ord(letter) < 32 for letter in key):
            raise ImageError(f"{key[:90]!r} cannot name a PNG text: use 1 to 79 Latin letters.")
        notes.add_text(key, str(text))
    if mark is not None:
        provenance.png_texts(notes, mark)
    file = io.BytesIO()
    to_pil(image).save(file, format="PNG", pnginfo=notes, **_tag(image, srgb))
    return file.getvalue()


def save_image(
    image: Tensor,
    path: str | os.PathLike[str],
    *,
    metadata: dict[str, str] | None = None,
    srgb: bool = False,
    mark: Mark | None = None,
) -> None:
    """Write one image; the suffix says how: .png (the only one that takes metadata), .jpg, .webp or .bmp.

    ``srgb`` embeds a colour profile that says what viewers assume without one; not in .bmp, nor in grey. ``mark`` says
    how it was made, see `ganhub.images.provenance`; a .bmp cannot hold it, which is logged.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    kind = SUFFIXES.get(suffix)
    if kind is None:
        raise ImageError(f"{path.name} has no suffix of a picture: use .png, .jpg, .webp or .bmp.")
    if metadata and kind != "PNG":
        raise ImageError(f"{path.name} cannot hold metadata: use .png, or leave the metadata out.")
    if mark is not None and suffix not in provenance.MARKED:
        log.warning("%s says nothing of how it was made: a %s file cannot. Use .png, .jpg or .webp.", path.name, suffix)
        mark = None

    def fill(place: Path) -> None:
        if kind == "PNG":
            place.write_bytes(encode_png(image, metadata=metadata, srgb=srgb, mark=mark))
        else:
            _save(image, place, kind, srgb, mark)
        if mark is not None:
            provenance.finish(place, suffix, mark)

    write_atomically(path, fill)


def _save(image: Tensor, place: Path, kind: str, srgb: bool, mark: Mark | None) -> None:
    """Write a JPEG, WebP or BMP."""
    picture = to_pil(image)
    if kind in ("JPEG", "BMP"):  # neither holds transparency that all viewers read
        picture = _on_white(picture)
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "BMP": {}}[kind]
    marked = {} if mark is None else provenance.options(kind, mark)
    picture.save(place, format=kind, **options, **marked, **_tag(image, srgb))


def _tag(image: Tensor, srgb: bool) -> dict[str, bytes]:
    if not srgb or image.shape[-3] == 1:
        return {}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {"icc_profile": profile[:24] + bytes(12) + profile[36:]}  # without the date: the same picture, the same file


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def save_grid(
    images: Tensor, path: str | os.PathLike[str], *, columns: int | None = None, mark: Mark | None = None
) -> None:
    """`make_grid`, written by `save_image`."""
    save_image(make_grid(images, columns=columns), path, mark=mark)


def save_gif(
    frames: Tensor | Iterable[Tensor], path: str | os.PathLike[str], *, fps: float = 12, mark: Mark | None = None
) -> None:
    """Write frames [T, C, H, W], or each [C, H, W], in [-1, 1] as an endless GIF; transparency is laid on white.

    GIF counts hundredths of a second, so ``fps`` (1 to 50) is met as nearly as they allow.
    """
    if not 0 < fps <= 50:
        raise ImageError(f"A GIF shows up to 50 frames a second, not {fps}.")
    pictures = []
    for frame in frames:
        picture = _on_white(to_pil(frame))
        pictures.append(picture if picture.mode == "L" else picture.quantize(256, Image.Quantize.MEDIANCUT))
    options = {"save_all": True, "append_images": pictures[1:], "duration": max(2, round(100 / fps)) * 10, "loop": 0}

    def fill(place: Path) -> None:
        pictures[0].save(place, format="GIF", **options)
        if mark is not None:
            provenance.finish(place, ".gif", mark)

    write_atomically(path, fill)
