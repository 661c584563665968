"""The labelled folder: what is in it, how much it grows, and the grown copy with its record in ``augment.json``."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from ganhub import images
from ganhub.data.collection import Listing, Picture, class_order, composed, list_pictures
from ganhub.data.layout import lies_in_one, parts_in
from ganhub.errors import ConfigError, DataError, ImageError
from ganhub.files import write_atomically

OnStep = Callable[[int, int], None]
MOST = 100_000  # pictures of a class in the end
RECORD = "augment.json"


@dataclass(frozen=True)
class Original:
    """One picture that was there: its name below the folder ("cat/a.png"), class, pixels, channels and digest."""

    name: str
    label: str
    path: Path
    size: tuple[int, int]
    channels: int
    digest: str


@dataclass(frozen=True)
class Labelled:
    """A folder with a sub-folder for each class.

    Attributes:
        folder: Where it lies.
        classes: Its readable pictures in name order, by class; of these, whole numbers come first, in their order.
        skipped: "name: reason" of each picture that cannot be read; these are no part of anything.
        notes: Sentences on what is no picture and is passed over.
    """

    folder: Path
    classes: dict[str, list[Original]]
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def originals(self) -> list[Original]:
        """All of them, class by class."""
        return [one for pictures in self.classes.values() for one in pictures]

    @property
    def channels(self) -> int:
        """4 where some picture has transparency, 1 where all are grey, else 3."""
        bands = {one.channels for one in self.originals}
        return 4 if bands & {2, 4} else max(bands)

    @property
    def shape(self) -> tuple[int, int]:
        """Median height and width in pixels."""
        sizes = [one.size for one in self.originals]
        return tuple(round(statistics.median(sides)) for sides in zip(*sizes, strict=True))

    @cached_property
    def digest(self) -> str:
        """Changes when a picture does, or its name."""
        listed = "\n".join(
            f"{one.digest} {one.name}" for one in sorted(self.originals, key=lambda one: (one.label, one.name))
        )
        return hashlib.sha256(listed.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class New:
    """A picture to be made: its name below the folder and how it comes about, as JSON values."""

    name: str
    label: str
    how: dict[str, Any]


def read_labelled(folder: str | Path) -> Labelled:
    """List the pictures of FOLDER/CLASS/...; each is opened once.

    Raises:
        DataError: No folder, no class sub-folders, a picture outside them, or a class without a readable picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        why = "is no folder: unpack it and name the folder" if folder.exists() else "does not exist: check the path"
        raise DataError(f"{folder} {why}.")
    listing = list_pictures(folder)
    groups = _classes_of(listing)
    classes: dict[str, list[Original]] = {}
    skipped: list[str] = []
    for label, pictures in groups.items():
        classes[label] = []
        for picture in pictures:
            try:
                data = picture.place.read_bytes()
                opened = images.open_image(data)
            except (ImageError, OSError) as error:
                skipped.append(f"{picture.name}: {error}")
                continue
            size, channels = (opened.height, opened.width), len(opened.getbands())
            digest = hashlib.sha256(data).hexdigest()
            classes[label].append(Original(picture.name, label, picture.place, size, channels, digest))
        if not classes[label]:
            why = f" ({skipped[-1]})" if pictures else ""
            raise DataError(f"The class '{label}' of {folder} holds no picture that can be read{why}: add one, or "
                            "remove its folder.")  # fmt: skip
    for table in listing.tables:
        listing.pass_over(table.parts)
    return Labelled(folder, classes, skipped, [sentence] if (sentence := listing.passed_over_sentence()) else [])


def _classes_of(found: Listing) -> dict[str, list[Picture]]:
    """The pictures of each class folder, empty ones too; refuses what has no such folders, or others around them."""
    folder = found.path
    tops = sorted(parts[0] for parts in found.folders if len(parts) == 1)
    loose = [picture for picture in found.pictures if len(picture.parts) == 1]
    if loose or not tops:
        what = f"{loose[0].name} of {folder} lies in no class folder" if loose else f"{folder} has no class folders"
        raise DataError(f"{what}: put each picture in a sub-folder named after its class.")
    if parted := parts_in(found.pictures):
        raise DataError(f"{folder} holds {' and '.join(parted)}, which are no classes: name one of them, as "
                        f"{folder / next(iter(parted))}.")  # fmt: skip
    if len(tops) == 1 and lies_in_one(found.pictures):
        raise DataError(f"Everything of {folder} lies in one folder: name {folder / tops[0]}, if it holds the classes.")
    groups: dict[str, list[Picture]] = {}
    for top in sorted(map(composed, tops), key=class_order):
        groups[top] = []
    for picture in found.pictures:
        groups[composed(picture.parts[0])].append(picture)
    return groups


