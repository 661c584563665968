"""A look at a picture's file before Pillow opens it: what would cost much, and what Pillow misreads or refuses.

Only the structure is read, never a pixel: chunks of PNG, scans of JPEG, the first directory of TIFF and EXIF.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

MAX_TEXT = 1 << 20  # bytes of one text in a PNG, unpacked; longer ones are passed over
MAX_TEXTS = 16 << 20  # bytes of all of them
MAX_PROFILE = 16 << 20  # bytes of a colour profile, unpacked; those of printers have a few million
MAX_CHUNKS = 500_000  # of a PNG
MAX_SCANNED = 1 << 30  # scans of a JPEG times its pixels: 16 scans of 64 megapixels; usual are 10
MAX_TAGS = 256 << 20  # bytes of a TIFF's tags together
MAX_SEGMENTS = 20_000  # of a JPEG before its pixels, bytes that fill the gaps counted in; a long profile has 255
MAX_COMMENTS = 256 << 10  # bytes of a GIF's comments; Pillow joins them block by block, in quadratic time
COMMENT = 64  # bytes that one more comment counts as
MAX_BLOCKS = 1 << 20  # of a GIF up to its second frame: 256 MB
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # TIFF's kinds that are read, and how struct calls them
_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)  # bytes of each kind
Tags = dict[int, tuple[int, ...]]


class Refusal(Exception):
    """What is wrong with a picture, in words that follow its name."""


def lean_png(file: BinaryIO) -> tuple[BinaryIO, bytes]:
    """A PNG without the texts that are too long to be kept, and without its colour profile, which comes beside it.

    Pillow refuses a whole picture for one of them above 1 MB. ``file`` stands at its beginning, and stands there again.
    """
    start, kept, profile, left, dropped = file.tell(), [], b"", MAX_TEXTS, False
    place = start + 8
    for _ in range(MAX_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        end = place + length + 12
        if kind == b"iCCP" and length < MAX_PROFILE:
            packed = file.read(length).partition(b"\0")[2][1:]
            profile, keep = _unpacked(packed, MAX_PROFILE) or b"", False
        elif kind in _TEXTS:
            size = _text_size(kind, file.read(length)) if length <= MAX_TEXT else MAX_TEXT + 1
            keep = size <= min(MAX_TEXT, left)
            left -= size if keep else 0
        else:
            keep = kind != b"iCCP"
        dropped |= not keep
        if keep and kept and kept[-1][1] == place:
            kept[-1] = (kept[-1][0], end)
        elif keep:
            kept.append((place, end))
        place = end
    else:
        raise Refusal("has more chunks than a PNG of its size needs")
    file.seek(start)
    if not dropped:
        return file, b""
    lean = io.BytesIO(file.read(8))
    lean.seek(8)
    for place, end in kept:
        file.seek(place)
        lean.write(file.read(end - place))
    file.seek(start)
    lean.seek(0)
    return lean, profile


def _text_size(kind: bytes, body: bytes) -> int:
    """Bytes of a text once it is unpacked; above the limit, just any number above it."""
    if kind == b"tEXt":
        return len(body)
    rest = body.partition(b"\0")[2]
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        if not packed:
            return len(body)
    else:
        rest = rest[1:]
    unpacked = _unpacked(rest, MAX_TEXT)
    return MAX_TEXT + 1 if unpacked is None else len(unpacked)


def _unpacked(data: bytes, most: int) -> bytes | None:
    """None where it is longer than ``most``; of what is damaged, as much as there is."""
    unpacker = zlib.decompressobj()
    try:
        result = unpacker.decompress(data, most)
    except zlib.error:
        return b""
    return None if unpacker.unconsumed_tail or not unpacker.eof and len(result) >= most else result


def require_few_scans(file: BinaryIO, pixels: int) -> None:
    """Raise Refusal for a JPEG that paints its picture more often than any camera would: each scan costs its size.

    ``file`` stands at its beginning, and stands there again.
    """
    start, scans, before = file.tell(), 0, b""
    while block := file.read(1 << 20):
        scans += (before + block).count(b"\xff\xda")
        before = block[-1:] if block[-1:] == b"\xff" else b""
        if scans * pixels > MAX_SCANNED and scans > 1:
            raise Refusal("is painted in so many scans that it takes very long")
    file.seek(start)


def require_few_segments(file: BinaryIO) -> None:
    """Raise Refusal for a JPEG with very many parts, or bytes between them, before its pixels: Pillow keeps each part.

    ``file`` stands at its beginning, and stands there again.
    """
    start = file.tell()
    place = start + 2
    for _ in range(MAX_SEGMENTS):
        file.seek(place)
        head = file.read(4)
        if len(head) < 4 or head[:2] == b"\xff\xda":
            break
        bare = head[1] in (0x00, 0x01, 0xFF) or 0xD0 <= head[1] <= 0xD9
        place += 1 if head[0] != 0xFF or bare else 2 + max(2, int.from_bytes(head[2:], "big"))
    else:
        raise Refusal("has more parts than a JPEG needs")
    file.seek(start)


def require_short_comments(file: BinaryIO) -> None:
    """Raise Refusal for a GIF with long or many comments, or very many blocks, before its second frame.

    ``file`` stands at its beginning, and stands there again.
    """
    start, begun, comments, in_comment = file.tell(), False, 0, False
    screen = file.read(13)
    place = start + 13 + palette_size(screen[10:11])
    inside = False  # an extension or a frame, whose blocks follow
    for _ in range(MAX_BLOCKS):
        file.seek(place)
        head = file.read(10)
        if not head or (not inside and (head[:1] == b";" or (head[:1] == b"," and begun))):
            break
        if inside:
            inside, place = head[0] > 0, place + 1 + head[0]
            comments += head[0] if in_comment else 0
        elif head[:1] == b"!":
            inside, in_comment, place = True, head[1:2] == b"\xfe", place + 2
            comments += COMMENT if in_comment else 0
        elif head[:1] == b",":
            inside, in_comment, begun, place = True, False, True, place + 11 + palette_size(head[9:10])
        else:
            place += 1
        if comments > MAX_COMMENTS:
            raise Refusal("has longer comments than a GIF needs")
    else:
        raise Refusal("has more blocks than a GIF needs")
    file.seek(start)


def palette_size(flags: bytes) -> int:
    """Bytes of a GIF's palette, by the byte of flags that says how long it is, or 0."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 128 else 0


