"""Where pictures come from, behind one small interface: what folders, zips, npz files and Hub datasets become.

Every picture is opened by :mod:`ganhub.images` and by nothing else.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganhub import images
from ganhub.data.collection import class_order, composed
from ganhub.errors import DataError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Entry:
    """One picture: its name, its class index (-1 without labels) and how to open it as [1, C, H, W] in [-1, 1]."""

    name: str
    label: int
    read: Callable[[], Tensor]


def transparency_laid(what: str, background: str) -> str:
    """What to say where pictures have transparency and the model has none."""
    laid = f"laid on {background} (data.background). A generator with model.channels=4 learns it."
    return f"{what} has transparency and the model has none, so the pictures are {laid}"


class Opener:
    """Opens pictures as [1, channels, H, W] in [-1, 1], and once adds to ``notes`` that they lose their transparency.

    Args:
        where: What the pictures are of, for that sentence.
    """

    def __init__(self, where: str, channels: int, background: str, notes: list[str]) -> None:
        self.channels, self.background, self.notes = channels, background, notes
        self._sentence = transparency_laid(f"A picture of {where}", background)

    def __call__(self, source: images.Source) -> Tensor:
        picture = images.open_image(source)
        if self.channels != 4 and self._sentence not in self.notes and images.is_see_through(picture):
            self.notes.append(self._sentence)
        return images.from_pil(picture, channels=self.channels, background=self.background)


class Source:
    """A known number of pictures, each reachable by its index.

    Attributes:
        notes: Sentences on what lies there and is not used; an ``Opener`` may add one as pictures are read.
        takes: Whether a picture that is written into the collection's folder, under the names of the folders on the
            way and its own, would be one of its pictures when it is opened again.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        class_names: Sequence[str] = (),
        notes: Sequence[str] = (),
        takes: Callable[[tuple[str, ...]], bool] = lambda parts: True,
    ) -> None:
        self.entries, self.class_names, self._notes, self.takes = entries, tuple(class_names), notes, takes

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    def part(self, rows: Sequence[int], labels: Sequence[int], class_names: Sequence[str]) -> Source:
        """Some of the pictures, with new labels."""
        chosen = [replace(self[i], label=label) for i, label in zip(rows, labels, strict=True)]
        return Source(chosen, class_names, self._notes, self.takes)


class Stream:
    """Pictures that only come one after the other: a Hub dataset that does not fit on this machine.

    Attributes:
        count: Pictures per epoch, 0 when the Hub does not say.
        notes: As of a ``Source``.
    """

    def takes(self, parts: tuple[str, ...]) -> bool:
        """The same as ``Source.takes``; for a streamed folder nobody knows, so yes."""
        return True

    def __init__(self, dataset: Any, entry: Callable[[int, dict], Entry], class_names: Sequence[str], count: int,
                 notes: Sequence[str] = ()) -> None:  # fmt: skip
        self._dataset, self._entry, self.class_names, self.count = dataset, entry, tuple(class_names), count
        self._notes = notes

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def epoch(self, seed: int) -> Iterator[Entry]:
        """Iterate over one epoch, its order a function of ``seed``."""
        options = {"seed": seed, "buffer_size": 1000}
        if "max_buffer_input_shards" in inspect.signature(self._dataset.shuffle).parameters:
            options["max_buffer_input_shards"] = 1  # several at once: each end of an epoch sleeps for seconds
        for index, row in enumerate(self._dataset.shuffle(**options)):
            yield self._entry(index, row)


def classes_of(values: Sequence[Any], where: str) -> tuple[tuple[str, ...], list[int]]:
    """Return sorted class names (whole numbers in numeric order, before words) and each value's class index."""
    if any(v is None or v == "" or v != v for v in values):
        raise DataError(f"Some pictures of {where} have no label; label them all or remove them.")
    ordered = sorted(set(values), key=lambda value: class_order(str(value)))
    index = {v: i for i, v in enumerate(ordered)}
    return tuple(str(v) for v in ordered), [index[v] for v in values]


def partnered(first: Source | Stream, second: Source | Stream, here: str, there: str) -> Source:
    """The pictures of ``second`` in the order of those of ``first`` that they belong to, by the names of their files.

    Raises:
        DataError: Where a name lacks its partner, or stands twice; the first five are named.
    """
    if isinstance(first, Stream) or isinstance(second, Stream):
        raise DataError("Streamed datasets cannot be paired by name: set data.streaming = false.")
    sides = []
    for source, where in ((first, here), (second, there)):
        stems = [composed(Path(entry.name).stem) for entry in source]
        if twice := [name for name, count in Counter(stems).items() if count > 1]:
            raise DataError(f"Pairs go by name, and of {where} some stand twice: {', '.join(sorted(twice)[:5])}.")
        sides.append(dict(zip(stems, source, strict=True)))
    if alone := sorted(sides[0].keys() ^ sides[1].keys()):
        named = ", ".join(f"{name} (only in {here if name in sides[0] else there})" for name in alone[:5])
        raise DataError(f"Pairs go by name, and {len(alone)} pictures have no partner: {named}.")
    return Source([sides[1][stem] for stem in sides[0]], second.class_names, second._notes, second.takes)


def drop_small_classes(source: Source, smallest: int) -> Source:
    """Leave out the classes of fewer than ``smallest`` pictures, and number the others anew; without labels, none.

    Raises:
        DataError: When no class is left.
    """
    if not smallest or not source.class_names:
        return source
    counts = Counter(entry.label for entry in source)
    kept = [label for label in range(len(source.class_names)) if counts[label] >= smallest]
    if not kept:
        raise DataError(f"No class has {smallest} pictures or more; lower data.smallest_class.")
    number = {label: i for i, label in enumerate(kept)}
    names = [source.class_names[label] for label in kept]
    rows = [i for i, entry in enumerate(source) if entry.label in number]
    labels = [number[source[i].label] for i in rows]
    return source.part(rows, labels, names)
