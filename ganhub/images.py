"""Pictures in and out: the only place that knows Pillow and 8-bit pixels.

Inside ganhub an image is a float32 tensor [N, C, H, W] in [-1, 1] with C = 1 (grey), 3 (RGB) or
4 (RGB and straight alpha). Whatever comes from outside passes through `open_image`, which trusts nothing:
a short list of formats, limits checked from the header before a pixel is decoded, one sentence per refusal.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageCms, ImageColor, ImageOps, PngImagePlugin
from torch import Tensor
from torch.nn import functional as F

from ganhub.errors import ImageError
from ganhub.files import put_in_place, sweep_once

Source = str | os.PathLike[str] | bytes | BinaryIO

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
MAX_PIXELS = 64 * 1024 * 1024  # 64 megapixels: 192 MB of RGB, the most that one upload may cost
MAX_SIDE = 16_384
CHANNEL_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}

_WELCOME = "use PNG, JPEG, WebP, GIF, BMP, TIFF or PPM"
_KNOWN_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")


# ---- reading


def open_image(source: Source) -> Image.Image:
    """Decode a picture from outside: upright, 8 bits, sRGB, in mode L, LA, RGB or RGBA.

    The EXIF rotation is applied; an embedded colour profile is converted to sRGB; pixels of 16 bits or more
    are scaled, never clipped; palettes and CMYK become RGB; an animation gives its first frame. The source is a
    path, the bytes of a file, or an open binary file, which the picture no longer needs.

    Raises:
        ImageError: Missing, empty, no picture, damaged, above 64 megapixels or above 16,384 pixels a side.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            if not path.is_file():
                what = "is a folder, not a picture" if path.is_dir() else "does not exist"
                raise ImageError(f"{path} {what}: give the path of a picture file.")
            with path.open("rb") as file:
                return _decode(file, path.name)
        except (OSError, ValueError) as error:
            if isinstance(error, ImageError):
                raise
            raise ImageError(f"{path} cannot be read ({error}): check path and permissions.") from error
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(io.BytesIO(source), "The picture")
    if not hasattr(source, "read"):
        raise ImageError(f"A picture is a path, bytes or an open binary file, not {type(source).__name__}.")
    name = getattr(source, "name", None)
    name = Path(name).name if isinstance(name, str) and name else "The picture"
    return _decode(source if source.seekable() else io.BytesIO(source.read()), name)


def _decode(file: BinaryIO, name: str) -> Image.Image:
    origin = file.tell()
    head = file.read(512)
    file.seek(origin)
    if not isinstance(head, bytes):
        raise ImageError(f"{name} was opened as text: open it in binary mode ('rb').")
    if not head:
        raise ImageError(f"{name} is empty: choose a file that holds a picture.")
    try:
        picture = Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has more than 64 megapixels: make it smaller first.") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile headers
        raise ImageError(_why_not_a_picture(head, name)) from error
    width, height = picture.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        limit = f"{MAX_SIDE:,} pixels a side and 64 megapixels"
        raise ImageError(f"{name} is {width} x {height} pixels; the limit is {limit}: make it smaller first.")
    try:
        picture.load()
        return _normalise(_upright(picture))
    except Exception as error:
        raise ImageError(f"{name} is damaged or incomplete: save or download it again.") from error


