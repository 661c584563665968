"""Which pictures a folder or a zip holds: the one list that training, measuring, augmenting and styling go by.

A file is a picture by its suffix. All else is passed over and named in one sentence: archives, notes, hidden files,
what systems leave behind. Zips are only read, by the names that stand in them; nothing is unpacked to the disk.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ganhub.errors import DataError

SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .jif .webp .gif .bmp .dib .tif .tiff .ppm .pgm .pbm .pnm".split()
)
OTHER_PICTURES = frozenset(
    ".heic .heif .avif .svg .psd .xcf .raw .dng .cr2 .cr3 .nef .arw .jp2 .jxl .tga .exr .hdr .ico".split()
)
ARCHIVES = frozenset(".zip .tar .gz .tgz .bz2 .xz .7z .rar".split())
TABLES = frozenset(("metadata.csv", "metadata.jsonl", "dataset.json"))  # what may say the labels
JUNK = frozenset(("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"))
MOST_FILES = 2_000_000
INDEX_BYTES = 128 * 1024**2  # of a zip's list of its files, which is read as a whole
TABLE_BYTES = 256 * 1024**2
PICTURE_BYTES = 256 * 1024**2  # a file that claims more is no picture; it is not even read
SHOWN = 5  # names in a sentence
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError, MemoryError)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture by its place: the names of the folders on the way and its own, and where its bytes are."""

    parts: tuple[str, ...]
    place: Path | zipfile.ZipInfo

    @property
    def name(self) -> str:
        """Below the folder or in the zip, with "/" between the parts."""
        return "/".join(self.parts)

    @property
    def stem(self) -> str:
        """The file's own name without its suffix."""
        return PurePosixPath(self.parts[-1]).stem


@dataclass
class Listing:
    """What a folder or zip holds.

    Attributes:
        path: The folder or zip.
        pictures: The pictures, in the order of their names.
        folders: The parts of each folder's name.
        tables: Files that may say labels: ``TABLES``, wherever they lie.
        passed_over: Name of each thing that is no picture -> a reason, or "". Names of folders end with "/".
    """

    path: Path
    pictures: list[Picture] = field(default_factory=list)
    folders: set[tuple[str, ...]] = field(default_factory=set)
    tables: list[Picture] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    archive: zipfile.ZipFile | None = None

    def source(self, picture: Picture) -> Path | bytes:
        """What ``images.open_image`` takes: a path, or the bytes of a file in a zip.

        Raises:
            DataError: It claims more than 256 MB, or the zip is damaged there.
        """
        return picture.place if isinstance(picture.place, Path) else self._unpacked(picture, PICTURE_BYTES)

    def text(self, table: Picture) -> str:
        """A table's text, whose byte order mark is dropped; DataError where it is too large or not UTF-8."""
        try:
            if isinstance(table.place, Path):
                with table.place.open("rb") as file:
                    data = file.read(TABLE_BYTES + 1)
            else:
                data = self._unpacked(table, TABLE_BYTES)
            if len(data) > TABLE_BYTES:
                raise DataError(f"{table.name} has more than {TABLE_BYTES // 1024**2} MB and is not read.")
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DataError(f"{table.name} of {self.path} is not UTF-8 text: save it as UTF-8.") from None
        except OSError as error:
            raise DataError(f"{table.name} of {self.path} cannot be read ({error.strerror or error}).") from error

    def _unpacked(self, picture: Picture, most: int) -> bytes:
        if picture.place.file_size > most:
            raise DataError(f"{picture.name} unpacks to more than {most // 1024**2} MB and is not read.")
        try:
            return self.archive.read(picture.place)
        except DAMAGED as error:
            raise DataError(f"{picture.name} cannot be unpacked from {self.path.name}: {error}") from error

    def passed_over_sentence(self) -> str:
        """What was passed over, pictures of other kinds first, or ""."""
        if not self.passed_over:
            return ""
        count = len(self.passed_over)
        what = "1 file or folder of {} is" if count == 1 else f"{count:,} files or folders of {{}} are"
        first = sorted(self.passed_over, key=lambda name: (not _other_picture(name), is_hidden(name), name))
        named = [f"{name} ({why})" if (why := self.passed_over[name]) else name for name in first]
        return f"{what.format(self.path)} passed over, as no picture that can be read here: {shown(named)}."

    def pass_over(self, parts: Sequence[str], reason: str = "", folder: bool = False) -> None:
        """Note what is no picture."""
        name = "/".join(parts) + ("/" if folder else "")
        suffix = PurePosixPath(name).suffix.lower()
        if not reason and not folder:
            if suffix in OTHER_PICTURES:
                reason = f"{suffix[1:].upper()}: save it as PNG or JPEG first"
            elif suffix in ARCHIVES:
                reason = "an archive: unpack it if it holds pictures"
        self.passed_over[name] = reason


def counted(number: int) -> str:
    """ "1 picture", "2,000 pictures"."""
    return f"{number:,} picture{'' if number == 1 else 's'}"


def shown(names: Sequence[str]) -> str:
    """ "a, b, c, d, e and 3 more"."""
    first = ["".join(c if c.isprintable() else "?" for c in name) for name in names[:SHOWN]]
    return ", ".join(first) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")


def is_picture(name: str) -> bool:
    """Whether a file's suffix is one of ``SUFFIXES``, in capitals or not."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether a file or folder is passed over for its name: hidden, or what systems leave behind."""
    last = name.rstrip("/").rpartition("/")[2]
    return last.startswith(".") or last.lower() in JUNK


