"""Marks: what the file of a picture or film says of how it was made, in the ways that other programs read.

A mark is two things. Its text is one line of JSON, for whoever wants to make the picture once more. Its source is a
term of IPTC's Digital Source Type, in an XMP packet, for whoever wants to know whether it was generated.

=======  ======================  ========================================
file     the text                the XMP packet
=======  ======================  ========================================
.png     tEXt chunk "ganhub"     iTXt chunk "XML:com.adobe.xmp"
.jpg     EXIF, UserComment       APP1 segment
.webp    EXIF, UserComment       chunk "XMP "
.gif     comment                 application extension "XMP Data"
.mp4     tag "comment"           box "uuid" at the end
.webm    tag "comment"           none; the term is a tag of its own
=======  ======================  ========================================

A .bmp holds neither. XMP is written and never read. ``docs/provenance.md`` says what a mark can promise.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL import ExifTags, Image, PngImagePlugin

from ganhub._version import __version__
from ganhub.errors import ConfigError, ImageError
from ganhub.images import codec, credentials
from ganhub.images.headers import palette_size

KEY = "ganhub"  # of the text, in a PNG
TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED, COMPOSITE, ENHANCED = (
    "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicallyEnhanced",
)  # fmt: skip
MAX_TEXT = 60_000  # bytes: a JPEG's EXIF holds 65,533
SWITCH = "GANHUB_MARKS"
MARKED = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".webm")
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # its uuid, by Adobe's XMP specification, part 3
_COMMENT_CODE = b"ASCII\0\0\0"  # how EXIF says which letters a comment has
_NO_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd]")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mark:
    """What a file shall say.

    Attributes:
        text: One line of JSON in ASCII, at most 60,000 letters; "" for none.
        source: A term of IPTC's Digital Source Type, such as :data:`GENERATED`.
        system: Which AI made it, in words.
    """

    text: str
    source: str
    system: str = "ganhub"

    def __post_init__(self) -> None:
        if self.source not in (GENERATED, COMPOSITE, ENHANCED):
            raise ConfigError(f"{self.source!r} is not a digital source type that is used here: use {GENERATED}.")
        if not (self.text.isascii() and self.text.isprintable()):
            raise ConfigError("The text of a mark is one line of ASCII.")
        if len(self.text) > MAX_TEXT:
            raise ImageError(
                f"What made this takes {len(self.text):,} letters, and a file holds {MAX_TEXT:,} of them: ask for "
                f"fewer labels or seeds, or switch marks off ({SWITCH}=0)."
            )


def are_on() -> bool:
    """Whether files are marked: unless ``$GANHUB_MARKS`` is 0. That they are not is logged, once.

    Raises:
        ConfigError: The variable says something else.
    """
    value = os.environ.get(SWITCH, "").strip().lower()
    if value not in ("", "1", "on", "0", "off"):
        raise ConfigError(f"${SWITCH} is 1 or 0, not {value[:40]!r}.")
    if value in ("0", "off"):
        _say_off()
        return False
    return True


@functools.cache
def _say_off() -> None:
    log.warning("Marks are off (%s=0): files do not say that they were generated, nor how.", SWITCH)


def bare(source: str) -> Mark | None:
    """A mark that says whether a file was generated, and not how; None where marks are switched off."""
    return Mark("", source) if are_on() else None


def xmp(mark: Mark) -> bytes:
    """The XMP packet of a mark, in UTF-8."""
    words = {
        "xmp:CreatorTool": f"ganhub {__version__}",
        "Iptc4xmpExt:DigitalSourceType": TERMS + mark.source,
        "Iptc4xmpExt:AISystemUsed": mark.system,
        "Iptc4xmpExt:AISystemVersionUsed": __version__,
    }
    fields = " ".join(f"{name}={quoteattr(_NO_XML.sub('?', value))}" for name, value in words.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {fields}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


# --- Writing: what Pillow and PyAV are given, and what is put into a file that they have written


def png_texts(notes: PngImagePlugin.PngInfo, mark: Mark) -> None:
    """Add a mark to the texts of a PNG."""
    notes.add_text("Software", f"ganhub {__version__}")
    if mark.text:
        notes.add_text(KEY, mark.text)
    notes.add_itxt("XML:com.adobe.xmp", xmp(mark).decode())


def options(kind: str, mark: Mark) -> dict[str, bytes]:
    """What Pillow's ``save`` takes for a mark in a JPEG or WebP; nothing for another kind."""
    if kind not in ("JPEG", "WEBP"):
        return {}
    exif, packet = Image.Exif(), xmp(mark)
    exif[ExifTags.Base.Software] = f"ganhub {__version__}"
    if mark.text:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _COMMENT_CODE + mark.text.encode()
    if kind == "WEBP":
        return {"exif": exif.tobytes(), "xmp": packet}
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet  # older Pillow takes no XMP for a JPEG
    return {"exif": exif.tobytes(), "extra": struct.pack(">2sH", b"\xff\xe1", len(body) + 2) + body}


