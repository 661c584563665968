"""A tray: results that are kept together in one zip, with their pictures, their Creations and a contact sheet.

The zip holds ``tray.json`` (version, and for each result its Creation, star, note and the names of its files),
``contact-sheet.png`` and the files themselves under ``pictures/``. It is read in memory, within bounds; no name in it
ever becomes a path.
"""

from __future__ import annotations

import json
import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganhub import images
from ganhub.creation._base import Creation
from ganhub.errors import ConfigError, GanhubError
from ganhub.files import parse_json, write_atomically
from ganhub.images.lettering import Line, blank, with_text

VERSION = 1
MOST = 100  # results
MOST_FILES = 64  # of one result
MAX_NOTE = 200  # letters
MAX_TABLE = 2_000_000  # bytes of tray.json
MAX_FILE = 32_000_000  # bytes of one picture once unpacked
MAX_ALL = 128_000_000  # of all that are read
FILE = re.compile(r"pictures/[A-Za-z0-9_][A-Za-z0-9._-]{0,150}\.(?:png|webp|jpg|mp4|gif|webm)")
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError, MemoryError,
           struct.error, NotImplementedError)  # fmt: skip
NO_TRAY = "This zip is no tray of ganhub: choose one that was saved with 'Download all'."
BROKEN = "This zip is damaged, so nothing was taken from it: save it once more with 'Download all'."
NEWER = "This zip was saved by a newer version of ganhub: bring this one up to date."
TOO_LARGE = "This zip unfolds to more than a tray holds, so nothing was taken from it."

PAPER, INK, GREY = (250, 249, 246), (41, 39, 36), (120, 115, 106)
CELL, GAP, TEXT = 200, 16, 40  # pixels of the contact sheet


@dataclass(frozen=True)
class Kept:
    """One result.

    Attributes:
        creation: What was asked for.
        files: (suffix such as ".png", bytes) of its pictures, and of its film.
        star: Whether it is a favourite.
        note: What its owner wrote about it; what is longer than ``MAX_NOTE`` is cut.
    """

    creation: Creation
    files: Sequence[tuple[str, bytes]] = field(default=())
    star: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        whole = self.note[:MAX_NOTE].encode("utf-8", "ignore").decode()  # a browser may cut an emoji in half
        object.__setattr__(self, "note", whole)


def in_words(creation: Creation) -> str:
    """What a Creation is, in few words: "stylegan2-heroes, seeds 0 to 23"."""
    fields, parts = creation.to_dict(), list(creation.models())
    if fields.get("photo"):
        parts.append("your photo")
    elif fields.get("seeds"):
        parts.append("seeds " + ", ".join(map(str, fields["seeds"])))
    elif "seed" in fields:
        last = fields["seed"] + fields.get("count", 1) - 1
        parts.append(f"seed {last}" if last == fields["seed"] else f"seeds {fields['seed']} to {last}")
    if fields.get("likeness"):
        parts.append(f"near seed {fields['around']}")
    names = [name for name, _ in fields.get("styles", ()) if len(name) < 64]
    labels = [str(label) for label in fields.get("labels", ()) if label != ""]  # "" of a pin: that of the film
    return ", ".join([*parts, *names[:2], *labels[:3]])