def read_tags(file: BinaryIO) -> Tags:
    """Whole numbers of the first directory of a TIFF, or of an EXIF block, up to 16 of each tag.

    ``file`` stands at its beginning, and stands there again.

    Raises:
        Refusal: No such directory, or tags that claim more bytes than the file has.
    """
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start

    def read(place: int, form: str) -> tuple[int, ...]:
        file.seek(start + place)
        return struct.unpack(order + form, file.read(struct.calcsize(order + form)))

    tags: Tags = {}
    try:
        file.seek(start)
        head = file.read(8)
        order = {b"II": "<", b"MM": ">"}[head[:2]]
        large = struct.unpack(order + "H", head[2:4])[0] == 43  # BigTIFF: every number twice as long
        number, counted, room = ("Q", "Q", 8) if large else ("I", "H", 4)
        (at,) = read(8 if large else 4, number)
        (entries,) = read(at, counted)
        claimed, step = 0, 4 + 2 * room
        for place in range(entries):
            entry = at + struct.calcsize(order + counted) + place * step
            tag, kind, count = read(entry, f"HH{number}")
            bytes_of = (_SIZES[kind] if kind < len(_SIZES) else 0) * count
            claimed += bytes_of
            if claimed > min(size, MAX_TAGS):
                raise Refusal("claims more than its file holds")
            if kind in _WHOLE_NUMBERS and 0 < count <= 16:
                value = entry + 4 + room if bytes_of <= room else read(entry + 4 + room, number)[0]
                tags[tag] = read(value, f"{count}{_WHOLE_NUMBERS[kind]}")
    except (KeyError, struct.error, OverflowError, ValueError, OSError) as error:
        raise Refusal("has no directory of tags") from error
    finally:
        file.seek(start)
    return tags


BITS, PHOTOMETRIC, ORIENTATION, SAMPLES, PLANES, FORMAT = 258, 262, 274, 277, 284, 339
_KINDS = {2: " (signed whole numbers)", 3: " (floating-point numbers)", 5: " (complex numbers)"}


def kind_of_tiff(tags: Tags) -> str:
    """In words: "a TIFF of 3 channels of 32 bits (floating-point numbers) in separate planes"."""
    bits, samples = max(tags.get(BITS, (1,))), tags.get(SAMPLES, (1,))[0]
    kind, planes = _KINDS.get(tags.get(FORMAT, (1,))[0], ""), " in separate planes" if is_planar(tags) else ""
    return f"a TIFF of {samples} channel{'s' * (samples != 1)} of {bits} bits{kind}{planes}"


def is_planar(tags: Tags) -> bool:
    """Whether a TIFF of several channels holds one after the other."""
    return tags.get(PLANES) == (2,) and tags.get(SAMPLES, (1,))[0] > 1


def is_misread(tags: Tags) -> bool:
    """Whether Pillow opens this TIFF as something else: planes of more than 8 bits as if they were interleaved."""
    return is_planar(tags) and max(tags.get(BITS, (1,))) > 8