def _why_not_a_picture(head: bytes, name: str) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(_KNOWN_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return f"{name} is damaged or incomplete: save or download it again."
    if start.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in start:
        return f"{name} is an SVG drawing, which has no pixels: export it as PNG first."
    if head[4:8] == b"ftyp":
        heic = head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc")
        kind = "a HEIC picture" if heic else "an AVIF picture or a video"
        return f"{name} is {kind}, which cannot be read here: save it as JPEG or PNG first."
    return f"{name} is not a picture that can be read here: {_WELCOME}."


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # a broken EXIF block says nothing about the pixels
        return picture


def _normalise(picture: Image.Image) -> Image.Image:
    """Any Pillow mode -> L, LA, RGB or RGBA in sRGB with 8 bits."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _to_eight_bits(picture)
    elif picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture, profile = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB"), None
    if picture.mode == "La":
        picture = picture.convert("LA")
    grey = picture.mode in ("1", "L", "LA")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")  # resolves palettes and single transparent colours
        if profile:
            alpha = picture.getchannel("A")
            picture = _to_srgb(picture.convert("RGB"), profile)
            picture.putalpha(alpha)
        elif grey:
            picture = picture.convert("LA")
        return picture
    if picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode not in ("L", "RGB", "CMYK"):
        picture = picture.convert("RGB")
    if profile:
        picture = _to_srgb(picture, profile)
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    """Pixels of 16 bits, 32 bits or floating point -> mode L, by the scale that the numbers suggest."""
    numbers = np.nan_to_num(np.asarray(picture).astype(np.float64))
    low, high = float(numbers.min()), float(numbers.max())
    if picture.mode == "F" and low >= 0 and high <= 1:
        scale = 1.0
    elif picture.mode == "F" and low >= 0 and high <= 255:
        scale = 255.0
    elif low >= 0 and high <= 65535:
        scale = 65535.0
    else:  # no common scale: stretch what is there
        numbers, scale = numbers - low, max(high - low, 1.0)
    return Image.fromarray(np.round(numbers / scale * 255).astype(np.uint8))


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if picture.mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
            return picture
        srgb = ImageCms.createProfile("sRGB")
        mode = "L" if picture.mode == "L" else "RGB"
        return ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB").convert(mode)
    except Exception:  # a broken profile, or one for another colour space: the pixels are still good
        return picture


def from_pil(picture: Image.Image, *, channels: int = 3, background: str = "white") -> Tensor:
    """A Pillow picture of any mode -> [1, channels, H, W] in [-1, 1].

    Args:
        picture: Any mode that Pillow knows.
        channels: 1, 3 or 4. With 1 and 3, transparency is composited on ``background``; with 4 it is kept.
        background: A colour name or "#rrggbb".
    """
    if channels not in CHANNEL_MODES:
        raise ImageError(f"channels must be 1, 3 or 4, not {channels!r}.")
    picture = _normalise(picture)
    if channels != 4 and picture.mode in ("LA", "RGBA"):
        try:
            colour = ImageColor.getcolor(background, "RGBA")
        except (ValueError, AttributeError) as error:
            raise ImageError(f"{background!r} is no colour: use 'white', '#rrggbb' or the like.") from error
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, colour), picture.convert("RGBA"))
    picture = picture.convert(CHANNEL_MODES[channels])
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return from_uint8(pixels.view(1, picture.height, picture.width, channels).permute(0, 3, 1, 2))


def load_image(
    source: Source | Image.Image, *, channels: int = 3, background: str = "white", max_side: int | None = None
) -> Tensor:
    """`open_image`, unless that was done, then `from_pil`: [1, channels, H, W] in [-1, 1].

    ``max_side`` shrinks, antialiased, until no side is longer; it never enlarges.
    """
    picture = source if isinstance(source, Image.Image) else open_image(source)
    if max_side is not None:
        if max_side < 1:
            raise ImageError(f"max_side must be at least 1 pixel, not {max_side}.")
        longest = max(picture.size)
        if longest > max_side:  # in 8 bits, before a large photo becomes a tensor four times its size
            size = tuple(max(1, round(side * max_side / longest)) for side in picture.size)
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return from_pil(picture, channels=channels, background=background)


# ---- numbers


def from_uint8(images: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [-1, 1]; `to_uint8` gives the same bytes back."""
    return (images.to(torch.float32) / 127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Floats in [-1, 1] -> uint8, rounded and clamped; NaN becomes mid grey."""
    scaled = images.detach().float().nan_to_num(nan=0.0).add_(1.0).mul_(127.5)  # in place: photos are large
    return scaled.round_().clamp_(0, 255).to(torch.uint8)


def to_pil(image: Tensor) -> Image.Image:
    """One image, [C, H, W] or [1, C, H, W] in [-1, 1] -> a Pillow picture of mode L, RGB or RGBA."""
    if image.dim() == 4 and image.shape[0] == 1:
        image = image[0]
    if image.dim() != 3 or image.shape[0] not in CHANNEL_MODES or 0 in image.shape:
        shape = list(image.shape)
        raise ImageError(f"One picture is [C, H, W], not {shape}: pick one of a batch, or use make_grid.")
    pixels = to_uint8(image).cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _check(images: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] not in CHANNEL_MODES or 0 in images.shape:
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


# ---- writing


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a file beside ``path``, then rename it: a reader sees the old one or the new one.

    Folders on the way are made. Raises ImageError when the disk is full or the place cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(path.parent)
        put_in_place({path: write})
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageError(f"{path} cannot be written ({reason}): free space or change the place.") from error
    return path


def encode_png(image: Tensor, *, metadata: dict[str, str] | None = None, srgb: bool = False) -> bytes:
    """One image as the bytes of a PNG file; ``srgb`` as in `save_image`.

    ``metadata``, for example {"seed": "7"}, becomes text chunks (any Unicode); a key has 1 to 79 Latin-1 characters.
    """
    notes = PngImagePlugin.PngInfo()
    for key, text in (metadata or {}).items():
        if not 1 <= len(key) <= 79 or any(ord(letter) > 255 or ord(letter) < 32 for letter in key):
            raise ImageError(f"{key[:90]!r} cannot name a PNG text: use 1 to 79 Latin letters.")
        notes.add_text(key, str(text))
    file = io.BytesIO()
    to_pil(image).save(file, format="PNG", pnginfo=notes, **_tag(image, srgb))
    return file.getvalue()


def save_image(
    image: Tensor, path: str | os.PathLike[str], *, metadata: dict[str, str] | None = None, srgb: bool = False
) -> None:
    """Write one image; the suffix says how: .png (the only one that takes metadata), .jpg, .webp or .bmp.

    ``srgb`` embeds a colour profile that says what viewers assume without one; not in .bmp, nor in grey.
    """
    path = Path(path)
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ImageError(f"{path.name} has no suffix of a picture: use .png, .jpg, .webp or .bmp.")
    if kind == "PNG":
        data = encode_png(image, metadata=metadata, srgb=srgb)
        write_atomically(path, lambda place: place.write_bytes(data))
        return
    if metadata:
        raise ImageError(f"{path.name} cannot hold metadata: use .png, or leave the metadata out.")
    picture = to_pil(image)
    if kind in ("JPEG", "BMP"):  # neither holds transparency that all viewers read
        picture = _on_white(picture)
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "BMP": {}}[kind]
    write_atomically(path, lambda place: picture.save(place, format=kind, **options, **_tag(image, srgb)))


def _tag(image: Tensor, srgb: bool) -> dict[str, bytes]:
    if not srgb or image.shape[-3] == 1:
        return {}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {"icc_profile": profile[:24] + bytes(12) + profile[36:]}  # without the date: the same picture, the same file


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def save_grid(images: Tensor, path: str | os.PathLike[str], *, columns: int | None = None) -> None:
    """`make_grid`, written by `save_image`."""
    save_image(make_grid(images, columns=columns), path)


def save_gif(frames: Tensor | Iterable[Tensor], path: str | os.PathLike[str], *, fps: float = 12) -> None:
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
    write_atomically(path, lambda place: pictures[0].save(place, format="GIF", **options))
