"""Pictures in: whatever comes from outside is looked at, decoded within limits, turned upright and brought to sRGB."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import torch
from PIL import Image, ImageCms, ImageColor
from torch import Tensor

from ganhub.errors import ImageError
from ganhub.images import headers
from ganhub.images.depth import to_eight_bits
from ganhub.images.headers import Refusal
from ganhub.images.profiles import to_srgb
from ganhub.images.tensors import MAX_SIDE, from_uint8

Source = str | os.PathLike[str] | bytes | BinaryIO
T = TypeVar("T")

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
MAX_PIXELS = 64 * 1024 * 1024  # 64 megapixels: 192 MB of RGB, the most that one upload may cost
MAX_BYTES = 1 << 30  # of a file
MAX_ONE_BY_ONE = 4_000_000  # numbers, or runs of pixels, that Pillow reads by decoders which are written in Python
CHANNEL_MODES = {1: "L", 3: "RGB", 4: "RGBA"}

_WELCOME = "use PNG, JPEG, WebP, GIF, BMP, TIFF or PPM"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_KNOWN_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", *_TIFF)
_DAMAGED = "is damaged or incomplete: save or download it again."
_ANIMATED = ("GIF", "WEBP", "PNG")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


def open_image(source: Source) -> Image.Image:
    """Decode a picture from outside: upright, 8 bits, sRGB, in mode L, LA, RGB or RGBA.

    The EXIF rotation is applied; an embedded colour profile is converted to sRGB; pixels of 12 bits or more
    are scaled, see `ganhub.images.depth`; palettes and CMYK become RGB; an animation gives its first frame. The source
    is a path, the bytes of a file, or an open binary file, which the picture no longer needs.

    Raises:
        ImageError: Missing, empty, no picture, damaged, of a kind that is not read, above 1 GB, 64 megapixels or 16,384
            pixels a side, or one that would take very long.
    """
    return _with_file(source, _decode)


def is_animated(source: Source) -> bool:
    """Whether a GIF, WebP or PNG has more frames than the one that `open_image` gives; raises ImageError as it does."""
    return look_into(source, lambda picture: picture.format in _ANIMATED and bool(picture.is_animated))


def look_into(source: Source, work: Callable[[Image.Image], T]) -> T:
    """``work`` with a picture whose header is within the limits, before a pixel is decoded.

    Raises:
        ImageError: As `open_image`; also for whatever ``work`` raises.
    """

    def looked(file: BinaryIO, name: str) -> T:
        picture, _ = _opened(file, name)
        try:
            return work(picture)
        except Exception as error:
            raise ImageError(f"{name} {_DAMAGED}") from error

    return _with_file(source, looked)


def _with_file(source: Source, work: Callable[[BinaryIO, str], Any]) -> Any:
    """``work`` with an open file that can be read from any place, and a name for it."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            if not os.path.isfile(path):
                what = "is a folder, not a picture" if os.path.isdir(path) else "does not exist"
                raise ImageError(f"{str(path)[:200]} {what}: give the path of a picture file.")
            with path.open("rb") as file:
                return work(file, path.name)
        except (OSError, ValueError) as error:
            if isinstance(error, ImageError):
                raise
            raise ImageError(f"{str(path)[:200]!r} cannot be read ({error}): check path and permissions.") from error
    if isinstance(source, bytes | bytearray | memoryview):
        return work(io.BytesIO(source), "The picture")
    if not hasattr(source, "read"):
        raise ImageError(f"A picture is a path, bytes or an open binary file, not {type(source).__name__}.")
    name = getattr(source, "name", None)
    name = Path(name).name if isinstance(name, str) and name else "The picture"
    if source.seekable():
        return work(source, name)
    data = source.read(MAX_BYTES + 1)
    return work(io.BytesIO(data if isinstance(data, bytes) else b"?"), name)


def _opened(file: BinaryIO, name: str) -> tuple[Image.Image, headers.Tags]:
    """A picture whose header was read and found to be within the limits, and the tags of a TIFF."""
    origin = file.tell()
    head = file.read(512)
    if not isinstance(head, bytes):
        raise ImageError(f"{name} was opened as text: open it in binary mode ('rb').")
    if not head:
        raise ImageError(f"{name} is empty: choose a file that holds a picture.")
    end = file.seek(0, io.SEEK_END)
    if end - origin > MAX_BYTES:
        raise ImageError(f"{name} has more than {MAX_BYTES >> 30} GB: make it smaller first.")
    file.seek(origin)
    tags, profile = {}, b""
    try:
        if head.startswith(_TIFF):
            tags = headers.read_tags(file)
        elif head.startswith(b"\x89PNG"):
            file, profile = headers.lean_png(file)
        elif head.startswith(b"\xff\xd8"):
            headers.require_few_segments(file)
        elif head.startswith(b"GIF8"):
            headers.require_short_comments(file)
    except Refusal as refusal:
        raise ImageError(f"{name} {_DAMAGED}") from refusal
    if headers.is_misread(tags):
        raise ImageError(_not_read(name, tags))
    try:
        picture = Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has more than 64 megapixels: make it smaller first.") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile headers
        raise ImageError(_not_read(name, tags) if tags else _why_not_a_picture(head, name)) from error
    width, height = picture.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        limit = f"{MAX_SIDE:,} pixels a side and 64 megapixels"
        raise ImageError(f"{name} is {width} x {height} pixels; the limit is {limit}: make it smaller first.")
    if _one_by_one(picture, end - origin) > MAX_ONE_BY_ONE:
        raise ImageError(f"{name} is {width} x {height} pixels that are read one by one: save it as PNG first.")
    if profile:
        picture.info["icc_profile"] = profile
    return picture, tags


