"""Files of a visitor's own results and photos, for as long as the session lasts. No other session can ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ganhub.app import _parts as parts
from ganhub.app.declared import ASSETS, Bench, Outcome
from ganhub.app.gpu import render
from ganhub.app.jobs import Report
from ganhub.creation import Creation, Edit, Generate, Interpolate, marks, permalink
from ganhub.creation.inputs import sha256_of
from ganhub.creation.search.point import Point
from ganhub.errors import ConfigError
from ganhub.images import video

MOST = 100  # results and photos that are remembered
GONE = "The file of this result is no longer here: open it once more, with its photo, and then send it on."


@dataclass
class Memory:
    """Of one session.

    Attributes:
        photos: sha256 -> file of a picture that was given here.
        outcomes: Link -> the newest outcome of that Creation.
    """

    photos: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def keep(self, outcome: Outcome) -> str:
        """Remember an outcome, and return its link."""
        code = permalink.to_code(unpinned(outcome.creation))
        self.outcomes.pop(code, None)
        self.outcomes[code] = outcome
        self.photos |= outcome.photos
        for table in (self.outcomes, self.photos):
            while len(table) > MOST:
                del table[next(iter(table))]
        return code

    def add_photo(self, path: str) -> str:
        """Remember a photo, and return its sha256."""
        digest = sha256_of(path)
        self.photos[digest] = path
        return digest

    def photos_of(self, creation: Creation) -> dict[str, str]:
        """sha256 -> file of those of a Creation's pictures that are here: this visitor's, and the page's examples."""
        known = {**examples(), **self.photos}
        return {digest: known[digest] for digest in creation.digests() if Path(known.get(digest, "")).is_file()}

    def find(self, code: str) -> Outcome | None:
        """The outcome of a link, where its files are still there."""
        outcome = self.outcomes.get(code)
        files = [*outcome.files, *filter(None, [outcome.film])] if outcome else []
        return outcome if files and all(Path(file).is_file() for file in files) else None


def unpinned(creation: Creation) -> Creation:
    """A Creation for whichever version of its models is here, as links are: short, and good for long."""
    return replace(creation, revision="")


def outcome_of(bench: Bench, memory: Memory, code: str, report: Report | None = None) -> Outcome:
    """The files of a link's result: those of this session, or drawn anew where that needs no photo.

    Raises:
        ConfigError: The link cannot be read, or the result was of a photo and its file is gone.
    """
    creation = permalink.from_code(code)
    outcome = memory.find(permalink.to_code(unpinned(creation)))
    if outcome is None:
        outcome = drawn_anew(bench, creation, report)
        memory.keep(outcome)
    return outcome


def drawn_anew(bench: Bench, creation: Creation, report: Report | None = None) -> Outcome:
    """The outcome of a Creation that is drawn from seeds alone; ConfigError for others."""
    if isinstance(creation, Generate) and len(creation.wanted()) <= MOST:
        return Outcome(creation, bench.drawings.of(creation, bench.library, report))
    if isinstance(creation, Edit | Point) and not creation.digests():
        picture = render(creation, bench.library).pictures
        return Outcome(creation, [parts.save_png(picture, creation.verb, marks.mark_of(creation, bench.library))])
    if isinstance(creation, Interpolate) and creation.frames <= 240:
        frames = render(creation, bench.library, report).film
        film, first = parts.scratch(f"walk.{creation.format}"), marks.Layout(picked=(0,))
        mark = marks.mark_of(creation, bench.library, first)
        video.save_video(frames, film, fps=creation.fps, mark=marks.mark_of(creation, bench.library))
        return Outcome(creation, [parts.save_png(frames[:1], "walk", mark)], str(film))
    raise ConfigError(GONE)


@lru_cache(maxsize=1)
def examples() -> Mapping[str, str]:
    """sha256 -> file of the pictures that come with the page, which every link may name."""
    files: Sequence[Any] = [path for path in ASSETS.iterdir() if path.suffix in (".jpg", ".png")]
    return {sha256_of(path): str(path) for path in files}