def counts(labelled: Labelled, *, per_class: int | None = None, times: int | None = None) -> dict[str, int]:
    """How many new pictures each class gets, so that it has ``per_class`` in the end, or ``times`` what it has.

    A class that has ``per_class`` pictures or more gets none and keeps all of its own.

    Raises:
        ConfigError: Both or neither given, out of range, or no class would grow.
    """
    if (per_class is None) == (times is None):
        raise ConfigError("Say either how many pictures a class has in the end (per class), or how many times its own.")
    have = {label: len(pictures) for label, pictures in labelled.classes.items()}
    most, least = max(have.values()), min(have.values())
    if times is not None:
        if times < 2:
            raise ConfigError(f"times must be 2 or more, not {times}: once its own is what the folder has already.")
        wanted = {label: n * times for label, n in have.items()}
    else:
        if per_class <= least:
            held = f"{least}" if least == most else f"{least} to {most}"
            raise ConfigError(f"Each class has {held} pictures already, so {per_class} per class adds none: ask for "
                              f"more than {least}.")  # fmt: skip
        wanted = dict.fromkeys(have, per_class)
    if max(wanted.values()) > MOST:
        raise ConfigError(f"{max(wanted.values()):,} pictures in a class are more than {MOST:,}: ask for fewer.")
    return {label: max(wanted[label] - have[label], 0) for label in have}


class Names:
    """Names of new files that no original and no other new file has, whatever a file system makes of capitals."""

    def __init__(self, labelled: Labelled) -> None:
        self._taken = {one.name.lower() for one in labelled.originals}

    def free(self, pattern: str, number: int) -> str:
        """``pattern`` with the first number from ``number`` on that is free."""
        while (name := pattern.format(number)).lower() in self._taken:
            number += 1
        self._taken.add(name.lower())
        return name


def load(one: Original, channels: int) -> Tensor:
    """[1, channels, H, W] in [-1, 1]; with 4 channels, what hides under full transparency is white."""
    picture = images.load_image(one.path, channels=channels)
    if channels == 4:
        picture[:, :3] = picture[:, :3].masked_fill(picture[:, 3:] == -1, 1.0)
    return picture


def begin(labelled: Labelled, out: str | Path, settings: dict[str, Any], plan: Sequence[New]) -> Path:
    """Write what is going to be made into OUT/augment.json and copy the originals there, byte for byte.

    Args:
        settings: JSON values that decide the plan; another call into the same OUT must have the same.

    Raises:
        ConfigError: OUT is the folder itself or lies in it, holds something else, or a run of other settings.
    """
    out, source = Path(out), Path(os.path.realpath(labelled.folder))
    if source in (place := Path(os.path.realpath(out)), *place.parents):
        raise ConfigError(f"{out} lies in the folder that is to grow, which stays as it is: name another place.")
    ways = {new.name: new.how for new in plan}
    record = {**settings, "originals": len(labelled.originals), "digest": labelled.digest, "made": ways}
    text = json.dumps(record, indent=1) + "\n"
    if (out / RECORD).is_file():
        _check_same(out, json.loads(text))
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already and is no run of this command: name an empty or a new folder.")
    else:
        write_atomically(out / RECORD, lambda place: place.write_bytes(text.encode()))
    for one in labelled.originals:
        target = out / one.name
        if not target.is_file() or hashlib.sha256(target.read_bytes()).hexdigest() != one.digest:
            data = one.path.read_bytes()
            write_atomically(target, lambda place, data=data: place.write_bytes(data))
    return out


def _check_same(out: Path, record: dict[str, Any]) -> None:
    try:
        held = json.loads((out / RECORD).read_text(encoding="utf-8-sig"))
        differing = [key for key in record if held.get(key) != record[key]]
    except (ValueError, AttributeError, RecursionError, OSError):
        raise ConfigError(f"{out / RECORD} cannot be read: name another out folder.") from None
    if {"digest", "originals"} & set(differing):
        raise ConfigError(f"The pictures have changed since {out} was begun: name another out folder.")
    if differing:
        key = differing[0]
        change = "" if key == "made" else f" ({key} {held.get(key)!r}, now {record[key]!r})"
        raise ConfigError(
            f"{out} was begun with other settings{change}: name another out folder, or the same settings."
        )