def _one_by_one(picture: Image.Image, size: int) -> int:
    """Numbers or runs that a slow decoder reads: of a PPM as text or of an odd scale, of a packed BMP; 0 for others."""
    decoder = picture.tile[0][0] if picture.tile else ""
    if decoder in ("ppm", "ppm_plain"):
        return picture.width * picture.height * len(picture.getbands())
    return size // 2 if decoder == "bmp_rle" else 0


def _decode(file: BinaryIO, name: str) -> Image.Image:
    origin = file.tell()
    picture, tags = _opened(file, name)
    try:
        if picture.format in ("JPEG", "MPO"):
            place = file.tell()
            file.seek(origin)
            headers.require_few_scans(file, picture.width * picture.height)
            file.seek(place)
        picture.load()
        turn = _TURNS.get(_orientation(picture)) if not tags else None  # Pillow turns a TIFF as it loads
        if not picture.mode.startswith("I") and picture.mode != "F":
            return _normalise(picture if turn is None else picture.transpose(turn))
        bits, inverted = max(tags.get(headers.BITS, (16,))), tags.get(headers.PHOTOMETRIC) == (0,)
        grey = to_eight_bits(picture, bits=12 if bits == 12 else 16, white_is_zero=inverted)
        grey.info = picture.info
        return _normalise(grey if turn is None else grey.transpose(turn))
    except Refusal as refusal:
        raise ImageError(f"{name} {refusal}: save it as PNG or JPEG first.") from refusal
    except Exception as error:
        raise ImageError(f"{name} {_DAMAGED}") from error


def _not_read(name: str, tags: headers.Tags) -> str:
    return f"{name} is {headers.kind_of_tiff(tags)}, which cannot be read here: save it as PNG or JPEG first."


def _why_not_a_picture(head: bytes, name: str) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(_KNOWN_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return f"{name} {_DAMAGED}"
    if start.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in start:
        return f"{name} is an SVG drawing, which has no pixels: export it as PNG first."
    if head[4:8] == b"ftyp":
        heic = head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc")
        kind = "a HEIC picture" if heic else "an AVIF picture or a video"
        return f"{name} is {kind}, which cannot be read here: save it as JPEG or PNG first."
    return f"{name} is not a picture that can be read here: {_WELCOME}."


def _orientation(picture: Image.Image) -> int:
    """The picture's orientation, 1 to 8, from its EXIF block or XMP; 1 where neither says."""
    exif = picture.info.get("exif") or b""
    if not exif and isinstance(text := picture.info.get("Raw profile type exif"), str):  # of ImageMagick's PNG
        try:
            exif = bytes.fromhex("".join(text.split("\n")[3:]))
        except ValueError:
            exif = b""
    try:
        tag = headers.read_tags(io.BytesIO(exif.removeprefix(b"Exif\x00\x00"))).get(headers.ORIENTATION)
    except Refusal:  # a broken block says nothing about the pixels
        tag = None
    if tag:
        return tag[0]
    notes = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or b""
    notes = notes.encode("utf-8", "replace") if isinstance(notes, str) else bytes(notes)
    match = re.search(rb'tiff:Orientation(?:="|>)([1-8])', notes)
    return int(match[1]) if match else 1


def _normalise(picture: Image.Image) -> Image.Image:
    """Any Pillow mode -> L, LA, RGB or RGBA in sRGB with 8 bits."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = to_eight_bits(picture)
    elif picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture, profile = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB"), None
    if picture.mode == "La":
        picture = picture.convert("LA")
    grey = picture.mode in ("1", "L", "LA")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")  # resolves palettes and single transparent colours
        if not grey and not profile:
            return picture
        alpha = picture.getchannel("A")
        colours = picture.convert("L" if grey else "RGB")
        colours = to_srgb(colours, profile) if profile else colours
        colours.putalpha(alpha)
        return colours
    if picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode not in ("L", "RGB", "CMYK"):
        picture = picture.convert("RGB")
    if profile:
        picture = to_srgb(picture, profile)
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def is_see_through(picture: Image.Image) -> bool:
    """Whether some pixel of a Pillow picture of any mode is not opaque."""
    return picture.has_transparency_data and _normalise(picture).getchannel("A").getextrema()[0] < 255


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