def file_stem(creation: Creation) -> str:
    """The same as the beginning of a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", in_words(creation)).strip("-")[:80] or "picture"


# ---- writing


def write_tray(path: Path, kept: Sequence[Kept]) -> None:
    """Write results as a zip; FileError where there is no room."""

    def fill(place: Path) -> None:
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            rows = []
            for number, one in enumerate(kept, 1):
                names = []
                for part, (suffix, data) in enumerate(one.files, 1):
                    more = f"-{part:02d}" if len(one.files) > 1 else ""
                    names.append(f"pictures/{number:03d}-{file_stem(one.creation)}{more}{suffix}")
                    archive.writestr(zipfile.ZipInfo(names[-1]), data)  # packed already
                rows.append({"creation": one.creation.to_dict(), "star": one.star, "note": one.note, "files": names})
            table = {"ganhub_tray": VERSION, "results": rows}
            archive.writestr("tray.json", json.dumps(table, indent=1, ensure_ascii=False))
            archive.writestr(zipfile.ZipInfo("contact-sheet.png"), images.encode_png(contact_sheet(kept)))

    write_atomically(path, fill)


def contact_sheet(kept: Sequence[Kept]) -> Tensor:
    """The first picture of each result with what it is under it, [1, 3, H, W]."""
    columns = min(6, max(1, math.ceil(math.sqrt(len(kept)))))
    rows = max(1, math.ceil(len(kept) / columns))
    sheet = blank(rows * (CELL + TEXT + GAP) + GAP, max(2, columns) * (CELL + GAP) + GAP, PAPER)
    lines = []
    for place, one in enumerate(kept):
        x, y = GAP + place % columns * (CELL + GAP), GAP + place // columns * (CELL + TEXT + GAP)
        picture = first_picture(one.files)
        if picture is None:
            lines.append(Line("no picture here", x + 50, y + CELL // 2, 13, GREY, CELL - 60))
        else:
            height, width = picture.shape[-2:]
            picture = picture.expand(-1, 3, -1, -1)
            top, left = y + (CELL - height) // 2, x + (CELL - width) // 2
            sheet[..., top : top + height, left : left + width] = picture
        star = "* " if one.star else ""
        lines.append(Line(star + in_words(one.creation), x, y + CELL + 4, 13, INK, CELL))
        lines.append(Line(one.note, x, y + CELL + 21, 12, GREY, CELL))
    return with_text(sheet, lines)


def first_picture(files: Sequence[tuple[str, bytes]]) -> Tensor | None:
    """The picture, or the first four in a square, in a cell of the sheet, [1, C, h, w]; None without one."""
    packed = [data for suffix, data in files if suffix in (".png", ".webp", ".jpg")]
    try:
        pictures = [images.load_image(data, max_side=4 * CELL) for data in packed[: 4 if len(packed) > 3 else 1]]
    except GanhubError:
        return None
    if not pictures:
        return None
    same = all(one.shape == pictures[0].shape for one in pictures)
    picture = images.make_grid(torch.cat(pictures), columns=2) if same else pictures[0]
    height, width = picture.shape[-2:]
    scale = CELL / max(height, width)
    if scale >= 2:
        return images.enlarge(picture, int(scale))
    return images.resize(picture, (max(1, round(height * scale)), max(1, round(width * scale)))).clamp(-1, 1)


# ---- reading


def read_tray(path: Path) -> list[Kept]:
    """The results of a zip, each with its first picture (others are not unpacked).

    Raises:
        ConfigError: No tray, a damaged one, one of a newer version, or one that unfolds to more than a tray holds.
    """
    try:
        if not 0 < _entries(path) <= MOST * MOST_FILES + 2 or not zipfile.is_zipfile(path):
            raise ConfigError(NO_TRAY)
        with zipfile.ZipFile(path) as archive:
            if "tray.json" not in archive.namelist():
                raise ConfigError(NO_TRAY)
            table = parse_json(_read(archive, "tray.json", MAX_TABLE), longest=10_000)
            rows, left, kept = _rows(table), MAX_ALL, []
            for row in rows:
                files = _first(archive, row.get("files"), min(left, MAX_FILE))
                left -= sum(len(data) for _, data in files)
                kept.append(_kept(row, files))
            return kept
    except GanhubError:
        raise
    except DAMAGED as error:
        raise ConfigError(BROKEN) from error


def _rows(table: Any) -> list[dict[str, Any]]:
    if not isinstance(table, dict) or "ganhub_tray" not in table:
        raise ConfigError(NO_TRAY)
    version = table["ganhub_tray"]
    if isinstance(version, int) and version > VERSION:
        raise ConfigError(NEWER)
    rows = table.get("results")
    if version != VERSION or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(BROKEN)
    if len(rows) > MOST:
        raise ConfigError(f"This zip holds {len(rows)} results, and a tray has room for {MOST}.")
    return rows


def _kept(row: dict[str, Any], files: Sequence[tuple[str, bytes]]) -> Kept:
    """A row, its Creation checked as any other; one that cannot be made here any more says so."""
    creation, note = Creation.from_dict(row.get("creation")), row.get("note", "")
    return Kept(creation, files, row.get("star") is True, note if isinstance(note, str) else "")


def _first(archive: zipfile.ZipFile, names: Any, limit: int) -> list[tuple[str, bytes]]:
    """The first file that a row names, if the zip holds it under just that name."""
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    there = [name for name in names if FILE.fullmatch(name) and name in archive.NameToInfo]
    pictures = [name for name in there if name.endswith((".png", ".webp", ".jpg"))]
    return [(Path(name).suffix, _read(archive, name, limit)) for name in pictures[:1]]


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A file of a zip, unpacked so far and no farther, whatever size it claims to have."""
    with archive.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ConfigError(TOO_LARGE)
    return data


def _entries(path: Path) -> int:
    """How many files a zip says that it holds, before its list of them is read; 0 for what is no zip."""
    with open(path, "rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 65_557))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        return 0
    count, size = struct.unpack("<HI", tail[end + 10 : end + 16])
    return 2**16 if size > 4_000_000 else count