def tags(suffix: str, mark: Mark) -> dict[str, str]:
    """Tags of a film's container."""
    named = {"DIGITAL_SOURCE_TYPE": TERMS + mark.source} if suffix == ".webm" else {}
    return {"comment": mark.text, **named}


def finish(path: Path, suffix: str, mark: Mark) -> None:
    """Put into a written file what its encoder could not; sign it where a certificate is configured.

    Raises:
        GanhubError: A certificate is configured, and cannot be used.
    """
    if suffix == ".gif":
        path.write_bytes(_marked_gif(path.read_bytes(), mark))
    elif suffix == ".mp4":
        packet = xmp(mark)
        with path.open("ab") as file:
            file.write(struct.pack(">I4s", 24 + len(packet), b"uuid") + _XMP_BOX + packet)
    sign(path, suffix, mark)


def sign(path: Path, suffix: str, mark: Mark | None) -> None:
    """Sign a file whose mark is in it, where a certificate is configured; GanhubError where it cannot be used."""
    if mark is not None:
        credentials.sign_file(path, suffix, mark.text, TERMS + mark.source)


def _marked_gif(data: bytes, mark: Mark) -> bytes:
    start = 13 + palette_size(data[10:11])
    text = mark.text.encode()
    blocks = [text[at : at + 255] for at in range(0, len(text), 255)]
    comment = b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    # A reader that knows no XMP takes its letters for lengths of blocks; wherever it ends, the numbers lead it out.
    packet = b"!\xff\x0bXMP DataXMP" + xmp(mark) + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    return b"GIF89a" + data[6:start] + comment + packet + data[start:]


# --- Reading


def read_text(source: codec.Source) -> str:
    """The text of a picture's mark, or what stands in its place; "" where nothing does.

    Anybody can write anything there. It is at most 1 MB long.

    Raises:
        ImageError: As :func:`ganhub.images.open_image`; of the pixels nothing is read.
    """
    return codec.look_into(source, _text)


def read_texts(source: codec.Source) -> dict[str, str]:
    """The texts of a PNG that belong to no mark, by their names; nothing of other pictures."""
    ours = (KEY, "Software", "XML:com.adobe.xmp")

    def texts(picture: Image.Image) -> dict[str, str]:
        named = picture.info.items() if picture.format == "PNG" else ()
        return {name: str(text) for name, text in named if isinstance(text, str) and name not in ours}

    return codec.look_into(source, texts)


def _text(picture: Image.Image) -> str:
    text: Any = ""
    if picture.format == "PNG":
        text = picture.info.get(KEY, "")
    elif picture.format == "GIF":
        text = picture.info.get("comment", b"")
    elif picture.format in ("JPEG", "MPO", "WEBP"):
        text = picture.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
        text = text.removeprefix(_COMMENT_CODE) if isinstance(text, bytes) else text
    text = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
    return text if len(text) <= 1 << 20 else ""
