"""Pictures of seeds that were asked for lately: each is drawn once and served to all who ask for it.

Every page opens on the same wall, and neighbours on a wall overlap, so on a busy page most pictures are there already.
A picture depends on model, seed, class, truncation and likeness alone.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from ganhub import images
from ganhub.app import gpu
from ganhub.app.batching import Batches
from ganhub.app.jobs import Report, hold
from ganhub.app.shield import results_place
from ganhub.creation import Generate, Library, marks
from ganhub.creation.generate import Near, Wanted, at_once
from ganhub.errors import ImageError
from ganhub.images import provenance
from ganhub.images.provenance import Mark
from ganhub.models import LatentGenerator

MOST = 4096  # pictures of one model that are remembered

Marking = Callable[[Wanted], Mark | None]
Key = tuple[str, float, Near, int, str | int | None]


def result_folder() -> Path:
    """A new folder for results where Gradio serves them from, under a name that nobody can guess.

    The quota of the disk deletes what was not asked for lately, and nothing of a job that is at work.
    """
    folder = results_place() / secrets.token_hex(8)
    hold(str(folder))
    folder.mkdir(parents=True)
    return folder


def file_name(text: str) -> str:
    """A name for a file of any text, the end of it where it is long; other texts may have the same."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[-100:]


def write_new(path: Path, content: bytes) -> None:
    """Write a file that nobody else knows of; ImageError where the disk is full."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ImageError(f"The picture cannot be kept here ({error.strerror}): free space.") from error


class Drawings:
    """Files of pictures by what they show, for each loaded model; those of a model that is gone are forgotten.

    They lie where the app keeps its results: the quota there deletes the ones that nobody asked for lately, and what
    is gone is drawn anew.
    """

    def __init__(self) -> None:
        self._lock, self._batches = threading.Lock(), Batches()
        self._paths: WeakKeyDictionary[LatentGenerator, OrderedDict[Key, Path]] = WeakKeyDictionary()

    def of(self, wall: Generate, library: Library, report: Report | None = None) -> list[str]:
        """The PNGs of a :class:`~ganhub.creation.Generate`, in its order; see :meth:`paths_of`."""

        def mark(asked: Wanted) -> Mark | None:
            return marks.mark_of(wall.alone(*asked), library)

        return self.paths_of(wall.open(library), wall.model, wall.wanted(), wall.truncation, report, wall.near, mark)

    def path_of(
        self, generator: LatentGenerator, model: str, seed: int, truncation: float = 1.0,
        label: str | int | None = None,
    ) -> str:  # fmt: skip
        """The PNG of one picture: :meth:`paths_of` with one seed."""
        return self.paths_of(generator, model, [(seed, label)], truncation)[0]

    def paths_of(
        self, generator: LatentGenerator, model: str, wanted: Sequence[Wanted], truncation: float = 1.0,
        report: Report | None = None, near: Near = None, mark: Marking | None = None,
    ) -> list[str]:  # fmt: skip
        """The PNGs of pictures, in order; those that are not there yet are drawn :func:`at_once` many at a time.

        Args:
            model: The generator's name, for the files'.
            wanted: Seed and class of each; None as the class leaves it to the seed.
            report: Is told after how many of them it goes on.
            near: The seed that they are near, and how near.
            mark: What the file of each shall say; without it, model and seed as plain texts.
        """
        paths = {asked: self._cached(generator, (model, truncation, near, *asked)) for asked in wanted}
        missing = [asked for asked, path in paths.items() if path is None]
        step = at_once(generator)
        for start in range(0, len(missing), step):
            if report is not None:
                report(len(wanted) - len(missing) + start, len(wanted))
            part = missing[start : start + step]
            paths |= zip(part, self._draw(generator, model, part, truncation, near, mark), strict=True)
        return [str(paths[asked]) for asked in wanted]

    def _draw(
        self, generator: LatentGenerator, model: str, wanted: Sequence[Wanted], truncation: float, near: Near,
        mark: Marking | None,
    ) -> list[Path]:  # fmt: skip
        """Draw pictures, in one batch with others', and write their files, in a folder that nobody can guess."""
        if gpu.is_lent():
            pictures = gpu.draw_there(model, wanted, truncation, near)
        else:
            pictures = self._batches.draw(generator, wanted, truncation, near)
        folder = result_folder()
        files = []
        for place, (picture, (seed, label)) in enumerate(zip(pictures, wanted, strict=True)):
            named = {} if label is None else {"label": label}
            alike = {} if near is None else {"around": near[0], "likeness": near[1]}
            facts = {"software": "ganhub", "model": model, "seed": seed, "truncation": truncation, **named, **alike}
            # Its place is in the name: classes whose names have no Latin letters have the same file name.
            path = folder / file_name("-".join([model, *map(str, named.values()), f"seed-{seed}-{place}.png"]))
            # Nobody knows the place yet, so there is nobody who could see half of it.
            if mark is None:
                write_new(path, images.encode_png(picture, metadata={name: str(fact) for name, fact in facts.items()}))
            else:
                marked = mark((seed, label))
                write_new(path, images.encode_png(picture, mark=marked))
                provenance.sign(path, ".png", marked)
            files.append(path)
        with self._lock:
            paths = self._paths.setdefault(generator, OrderedDict())
            paths |= {(model, truncation, near, *asked): path for asked, path in zip(wanted, files, strict=True)}
            while len(paths) > MOST:
                paths.popitem(last=False)
        return files

    def _cached(self, generator: LatentGenerator, key: Key) -> Path | None:
        with self._lock:
            paths = self._paths.get(generator, OrderedDict())
            path = paths.get(key)
            if path is None:
                return None
            try:
                os.utime(path)  # the quota deletes what was not used for longest
            except OSError:
                del paths[key]
                return None
            paths.move_to_end(key)
            return path