def composed(text: str) -> str:
    """Text in one form (NFC), since systems store an accent differently; what UTF-8 cannot hold becomes "?"."""
    return unicodedata.normalize("NFC", text).encode("utf-8", "replace").decode("utf-8")


def class_order(name: str) -> tuple[int, int, str]:
    """What classes are sorted by: whole numbers in numeric order, then words."""
    return (0, int(name), name) if re.fullmatch("-?[0-9]{1,18}", name) else (1, 0, name)


def list_pictures(path: Path, *, deep: bool = True, suffixes: Collection[str] = SUFFIXES) -> Listing:
    """List a folder or a zip.

    Args:
        deep: Whether sub-folders are entered; links to folders are followed.
        suffixes: The suffixes of the files that are wanted.

    Raises:
        DataError: It cannot be read, is encrypted, or holds more than two million files.
    """
    listing = Listing(path)
    try:
        if path.is_dir():
            _list_folder(listing, deep, suffixes)
        else:
            _list_zip(listing, suffixes)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}): check its permissions.") from error
    listing.pictures.sort(key=lambda picture: picture.name)
    listing.tables.sort(key=lambda picture: picture.name)
    return listing


def _other_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in OTHER_PICTURES


def _sort_in(
    listing: Listing, parts: tuple[str, ...], place: Path | zipfile.ZipInfo, suffixes: Collection[str]
) -> None:
    if PurePosixPath(parts[-1]).suffix.lower() in suffixes:
        listing.pictures.append(Picture(parts, place))
    elif parts[-1].lower() in TABLES:
        listing.tables.append(Picture(parts, place))
    else:
        listing.pass_over(parts)
    _check_count(listing)


def _check_count(listing: Listing) -> None:
    if len(listing.pictures) + len(listing.folders) + len(listing.passed_over) > MOST_FILES:
        raise DataError(f"{listing.path} holds more than {MOST_FILES:,} files: part it, or name a folder inside it.")


def _list_folder(listing: Listing, deep: bool, suffixes: Collection[str]) -> None:
    waiting = [(listing.path, (), frozenset((_identity(listing.path),)))]
    while waiting:
        folder, above, way = waiting.pop()
        try:
            inside = list(_scanned(folder))
        except OSError:
            if not above:
                raise
            listing.pass_over(above, "cannot be entered", folder=True)
            continue
        for name, place, kind in inside:
            parts = (*above, name)
            if kind == "other":
                listing.pass_over(parts, "a broken link, or no file")
            elif is_hidden(name) or kind == "folder" and not deep:
                listing.pass_over(parts, folder=kind == "folder")
            elif kind == "file":
                _sort_in(listing, parts, place, suffixes)
            elif (identity := _identity(place)) in way:
                listing.pass_over(parts, "leads back to a folder above it", folder=True)
            else:
                listing.folders.add(parts)
                waiting.append((place, parts, way | {identity}))
        _check_count(listing)


def _scanned(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Name, path and kind of what lies in a folder; a broken link, a pipe and the like are "other"."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                kind = "folder" if entry.is_dir() else "file" if entry.is_file() else "other"
            except OSError:  # a link in circles, or to where one may not look
                kind = "other"
            yield entry.name, folder / entry.name, kind


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


# Zips


class _BoundedFile(io.FileIO):
    def read(self, size: int = -1) -> bytes:
        if size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > INDEX_BYTES:
            raise DataError(f"its list of files takes more than {INDEX_BYTES // 1024**2} MB: part it.")
        return super().read(size)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip whose list of files, which is read as a whole, is not larger than 128 MB.

    Raises:
        DataError: It is larger, or no readable zip.
    """
    try:
        if path.stat().st_size > INDEX_BYTES:  # else the list cannot be larger either
            with _BoundedFile(path) as file, zipfile.ZipFile(file):
                pass
        return zipfile.ZipFile(path)
    except DataError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise DataError(f"{path} is no readable {path.suffix} file ({error}): save or download it again.") from error


def _list_zip(listing: Listing, suffixes: Collection[str]) -> None:
    listing.archive = open_zip(listing.path)
    last = {info.filename: info for info in listing.archive.infolist()}  # of two with one name the later one counts
    for info in listing.archive.infolist():
        parts = _parts_of(info)
        at = next((i for i, part in enumerate(parts) if is_hidden(part)), None)
        if at is not None:
            listing.pass_over(parts[: at + 1], folder=info.is_dir() or at + 1 < len(parts))
        elif info.filename.endswith(("/", "\\")):
            listing.folders.update(parts[:k] for k in range(1, len(parts) + 1))
        elif parts and info is not last[info.filename]:
            listing.pass_over(parts, "an older version of it")
        elif parts:
            listing.folders.update(parts[:k] for k in range(1, len(parts)))
            _sort_in(listing, parts, info, suffixes)
    locked = [picture.name for picture in listing.pictures if picture.place.flag_bits & 1]
    if locked:
        raise DataError(f"{listing.path} is locked with a password ({locked[0]}): unpack it first and name the folder.")


def _parts_of(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """The names on the way to a file: without drives, roots and "..", which in a zip lead nowhere good."""
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        try:
            name = name.encode("cp437").decode("utf-8")  # macOS writes UTF-8 without saying so
        except UnicodeError:
            pass
    parts = name.replace("\\", "/").split("/")
    if len(parts[0]) == 2 and parts[0][1] == ":":
        parts = parts[1:]
    return tuple(part for part in parts if part not in ("", ".", ".."))
